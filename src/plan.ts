import { RecentMap } from './options/cache.js';
import { expectArray, expectText } from './options/check.js';
import { keyOf } from './options/key.js';
import { type ResolvedOptions, resolveOptions } from './options/resolve.js';
import type { SandboxOptions } from './options/sandbox-options.js';
import { type Command, locateCommand, NO_COMMAND } from './policy/command.js';
import { buildPolicy, type Policy } from './policy/policy.js';
import { startSettings } from './policy/start-settings.js';
import { encodeStartSettings } from './spawner/codec.js';

/** Everything about a step that can be known before it runs. */
export interface Plan {
  readonly options: ResolvedOptions;
  readonly policy: Policy;
  /** Encoded, as `encodeStart` takes them. */
  readonly settings: Uint8Array;
  readonly file: Buffer;
  readonly argv: readonly Buffer[];
}

export interface Resolved {
  readonly options: ResolvedOptions;
  /** By command and by whether there is input. */
  readonly prepared: Map<string, Pick<Plan, 'policy' | 'settings'>>;
}

/** Most steps of an app have equal options: resolving them again costs a look into a map. */
const resolvedBefore = new RecentMap<string, Resolved>(256);
const policies = new RecentMap<string, Policy>(256);

/** @throws SandboxError `ERR_INVALID_OPTION` for what cannot be asked for */
export function planStep(file: string, args: readonly string[], options: SandboxOptions): Plan {
  return planWith(file, argvOf(file, args), options);
}

/** @throws SandboxError `ERR_INVALID_OPTION` */
export function argvOf(file: string, args: readonly string[]): readonly Buffer[] {
  return [expectText(file, 'file'), ...checkArguments(args)].map((argument) => Buffer.from(argument));
}

/** As above, for what is checked already: `argv` need not begin with `file`. */
export function planWith(file: string, argv: readonly Buffer[], options: SandboxOptions): Plan {
  return planResolved(file, argv, resolveOnce(options), options.input !== undefined, locateCommand);
}

/** As above, for what is resolved already. */
export function planResolved(
  file: string,
  argv: readonly Buffer[],
  resolved: Resolved,
  isGivenInput: boolean,
  locate: typeof locateCommand,
): Plan {
  const { root, mounts } = resolved.options;
  const command = root === undefined ? locate(file, mounts) : { ...NO_COMMAND, file };
  const hasInput = isGivenInput || resolved.options.stdin === 'pipe';
  return {
    options: resolved.options,
    ...prepareOnce(resolved, command, hasInput),
    file: Buffer.from(command.file),
    argv,
  };
}

function checkArguments(args: readonly string[]): readonly string[] {
  for (const [index, argument] of expectArray(args, 'args').entries())
    expectText(argument, `args[${index}]`, { empty: true });
  return args;
}

export function resolveOnce(options: SandboxOptions): Resolved {
  const key = optionsKey(options);
  let resolved = resolvedBefore.get(key);
  if (resolved === undefined) {
    resolved = { options: resolveOptions(options), prepared: new Map() };
    resolvedBefore.set(key, resolved);
  }
  return resolved;
}

/** Covers what resolving looks at outside of the options, too: the app's variables, home and working directory. */
export function optionsKey(options: SandboxOptions): string {
  let key = '';
  for (const name of Object.keys(options) as (keyof SandboxOptions)[]) {
    if (name === 'input' || name === 'signal') continue;
    key += `${name}:${keyOf(options[name])};`;
  }
  if (options.filesystem !== undefined) key += `${process.cwd()}\0${process.env['HOME'] ?? ''}`;
  return key + passedOnKey(options);
}

/** The variables that are the app's own. */
export function passedOnKey({ env }: SandboxOptions): string {
  let key = '';
  for (const [name, value] of Object.entries(env ?? {})) {
    if ((value as unknown) === true) key += `\0${name}=${process.env[name] ?? ''}`;
  }
  return key;
}

function prepareOnce(resolved: Resolved, command: Command, hasInput: boolean): Pick<Plan, 'policy' | 'settings'> {
  const key = `${String(hasInput)}${command.key}`;
  let prepared = resolved.prepared.get(key);
  if (prepared === undefined) {
    prepared = {
      policy: policyOnce(resolved.options, command),
      settings: encodeStartSettings(startSettings(resolved.options, command, hasInput)),
    };
    resolved.prepared.set(key, prepared);
  }
  return prepared;
}

/** What concerns only the step; all else is part of how its sandbox is built. Of limits, terminal and system calls, see below. */
const OF_THE_STEP: readonly (keyof ResolvedOptions)[] = [
  ...(['env', 'cwd', 'stdin', 'stdout', 'stderr', 'encoding', 'collect', 'reject', 'killGrace'] as const),
  ...(['limits', 'terminal', 'syscalls'] as const),
];

/** Options that differ only in what concerns the step share a policy and so its ready sandboxes. */
function policyOnce(options: ResolvedOptions, command: Command): Policy {
  const { limits, terminal, syscalls } = options;
  const asked = [
    limits.scratch,
    limits.memory === Infinity,
    limits.processes === Infinity,
    limits.cpuTime === Infinity && limits.cpus === Infinity,
    terminal !== undefined,
  ];
  const others = Object.fromEntries(
    Object.entries(options).filter(([name]) => !OF_THE_STEP.includes(name as keyof ResolvedOptions)),
  );
  const key = keyOf([asked, others, identityOf(syscalls), command.mounts]);
  let policy = policies.get(key);
  if (policy === undefined) {
    policy = buildPolicy(options, command);
    policies.set(key, policy);
  }
  return policy;
}

/** Resolved system call policies are shared, so which one it is says what it is. */
const identities = new WeakMap<object, number>();
let lastIdentity = 0;

function identityOf(shared: object): number {
  let identity = identities.get(shared);
  if (identity === undefined) identities.set(shared, (identity = ++lastIdentity));
  return identity;
}
