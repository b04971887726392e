// How a run looks on a terminal.
import { timesOf } from '../run/clock.mjs';
import { firstRows } from './rows.mjs';
import { mebibytes, millis, oneLine, plural, shorten, visible } from './text.mjs';

const ROWS = 5;
const WIDEST_CELL = 28;
const MOST_LOG_LINES = 5;
const PHASES = ['queue', 'fork', 'run', 'check'];

const styled = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const style = (code, text) => (styled ? `\x1b[${code}m${text}\x1b[0m` : text);
const bold = (text) => style('1', text);
const dim = (text) => style('2', text);
const MARKS = {
  done: style('32', 'done'),
  cached: style('36', 'cached'),
  failed: style('31;1', 'failed'),
  skipped: dim('skipped'),
};

export function printRun({ workflow, outcomes, warm, millis: total }) {
  console.log(bold(oneLine(workflow.title)));
  for (const outcome of outcomes) printOutcome(outcome);
  console.log(
    `\n${bold('step'.padEnd(16))}${'state'.padEnd(9)}${'rows'.padStart(8)}${PHASES.map((name) => name.padStart(9)).join('')}${'memory'.padStart(10)}`,
  );
  for (const outcome of outcomes) console.log(summary(outcome));
  for (const { runtime, start, end } of warm) console.log(dim(`${runtime} was warm after ${millis(end - start)} ms`));
  const count = (state) => outcomes.filter((outcome) => outcome.state === state).length;
  const states = Object.keys(MARKS).filter((state) => count(state) > 0);
  console.log(
    `\n${plural(outcomes.length, 'step')} in ${millis(total)} ms: ${states.map((state) => `${count(state)} ${state}`).join(', ')}`,
  );
}

function printOutcome({ step, state, table, problem, lacking, logs, warning }) {
  console.log(`\n${bold(step.name)}  ${dim(step.operation)}  ${MARKS[state]}`);
  if (step.about !== '') say(dim(oneLine(step.about)));
  if (lacking !== undefined) say(`needs ${lacking.join(', ')}`);
  if (problem !== undefined) printProblem(problem);
  if (warning !== undefined) say(oneLine(warning));
  for (const { stream, text } of (logs?.lines ?? []).slice(0, MOST_LOG_LINES)) say(dim(`${stream} | ${oneLine(text)}`));
  if (table !== undefined) printTable(firstRows(table, ROWS));
}

function printProblem({ cause, detail, failure }) {
  if (failure === undefined) return say(`${cause}: ${oneLine(detail)}`);
  for (const line of visible(failure.traceback).trimEnd().split('\n')) say(line);
}

function printTable({ columns, rows, total, hidden }) {
  const cell = (value) => (value === null ? 'null' : shorten(oneLine(value), WIDEST_CELL));
  const heads = columns.map(({ name }) => cell(name));
  const lines = rows.map((row) => row.map(cell));
  const widths = heads.map((head, index) => Math.max(head.length, ...lines.map((line) => line[index].length)));
  const align = (text, index) => (columns[index].isNumber ? text.padStart(widths[index]) : text.padEnd(widths[index]));
  say(dim(heads.map(align).join('  ').trimEnd()));
  for (const line of lines) say(line.map(align).join('  ').trimEnd());
  const more = [
    total > rows.length ? `${plural(total, 'row')} in all` : '',
    hidden > 0 ? `${hidden} more columns` : '',
  ];
  if (more.some(Boolean)) say(dim(more.filter(Boolean).join(', ')));
}

function summary({ step, state, table, phases, memory }) {
  const times = timesOf(phases);
  const cells = PHASES.map((name) => (times[name] === undefined ? '' : `${millis(times[name])} ms`).padStart(9));
  const rows = table === undefined ? '' : String(table.numRows);
  const mark = MARKS[state] + ' '.repeat(9 - state.length);
  return `${step.name.padEnd(16)}${mark}${rows.padStart(8)}${cells.join('')}${mebibytes(memory).padStart(10)}`;
}

function say(text) {
  console.log(`   ${text}`);
}
