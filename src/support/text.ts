import { ALL_LAYERS, LAYERS } from '../layers.js';
import type { LayerSupport, SupportProblem, SupportReport } from './report.js';

type Paint = 'red' | 'green' | 'yellow' | 'bold' | 'dim';
const CODES: Readonly<Record<Paint, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
};
type Painter = (paint: Paint, text: string) => string;

const STATE_PAINT: Readonly<Record<LayerSupport['state'], Paint>> = {
  available: 'green',
  weaker: 'yellow',
  missing: 'red',
};
const SEVERITY_PAINT: Readonly<Record<SupportProblem['severity'], Paint>> = {
  error: 'red',
  warning: 'yellow',
  note: 'dim',
};

/** The report for people. */
export function reportText(report: SupportReport, { color = false }: { readonly color?: boolean } = {}): string {
  const paint: Painter = color ? (name, text) => `\u001b[${CODES[name]}m${text}\u001b[0m` : (_, text) => text;
  return [
    head(report),
    layerTable(report, paint),
    ...report.problems.map((problem) => problemText(problem, paint)),
    verdict(report, paint),
  ]
    .map((part) => `${part.trimEnd()}\n`)
    .join('\n');
}

function head({ platform, kernel, node, privileged, environment }: SupportReport): string {
  const where =
    environment.container === undefined
      ? 'no container'
      : `inside ${environment.container} (${environment.evidence[0] ?? ''})`;
  const rights = privileged ? 'with host privileges' : 'without host privileges';
  return `spawn-sandbox on ${platform}, kernel ${kernel}, Node ${node}, ${where}, ${rights}`;
}

function layerTable({ layers, problems }: SupportReport, paint: Painter): string {
  const rows = ALL_LAYERS.flatMap((layer) => {
    const support = layers[layer];
    if (support === undefined) return [];
    const { state, by = '', reason = '' } = support;
    const cause = state === 'available' ? undefined : problems.find(({ affects }) => affects.includes(layer));
    return {
      layer,
      state,
      by,
      why: cause === undefined ? reason : `${cause.title} (${cause.code})`,
    };
  });
  const [layerWidth, stateWidth, byWidth] = [
    width(rows.map(({ layer }) => layer)),
    width(rows.map(({ state }) => state)),
    width(rows.map(({ by }) => by)),
  ];
  const title = `${'layer'.padEnd(layerWidth)}  ${'state'.padEnd(stateWidth)}  ${'by'.padEnd(byWidth)}  why`;
  const lines = rows.map(({ layer, state, by, why }) =>
    `${layer.padEnd(layerWidth)}  ${paint(STATE_PAINT[state], state.padEnd(stateWidth))}  ${by.padEnd(byWidth)}  ${why}`.trimEnd(),
  );
  return [paint('bold', title), ...lines].join('\n');
}

function width(cells: readonly string[]): number {
  return Math.max(5, ...cells.map((cell) => cell.length));
}

function problemText(
  { code, title, severity, reason, evidence, remedy, affects }: SupportProblem,
  paint: Painter,
): string {
  const layers =
    affects.length === 0 ? '' : ` [${affects.length === LAYERS.length ? 'every layer' : affects.join(', ')}]`;
  return [
    `${paint(SEVERITY_PAINT[severity], severity)} ${paint('bold', title)} (${code})${layers}`,
    indent(reason, '  '),
    ...evidence.map((fact) => paint('dim', `  - ${fact}`)),
    indent(remedy, '    '),
  ].join('\n');
}

function indent(text: string, by: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : by + line))
    .join('\n');
}

function verdict({ supported, selfTest, layers }: SupportReport, paint: Painter): string {
  const weaker = LAYERS.filter((layer) => layers[layer].state === 'weaker');
  if (supported) {
    const memory =
      selfTest.memoryLimit === undefined ? '' : ' and one that exceeded its memory limit was ended for that';
    const but = weaker.length === 0 ? '' : ` Weaker: ${weaker.join(', ')}.`;
    return `${paint('green', 'supported')}: a program ran confined${memory}.${but}`;
  }
  const why = selfTest.error?.message ?? selfTest.memoryLimit?.detail ?? selfTest.detail ?? '';
  const missing = ALL_LAYERS.filter((layer) => layers[layer]?.state === 'missing' && layer !== 'landlock');
  const hint =
    missing.length > 0 || weaker.length === 0
      ? ''
      : `\nWeaker forms are possible: accept them by { allowWeaker: [${weaker.map((layer) => `'${layer}'`).join(', ')}] }, and try it by
    spawn-sandbox doctor --allow-weaker ${weaker.join(',')}`;
  return `${paint('red', 'not supported')}: ${why}${hint}`;
}
