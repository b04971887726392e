import type { AnyLayer, Layer } from '../../layers.js';
import type { Evidence } from '../evidence.js';
import { PROBLEM_CODES, type ProblemCode } from '../problem-codes.js';
import type { SupportProblem } from '../report.js';

/** Recognizes one cause. Pure: the same evidence gives the same answer. */
export type Diagnosis = (evidence: Evidence) => SupportProblem | undefined;

type Details = Pick<SupportProblem, 'severity' | 'reason' | 'remedy'> & {
  readonly affects: readonly AnyLayer[];
  readonly evidence: readonly (string | undefined)[];
};

export function problem(code: ProblemCode, { severity, reason, evidence, remedy, affects }: Details): SupportProblem {
  const facts = evidence.filter((fact): fact is string => fact !== undefined && fact !== '');
  return { code, title: PROBLEM_CODES[code], severity, reason, evidence: facts, remedy, affects };
}

/** Nothing at all can be confined without these. */
export const EVERYTHING_OF_NAMESPACES: readonly Layer[] = [
  'user',
  'pid',
  'mount',
  'net',
  'ipc',
  'uts',
  'cgroup',
  'capabilities',
];
