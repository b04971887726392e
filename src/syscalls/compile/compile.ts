import { ARCHITECTURES } from '../architectures.js';
import { SECCOMP_RET } from '../seccomp.js';
import { SETUP } from '../setup.js';
import type { Architecture, CompiledSyscalls, ResolvedSyscallPolicy } from '../types.js';
import { resolveCondition } from '../conditions.js';
import { assemble } from './assemble.js';
import { Diagrams, isBranch, type Diagram } from './diagram.js';
import { conditionsDiagram, dispatchDiagram, type PolicyDiagrams, policyDiagrams } from './policy-diagram.js';

const { ALLOW, TRACE, USER_NOTIF } = SECCOMP_RET;

const compiledBefore = new WeakMap<ResolvedSyscallPolicy, CompiledSyscalls>();

/**
 * Cuts a policy into two programs. The kernel runs both and takes the stricter answer: an error number beats a
 * notification, which beats permission. So where the policy kills, `base` must permit, or its error would hide it.
 */
export function compileSyscalls(policy: ResolvedSyscallPolicy): CompiledSyscalls {
  const compiled = compiledBefore.get(policy) ?? compile(policy);
  compiledBefore.set(policy, compiled);
  return compiled;
}

const compiledForZygotes = new WeakMap<ResolvedSyscallPolicy, CompiledSyscalls>();

/**
 * For a zygote, whose filters its steps inherit: what `policy` allows or `least`, which the runtime itself needs. A step is
 * given its own two filters on top where these let more through.
 *
 * There can be one listener for all of a process's filters, and a step needs its own: so what a policy kills is answered in
 * the zygote as a call that only a tracer could execute, and there is none. In a step the notification of its own filter is
 * stricter than that, and wins.
 */
export function compileForZygote(policy: ResolvedSyscallPolicy, least: ResolvedSyscallPolicy): CompiledSyscalls {
  const compiled = compiledForZygotes.get(policy) ?? compileEither(policy, least);
  compiledForZygotes.set(policy, compiled);
  return compiled;
}

function compileEither(policy: ResolvedSyscallPolicy, least: ResolvedSyscallPolicy): CompiledSyscalls {
  const diagrams = new Diagrams();
  const whole = either(diagrams, policyDiagrams(diagrams, policy), policyDiagrams(diagrams, least));
  return cutPolicy(diagrams, policy.architecture, whole, TRACE);
}

/** Allowed is what one of the two allows; what is not has the answer of the first. */
function either(diagrams: Diagrams, one: PolicyDiagrams, other: PolicyDiagrams): PolicyDiagrams {
  const join = (a: Diagram, b: Diagram): Diagram =>
    diagrams.join([a, b], (first = 0, second = 0) => (second === ALLOW ? ALLOW : first));
  const calls = new Map<number, Diagram>();
  for (const number of new Set([...one.calls.keys(), ...other.calls.keys()])) {
    calls.set(number, join(one.calls.get(number) ?? one.otherwise, other.calls.get(number) ?? other.otherwise));
  }
  return { calls, otherwise: join(one.otherwise, other.otherwise), foreign: join(one.foreign, other.foreign) };
}

function compile(policy: ResolvedSyscallPolicy): CompiledSyscalls {
  const diagrams = new Diagrams();
  return cutPolicy(diagrams, policy.architecture, policyDiagrams(diagrams, policy), USER_NOTIF);
}

/** `killed`: the answer in `step` to what the policy kills. */
function cutPolicy(
  diagrams: Diagrams,
  architecture: Architecture,
  whole: PolicyDiagrams,
  killed: number,
): CompiledSyscalls {
  const needed = neededDiagrams(diagrams, architecture);
  const cut = new Map<number, TwoDiagrams>();
  for (const number of new Set([...whole.calls.keys(), ...needed.keys()])) {
    const verdict = whole.calls.get(number) ?? whole.otherwise;
    cut.set(number, cutInTwo(diagrams, verdict, needed.get(number) ?? diagrams.no));
  }
  const otherwise = cutInTwo(diagrams, whole.otherwise, diagrams.no);
  const foreign = cutInTwo(diagrams, whole.foreign, diagrams.no);
  const program = (which: keyof TwoDiagrams): Diagram => {
    const calls = new Map([...cut].map(([number, two]) => [number, two[which]]));
    return dispatchDiagram(diagrams, architecture, calls, otherwise[which], foreign[which]);
  };
  const told = program('step');
  const step =
    killed === USER_NOTIF ? told : diagrams.join([told], (answer = 0) => (answer === USER_NOTIF ? killed : answer));
  return { base: assemble(program('base')), step: assemble(step), notifies: reaches(step, USER_NOTIF) };
}

interface TwoDiagrams {
  readonly base: Diagram;
  readonly step: Diagram;
}

/** One call: `verdict` is what the policy answers, `needed` whether our own code makes it while only `base` is there. */
function cutInTwo(diagrams: Diagrams, verdict: Diagram, needed: Diagram): TwoDiagrams {
  const base = diagrams.join([needed, verdict], (isNeeded = 0, answer = 0) => {
    return isNeeded === 1 || answer === USER_NOTIF ? ALLOW : answer;
  });
  const rest = diagrams.join([needed, verdict], (isNeeded = 0, answer = 0) => {
    return isNeeded === 1 || answer === USER_NOTIF ? answer : ALLOW;
  });
  // What `base` refuses, `step` may refuse again with the same error: worth it where the question gets simpler.
  return { base, step: sizeOf(verdict) < sizeOf(rest) ? verdict : rest };
}

/** What our own code needs, by number. Several rows about one call are alternatives. */
function neededDiagrams(diagrams: Diagrams, architecture: Architecture): Map<number, Diagram> {
  const { table } = ARCHITECTURES[architecture];
  const calls = new Map<number, Diagram>();
  for (const { name, when = [] } of SETUP.flatMap((row) => row.names.map((name) => ({ ...row, name })))) {
    const number = table[name];
    if (number === undefined) continue;
    const conditions = when.map((condition) => resolveCondition(name, condition));
    const needed = conditionsDiagram(diagrams, conditions);
    calls.set(number, diagrams.choose(needed, diagrams.yes, calls.get(number) ?? diagrams.no));
  }
  return calls;
}

function sizeOf(diagram: Diagram): number {
  if (!isBranch(diagram)) return 0;
  return diagram.children.reduce((size, child) => size + sizeOf(child), diagram.children.length);
}

function reaches(diagram: Diagram, value: number): boolean {
  if (!isBranch(diagram)) return diagram.value === value;
  return diagram.children.some((child) => reaches(child, value));
}
