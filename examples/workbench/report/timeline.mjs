// When each step waited and worked, and how much memory it took: one row for each.
import { mebibytes, millis } from '../show/text.mjs';
import { html } from './markup.mjs';
import { idOf, STATES } from './words.mjs';

const HEIGHT = 25;
/** What waits is a thin line, what works a thick one. */
const THICKNESS = { 'warm-up': 2, queue: 2, fork: 12, run: 12, check: 12, load: 12 };
const LEGEND = {
  queue: 'waits, for a warm runtime or a sandbox',
  fork: 'fork, or start of a command',
  run: 'runs',
  check: 'its table is checked',
  load: 'is read from the cache',
};
/** Of the axis, at most. */
const TICKS = 8;

export function timeline({ outcomes, warm, millis: total }) {
  const ticks = ticksOf(total);
  const used = new Set(outcomes.flatMap(({ phases }) => phases.map(({ name }) => name)));
  const largest = Math.max(1, ...outcomes.map(({ memory }) => memory ?? 0));
  return html`<ul class="legend">
      ${Object.keys(LEGEND).map((name) => used.has(name) && html`<li>${swatch(name)}${LEGEND[name]}</li>`)}
    </ul>
    <div class="timeline">
      <div class="row axis">
        <span></span>${axis(ticks, total)}<span class="time">time</span><span class="memory">memory</span>
      </div>
      ${[...warm].sort((a, b) => a.start - b.start).map((start) => warmRow(start, ticks, total))}
      ${outcomes.map((outcome) => stepRow(outcome, ticks, total, largest))}
    </div>`;
}

function warmRow({ runtime, preload, start, end }, ticks, total) {
  return html`<div class="row">
    <span class="label runtime" title="with ${preload.join(', ')}">warm ${runtime}</span>
    ${bar([{ name: 'warming', start, end }], ticks, total)}
    <span class="time">${millis(end - start)} ms</span><span class="memory"></span>
  </div>`;
}

function stepRow({ step, state, phases, memory }, ticks, total, largest) {
  const spent = phases.filter(({ name }) => name !== 'warm-up').reduce((sum, { start, end }) => sum + end - start, 0);
  return html`<div class="row ${state}">
    <a class="label" href="#${idOf(step)}">${step.name}</a>
    ${bar(phases, ticks, total)}
    <span class="time">${phases.length === 0 ? STATES[state] : `${millis(spent)} ms`}</span>
    <span class="memory">${memory !== undefined && meter(memory, largest)}</span>
  </div>`;
}

function bar(phases, ticks, total) {
  const percent = (value) => `${((100 * value) / total).toFixed(3)}%`;
  return html`<svg class="bar" width="100%" height="${HEIGHT}" aria-hidden="true">
    ${ticks.map((tick) => html`<line class="tick" x1="${percent(tick)}" x2="${percent(tick)}" y1="0" y2="${HEIGHT}" />`)}
    ${phases.map(({ name, start, end }) => {
      const thickness = THICKNESS[name] ?? 6;
      return html`<rect
        class="phase ${name}"
        x="${percent(start)}"
        width="${percent(end - start)}"
        y="${(HEIGHT - thickness) / 2}"
        height="${thickness}"
        ><title>${name}: ${millis(end - start)} ms</title></rect
      >`;
    })}
  </svg>`;
}

function meter(memory, largest) {
  const width = ((100 * memory) / largest).toFixed(2);
  return html`<svg class="meter" width="44" height="6" aria-hidden="true">
      <rect class="room" width="100%" height="6" rx="3" />
      <rect class="used" width="${width}%" height="6" rx="3" /></svg
    ><span class="amount">${mebibytes(memory)}</span>`;
}

function axis(ticks, total) {
  return html`<svg class="bar" width="100%" height="${HEIGHT}" aria-hidden="true">
    ${ticks.map((tick) => html`<text x="${((100 * tick) / total).toFixed(3)}%" y="16" text-anchor="${tick === 0 ? 'start' : 'middle'}">${tickText(tick)}</text>`)}
  </svg>`;
}

function swatch(name) {
  const thickness = THICKNESS[name];
  return html`<svg width="14" height="12" aria-hidden="true">
    <rect class="phase ${name}" width="14" y="${6 - thickness / 2}" height="${thickness}" rx="1" />
  </svg>`;
}

/** Round numbers: 1, 2 or 5 times a power of ten apart. */
function ticksOf(total) {
  const rough = total / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const apart = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough);
  // None at the very end, where its text would not fit.
  return Array.from({ length: Math.floor((0.97 * total) / apart) + 1 }, (_, index) => index * apart);
}

function tickText(tick) {
  if (tick === 0) return '0';
  return tick >= 1000 ? `${Number((tick / 1000).toFixed(2))} s` : `${Number(tick.toFixed(2))} ms`;
}
