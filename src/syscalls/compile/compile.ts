import { ARCHITECTURES } from '../architectures.js';
import { SECCOMP_RET } from '../seccomp.js';
import { SETUP } from '../setup.js';
import type { CompiledSyscalls, ResolvedSyscallPolicy } from '../types.js';
import { resolveCondition } from '../conditions.js';
import { assemble } from './assemble.js';
import { Diagrams, isBranch, type Diagram } from './diagram.js';
import { conditionsDiagram, dispatchDiagram, returnValue, rulesDiagram } from './policy-diagram.js';

const { ALLOW, USER_NOTIF } = SECCOMP_RET;

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

function compile(policy: ResolvedSyscallPolicy): CompiledSyscalls {
  const diagrams = new Diagrams();
  const whole = policyDiagram(diagrams, policy);
  const setup = setupDiagram(diagrams, policy);
  const base = diagrams.join([setup, whole], (inSetup = 0, verdict = 0) => {
    return inSetup === 1 || verdict === USER_NOTIF ? ALLOW : verdict;
  });
  const step = diagrams.join([setup, whole], (inSetup = 0, verdict = 0) => {
    return inSetup === 1 || verdict === USER_NOTIF ? verdict : ALLOW;
  });
  return { base: assemble(base), step: assemble(step), notifies: reaches(step, USER_NOTIF) };
}

/** What the whole policy answers, as if one filter could. */
export function policyDiagram(diagrams: Diagrams, policy: ResolvedSyscallPolicy): Diagram {
  const otherwise = diagrams.leaf(returnValue(policy.otherwise));
  const calls = new Map<number, Diagram>();
  for (const [number, rules] of policy.calls) calls.set(number, rulesDiagram(diagrams, rules, otherwise));
  const foreign = diagrams.leaf(returnValue(policy.foreign));
  return dispatchDiagram(diagrams, policy.architecture, calls, otherwise, foreign);
}

/** Yes for the calls that our own code makes between the two programs. */
function setupDiagram(diagrams: Diagrams, { architecture }: ResolvedSyscallPolicy): Diagram {
  const { table } = ARCHITECTURES[architecture];
  const calls = new Map<number, Diagram>();
  for (const { name, when = [] } of SETUP.flatMap((row) => row.names.map((name) => ({ ...row, name })))) {
    const number = table[name];
    if (number === undefined) continue;
    const needs = conditionsDiagram(
      diagrams,
      when.map((condition) => resolveCondition(name, condition)),
    );
    calls.set(number, needs);
  }
  return dispatchDiagram(diagrams, architecture, calls, diagrams.no, diagrams.no);
}

function reaches(diagram: Diagram, value: number): boolean {
  if (!isBranch(diagram)) return diagram.value === value;
  return diagram.children.some((child) => reaches(child, value));
}
