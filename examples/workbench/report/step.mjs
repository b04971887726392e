// One step: what it is, what came of it, what it printed, what it returned.
import { stringify } from 'yaml';
import { timesOf } from '../run/clock.mjs';
import { mebibytes, millis, plural } from '../show/text.mjs';
import { html } from './markup.mjs';
import { tableOf } from './table.mjs';
import { idOf, STATES, troubleOf } from './words.mjs';

const SOURCES = ['python', 'javascript'];

export function stepOf(outcome) {
  const { step, state, table, problem, lacking, logs, warning } = outcome;
  return html`<section class="step ${state}" id="${idOf(step)}">
    <header>
      <h3>${step.name}</h3>
      <span class="operation">${step.operation}</span>
      <span class="state ${state}">${problem === undefined ? STATES[state] : troubleOf(problem)}</span>
    </header>
    ${step.about !== '' && html`<p class="about">${step.about}</p>`} ${metaOf(outcome)}
    ${lacking !== undefined && html`<p class="lacking">Not run: there is no result of ${linked(lacking)}.</p>`}
    ${problem !== undefined && problemOf(problem)} ${warning !== undefined && html`<p class="lacking">${warning}</p>`}
    ${logs !== undefined && logs.lines.length > 0 && logsOf(logs)} ${table !== undefined && tableOf(table)}
    ${definitionOf(step, problem)}
  </section>`;
}

function linked(names) {
  return names.map((name, index) => html`${index > 0 && ' and '}<a href="#${idOf({ name })}">${name}</a>`);
}

function metaOf({ step, table, phases, memory }) {
  const times = Object.entries(timesOf(phases)).map(([name, time]) => `${name} ${millis(time)}`);
  const facts = [
    table !== undefined && `${plural(table.numRows, 'row')} × ${plural(table.numCols, 'column')}`,
    times.length > 0 && `${times.join(' · ')} ms`,
    memory !== undefined && mebibytes(memory),
  ].filter(Boolean);
  const names = [...new Set(step.inputs.map((input) => input.step))];
  const reads = names.length > 0 && html`<li>reads ${linked(names)}</li>`;
  return (
    (facts.length > 0 || reads) &&
    html`<ul class="meta">
      ${facts.map((fact) => html`<li>${fact}</li>`)}${reads}
    </ul>`
  );
}

function problemOf({ detail, failure }) {
  if (failure === undefined) return html`<div class="problem"><p>${detail}</p></div>`;
  return html`<div class="problem">
    <p><b>${failure.type}</b> ${failure.message}</p>
    <pre class="traceback">${failure.traceback.trimEnd()}</pre>
  </div>`;
}

function logsOf({ lines, left }) {
  return html`<div class="logs">
    <h4>Printed</h4>
    <pre>
${lines.map(({ stream, text }) => [html`<span class="${stream}">${text}</span>`, '\n'])}${left > 0 && html`<i>and ${plural(left, 'more line')}</i>`}</pre>
  </div>`;
}

/** Closed, but for a step that failed: there it is what one has to look at. */
function definitionOf({ operation, fields }, problem) {
  const { about: _, [operation]: main, ...others } = fields;
  const isSource = SOURCES.includes(operation);
  const settings = isSource ? others : { [operation]: main, ...others };
  const open = isSource && problem !== undefined;
  return html`<details${open && ' open'}>
    <summary>Definition</summary>
    ${Object.keys(settings).length > 0 && html`<pre class="settings">${stringify(settings, { lineWidth: 100, collectionStyle: 'flow' }).trimEnd()}</pre>`}
    ${isSource && sourceOf(main, problem?.failure)}
  </details>`;
}

/** With the lines marked that the traceback names. */
function sourceOf(source, failure) {
  const named = [...(failure?.traceback ?? '').matchAll(/(?:"<step>", line |\[step\]:)(\d+)/g)].map(([, line]) =>
    Number(line),
  );
  const lines = source.trimEnd().split('\n');
  return html`<pre class="source">
${lines.map((line, index) => [html`<span class="line ${named.includes(index + 1) && 'named'}">${line}</span>`, '\n'])}</pre>`;
}
