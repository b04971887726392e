import { ARCHITECTURES, isKnownCall, nativeArchitecture } from './architectures.js';
import { resolveCondition } from './conditions.js';
import { checkParkedCalls, checkReachable } from './check.js';
import { ERRNO, type ErrnoName } from './errno.js';
import { invalid } from './invalid.js';
import { isPreset, PRESETS } from './presets/index.js';
import type {
  Architecture,
  Explanation,
  OtherwiseRule,
  ResolvedRule,
  ResolvedSyscallPolicy,
  SyscallOption,
  SyscallPolicy,
  SyscallRule,
} from './types.js';

const FOREIGN: Explanation = {
  verdict: 'kill',
  reason: 'a call through another ABI (32-bit, x32): no program of this machine makes one, exploits do',
};

const NOT_NAMED: OtherwiseRule = { verdict: 'errno', errno: 'ENOSYS', reason: 'not named by the policy' };

/** Policies already resolved. Every start of a step asks, mostly for the same one. */
const resolvedBefore = new Map<string, ResolvedSyscallPolicy>();
const REMEMBERED = 64;

/** Turns what the user says into a policy with nothing left to look up, or says what is wrong with it. */
export function resolveSyscalls(
  option: SyscallOption = 'default',
  architecture: Architecture = nativeArchitecture(),
): ResolvedSyscallPolicy {
  const key = `${architecture} ${textOf(option)}`;
  const known = resolvedBefore.get(key);
  if (known !== undefined) return known;
  const resolved = resolve(readPolicy(option), architecture);
  if (resolvedBefore.size >= REMEMBERED) resolvedBefore.clear();
  resolvedBefore.set(key, resolved);
  return resolved;
}

function resolve(policy: SyscallPolicy, architecture: Architecture): ResolvedSyscallPolicy {
  const rows = flatten(policy);
  const calls = new Map<number, ResolvedRule[]>();
  for (const { rule, where, own } of rows) addRule(calls, rule, where, own, architecture);
  const resolved: ResolvedSyscallPolicy = {
    architecture,
    calls: new Map([...calls].map(([number, rules]) => [number, untilUnconditional(rules)])),
    otherwise: readVerdict(policyOtherwise(policy), 'otherwise'),
    foreign: FOREIGN,
  };
  checkParkedCalls(resolved);
  return resolved;
}

/** The policy with rows before its own: for what another layer must forbid whatever the user says. */
export function overrideSyscalls(policy: ResolvedSyscallPolicy, rules: readonly SyscallRule[]): ResolvedSyscallPolicy {
  const calls = new Map<number, ResolvedRule[]>();
  for (const [index, rule] of rules.entries()) addRule(calls, rule, `rule ${index}`, true, policy.architecture);
  const merged = new Map(policy.calls);
  for (const [number, own] of calls) {
    merged.set(number, untilUnconditional([...own, ...(policy.calls.get(number) ?? [])]));
  }
  const resolved = { ...policy, calls: merged };
  checkParkedCalls(resolved);
  return resolved;
}

interface Row {
  readonly rule: SyscallRule;
  readonly where: string;
  /** A row of the user's, which must be reachable; a preset's row may be overridden. */
  readonly own: boolean;
}

function readPolicy(option: unknown): SyscallPolicy {
  if (isPreset(option)) return PRESETS[option];
  if (typeof option !== 'object' || option === null || Array.isArray(option)) {
    throw invalid(`expected ${presetNames()} or a policy, got ${textOf(option)}`);
  }
  refuseUnknownKeys(option, ['extends', 'rules', 'otherwise'], 'the policy');
  const policy: SyscallPolicy = option;
  if (policy.extends !== undefined && !isPreset(policy.extends)) {
    throw invalid(`extends must be ${presetNames()}, got ${textOf(policy.extends)}`);
  }
  if (policy.rules !== undefined && !Array.isArray(policy.rules)) throw invalid('rules must be a list');
  return policy;
}

/** One's own rows first, then those of what is extended. */
function flatten(policy: SyscallPolicy): Row[] {
  const own = !Object.values(PRESETS).includes(policy);
  const rows = (policy.rules ?? []).map((rule, index) => ({ rule, where: `rule ${index}`, own }));
  return policy.extends === undefined ? rows : [...rows, ...flatten(PRESETS[policy.extends])];
}

function policyOtherwise(policy: SyscallPolicy): OtherwiseRule {
  if (policy.otherwise !== undefined) return policy.otherwise;
  return policy.extends === undefined ? NOT_NAMED : policyOtherwise(PRESETS[policy.extends]);
}

function addRule(
  calls: Map<number, ResolvedRule[]>,
  rule: SyscallRule,
  where: string,
  own: boolean,
  architecture: Architecture,
): void {
  refuseUnknownKeys(rule, ['name', 'verdict', 'errno', 'reason', 'when'], where);
  const verdict = readVerdict(rule, where);
  for (const name of readNames(rule, where)) {
    const when = (rule.when ?? []).map((condition) => resolveCondition(name, condition));
    const number = ARCHITECTURES[architecture].table[name];
    if (number === undefined) continue;
    const earlier = calls.get(number) ?? [];
    const resolved = { ...verdict, when };
    if (own) checkReachable(resolved, earlier, `${where} (${name})`);
    calls.set(number, [...earlier, resolved]);
  }
}

function readNames(rule: SyscallRule, where: string): readonly string[] {
  const names: readonly unknown[] = Array.isArray(rule.name) ? rule.name : [rule.name];
  if (names.length === 0) throw invalid(`${where} names no call`);
  return names.map((name) => {
    if (typeof name === 'string' && isKnownCall(name)) return name;
    throw invalid(`${where}: no system call is named ${textOf(name)}`);
  });
}

function readVerdict(row: OtherwiseRule, where: string): Explanation {
  const { verdict, errno, reason } = row;
  if (typeof reason !== 'string' || reason.trim() === '') throw invalid(`${where} has no reason`);
  if (!['allow', 'errno', 'kill'].includes(verdict)) {
    throw invalid(`${where}: the verdict must be allow, errno or kill, got ${textOf(verdict)}`);
  }
  if (verdict !== 'errno') {
    if (errno !== undefined) throw invalid(`${where}: verdict ${verdict} has no errno`);
    return { verdict, reason };
  }
  const known: ErrnoName = errno ?? 'EPERM';
  if (!Object.hasOwn(ERRNO, known)) throw invalid(`${where}: no error is named ${textOf(known)}`);
  return { verdict, errno: known, reason };
}

function refuseUnknownKeys(value: object, known: readonly string[], where: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw invalid(`${where} has no ${unknown}; it has ${known.join(', ')}`);
}

function untilUnconditional(rules: readonly ResolvedRule[]): readonly ResolvedRule[] {
  const last = rules.findIndex(({ when }) => when.length === 0);
  return last === -1 ? rules : rules.slice(0, last + 1);
}

/** `undefined` and functions have no text of their own; what contains itself is no data. */
function textOf(value: unknown): string {
  try {
    const replace = (_: string, part: unknown): unknown => (typeof part === 'bigint' ? `${part}n` : part);
    const text = JSON.stringify(value, replace) as string | undefined;
    return text ?? typeof value;
  } catch (cause) {
    throw invalid('a policy is plain data', cause);
  }
}

function presetNames(): string {
  return Object.keys(PRESETS)
    .map((name) => `'${name}'`)
    .join(', ');
}
