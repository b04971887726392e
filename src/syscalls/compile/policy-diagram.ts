import { ARCHITECTURES } from '../architectures.js';
import { ERRNO } from '../errno.js';
import { argumentOffset, SECCOMP_DATA, SECCOMP_RET } from '../seccomp.js';
import type { Architecture, Explanation, ResolvedCondition, ResolvedRule, ResolvedSyscallPolicy } from '../types.js';
import type { Diagram, Diagrams, Field } from './diagram.js';

const WORD = 0xffffffff;
const NUMBER: Field = { offset: SECCOMP_DATA.nr, mask: WORD };
const ARCHITECTURE: Field = { offset: SECCOMP_DATA.arch, mask: WORD };

/** What a filter that could do everything at once would return. */
export function returnValue({ verdict, errno }: Explanation): number {
  switch (verdict) {
    case 'allow':
      return SECCOMP_RET.ALLOW;
    case 'errno':
      return SECCOMP_RET.ERRNO | ERRNO[errno ?? 'EPERM'];
    case 'kill':
      return SECCOMP_RET.USER_NOTIF;
  }
}

/** What a whole policy answers, as if one filter could. */
export interface PolicyDiagrams {
  readonly calls: ReadonlyMap<number, Diagram>;
  readonly otherwise: Diagram;
  readonly foreign: Diagram;
}

export function policyDiagrams(diagrams: Diagrams, policy: ResolvedSyscallPolicy): PolicyDiagrams {
  const otherwise = diagrams.leaf(returnValue(policy.otherwise));
  const calls = new Map<number, Diagram>();
  for (const [number, rules] of policy.calls) calls.set(number, rulesDiagram(diagrams, rules, otherwise));
  return { calls, otherwise, foreign: diagrams.leaf(returnValue(policy.foreign)) };
}

/** The rules of one call in order; the first that matches decides. */
export function rulesDiagram(diagrams: Diagrams, rules: readonly ResolvedRule[], otherwise: Diagram): Diagram {
  return rules.reduceRight<Diagram>((rest, rule) => {
    return diagrams.choose(conditionsDiagram(diagrams, rule.when), diagrams.leaf(returnValue(rule)), rest);
  }, otherwise);
}

/** Yes where all conditions hold. */
export function conditionsDiagram(diagrams: Diagrams, conditions: readonly ResolvedCondition[]): Diagram {
  return conditions.reduce<Diagram>(
    (held, condition) => diagrams.and(held, conditionDiagram(diagrams, condition)),
    diagrams.yes,
  );
}

/** A diagram for every call: `calls` by number, `otherwise` for the numbers between, `foreign` for other ABIs. */
export function dispatchDiagram(
  diagrams: Diagrams,
  architecture: Architecture,
  calls: ReadonlyMap<number, Diagram>,
  otherwise: Diagram,
  foreign: Diagram,
): Diagram {
  const { audit, foreignNumbers } = ARCHITECTURES[architecture];
  const starts = [0];
  const children = [otherwise];
  const put = (start: number, child: Diagram): void => {
    if (starts.at(-1) === start) children[children.length - 1] = child;
    else {
      starts.push(start);
      children.push(child);
    }
  };
  for (const [number, call] of [...calls].sort(([a], [b]) => a - b)) {
    put(number, call);
    put(number + 1, otherwise);
  }
  if (foreignNumbers !== undefined) {
    put(foreignNumbers[0], foreign);
    put(foreignNumbers[1] + 1, otherwise);
  }
  const native = diagrams.branch(NUMBER, starts, children);
  return diagrams.branch(ARCHITECTURE, [0, audit, audit + 1], [foreign, native, foreign]);
}

function conditionDiagram(diagrams: Diagrams, condition: ResolvedCondition): Diagram {
  const matches = testDiagram(diagrams, condition);
  return condition.negated ? diagrams.not(matches) : matches;
}

function testDiagram(diagrams: Diagrams, { argument, mask, test }: ResolvedCondition): Diagram {
  const low: Field = { offset: argumentOffset(argument), mask: lowerHalf(mask) };
  const high: Field = { offset: argumentOffset(argument) + 4, mask: upperHalf(mask) };
  if ('atMost' in test) {
    const lowAtMost = within(diagrams, low, (field) => diagrams.atMost(field, lowerHalf(test.atMost)));
    const above = upperHalf(test.atMost);
    if (high.mask === 0) return above > 0 ? diagrams.yes : lowAtMost;
    const equal = diagrams.choose(diagrams.oneOf(high, [above]), lowAtMost, diagrams.no);
    return above === 0 ? equal : diagrams.choose(diagrams.atMost(high, above - 1), diagrams.yes, equal);
  }
  // Values with the same upper half are one question about the lower.
  const groups = groupByUpperHalf(test.in);
  return [...groups].reduce<Diagram>((rest, [above, below]) => {
    const lowMatches = within(diagrams, low, (field) => diagrams.oneOf(field, below));
    const highMatches = within(diagrams, high, (field) => diagrams.oneOf(field, [above]));
    return diagrams.choose(diagrams.and(highMatches, lowMatches), diagrams.yes, rest);
  }, diagrams.no);
}

/** A half that the mask leaves nothing of is always met: values have no bits outside the mask. */
function within(diagrams: Diagrams, field: Field, ask: (field: Field) => Diagram): Diagram {
  return field.mask === 0 ? diagrams.yes : ask(field);
}

function groupByUpperHalf(values: readonly bigint[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const value of values) {
    groups.set(upperHalf(value), [...(groups.get(upperHalf(value)) ?? []), lowerHalf(value)]);
  }
  return groups;
}

function lowerHalf(value: bigint): number {
  return Number(value & 0xffffffffn);
}

function upperHalf(value: bigint): number {
  return Number(value >> 32n);
}
