// The workflow as a drawing.
import { plural, shorten } from '../show/text.mjs';
import { columnsOf } from './layout.mjs';
import { html } from './markup.mjs';
import { idOf, troubleOf } from './words.mjs';

const BOX = { width: 136, height: 48 };
const GAP = { x: 34, y: 16 };
/** Where only a line passes. */
const PASSAGE = 14;
const MARGIN = 2;
const LONGEST_NAME = 16;

export function graph({ outcomes }) {
  const byName = new Map(outcomes.map((outcome) => [outcome.step.name, outcome]));
  const columns = columnsOf(outcomes.map(({ step }) => step));
  const height = Math.max(...columns.map(heightOf));
  const width = columns.length * (BOX.width + GAP.x) - GAP.x;
  for (const column of columns) place(column, (height - heightOf(column)) / 2);
  const places = columns.flat();
  return html`<div class="scroll">
    <svg
      class="graph"
      viewBox="${-MARGIN} ${-MARGIN} ${width + 2 * MARGIN} ${height + 2 * MARGIN}"
      width="${width}"
      role="img"
      aria-label="The workflow"
    >
      ${places.flatMap((to) => to.before.map((from) => line(from, to, byName)))}
      ${places.filter(({ step }) => step !== undefined).map((at) => box(at, byName.get(at.step.name)))}
    </svg>
  </div>`;
}

const sizeOf = ({ step }) => (step === undefined ? PASSAGE : BOX.height);

function heightOf(column) {
  return column.reduce((sum, each) => sum + sizeOf(each) + GAP.y, -GAP.y);
}

function place(column, top) {
  let y = top;
  for (const each of column) {
    each.x = each.column * (BOX.width + GAP.x);
    each.y = y + sizeOf(each) / 2; // its middle
    y += sizeOf(each) + GAP.y;
  }
}

/** A place where a line passes is crossed straight. */
function line(from, to, byName) {
  const [x1, x2] = [from.x + BOX.width, to.x];
  const bend = (x1 + x2) / 2;
  const start = from.step === undefined ? `M${from.x} ${from.y}H${x1}` : `M${x1} ${from.y}`;
  const { state } = byName.get(from.step?.name ?? from.from);
  const broken = state === 'failed' || state === 'skipped';
  return html`<path class="edge ${broken && 'broken'}" d="${start}C${bend} ${from.y} ${bend} ${to.y} ${x2} ${to.y}" />`;
}

function box({ x, y }, outcome) {
  const { step, state } = outcome;
  const top = y - BOX.height / 2;
  return html`<a href="#${idOf(step)}" class="node ${state}">
    <rect class="box" x="${x}" y="${top}" width="${BOX.width}" height="${BOX.height}" rx="7" />
    <circle class="dot" cx="${x + BOX.width - 14}" cy="${top + 15}" r="4" />
    <text class="name" x="${x + 12}" y="${top + 20}">${shorten(step.name, LONGEST_NAME)}</text>
    <text class="note" x="${x + 12}" y="${top + 36}">${noteOf(outcome)}</text>
  </a>`;
}

function noteOf({ step, state, table, problem }) {
  if (state === 'skipped') return 'skipped';
  if (problem !== undefined) return shorten(troubleOf(problem), 20);
  return `${step.operation} · ${plural(table.numRows, 'row')}`;
}
