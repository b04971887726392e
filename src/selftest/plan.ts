import type { Answer, Operation } from './check.js';

/** What the prober is to do, and by which name it tells of it. */
export interface PlanLine {
  readonly id: string;
  readonly operation: Operation;
}

/** As the prober reads it from its stdin, which most launchers pass on, where some cut arguments short. */
export function planText(lines: readonly PlanLine[]): string {
  return lines.map(({ id, operation }) => `${[id, ...operation].join('\t')}\n`).join('');
}

/** One line of the prober: a check begins, has ended, or all have. */
export type Report =
  | { readonly kind: 'begun'; readonly id: string }
  | { readonly kind: 'answered'; readonly id: string; readonly answer: Answer }
  | { readonly kind: 'finished' };

/** What others write between is left out. */
export function parseReport(line: string): Report | undefined {
  if (line === '=') return { kind: 'finished' };
  const [head = '', what, text = ''] = line.split('\t');
  const id = head.slice(1);
  if (head.startsWith('?') && what === undefined) return { kind: 'begun', id };
  if (!head.startsWith('=') || what === undefined) return undefined;
  return { kind: 'answered', id, answer: parseAnswer(what, text) };
}

function parseAnswer(what: string, text: string): Answer {
  const [word, number] = what.split(' ');
  if (word === 'reached') return { kind: 'reached', text };
  if (word === 'error') return { kind: 'error', errno: Number(number), text };
  if (word === 'signal') return { kind: 'signal', signal: Number(number) };
  const why = word === 'lost' ? `nobody could be made to try it (${number})` : `the prober cannot do that: ${text}`;
  return { kind: 'absent', text: why };
}
