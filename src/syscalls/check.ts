import { ARCHITECTURES } from './architectures.js';
import { Diagrams, isBranch, childAt, type Diagram } from './compile/diagram.js';
import { conditionsDiagram, returnValue, rulesDiagram } from './compile/policy-diagram.js';
import { invalid } from './invalid.js';
import { PARKED, PARKED_WITH_TERMINAL, type ParkedCall } from './parked.js';
import { argumentOffset, SECCOMP_RET } from './seccomp.js';
import type { ResolvedRule, ResolvedSyscallPolicy } from './types.js';

/** Refuses a row that no call can reach: it contradicts an earlier one, or itself, and is not what was meant. */
export function checkReachable(rule: ResolvedRule, earlier: readonly ResolvedRule[], where: string): void {
  if (earlier.length === 0 && rule.when.length === 0) return;
  const diagrams = new Diagrams();
  const own = conditionsDiagram(diagrams, rule.when);
  if (own === diagrams.no) throw invalid(`${where}: its conditions contradict each other`);
  const decided = earlier.reduce<Diagram>((before, { when }) => {
    return diagrams.choose(conditionsDiagram(diagrams, when), diagrams.yes, before);
  }, diagrams.no);
  if (diagrams.and(own, diagrams.not(decided)) === diagrams.no) {
    throw invalid(`${where} can never be reached: earlier rules already decide every such call`);
  }
}

/** Refuses a policy under which no step could ever start. */
export function checkParkedCalls(policy: ResolvedSyscallPolicy): void {
  checkCalls(policy, PARKED);
}

/** Refuses a policy under which no step could have a terminal. */
export function checkTerminalCalls(policy: ResolvedSyscallPolicy): void {
  checkCalls(policy, PARKED_WITH_TERMINAL);
}

function checkCalls(policy: ResolvedSyscallPolicy, calls: readonly ParkedCall[]): void {
  const { table } = ARCHITECTURES[policy.architecture];
  for (const call of calls) {
    const number = table[call.name];
    if (number === undefined) continue;
    const diagrams = new Diagrams();
    const otherwise = diagrams.leaf(returnValue(policy.otherwise));
    const diagram = rulesDiagram(diagrams, policy.calls.get(number) ?? [], otherwise);
    if (mayBeRefused(diagram, call)) {
      throw invalid(`a step could never start: it ${call.reason} with the filter on, and ${call.name} may be refused`);
    }
  }
}

function mayBeRefused(diagram: Diagram, call: ParkedCall): boolean {
  if (!isBranch(diagram)) return diagram.value !== SECCOMP_RET.ALLOW;
  const known = knownWord(call, diagram.field.offset);
  if (known === undefined) return diagram.children.some((child) => mayBeRefused(child, call));
  return mayBeRefused(childAt(diagram, (known & diagram.field.mask) >>> 0), call);
}

function knownWord(call: ParkedCall, offset: number): number | undefined {
  for (const [argument, value] of Object.entries(call.with ?? {})) {
    const low = argumentOffset(Number(argument));
    if (offset === low) return Number(value & 0xffffffffn);
    if (offset === low + 4) return Number(value >> 32n);
  }
  return undefined;
}
