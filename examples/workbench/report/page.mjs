// The report as one file: no script, nothing from elsewhere, and a policy by which a browser would refuse either.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { grouped, mebibytes, millis, plural } from '../show/text.mjs';
import { graph } from './graph.mjs';
import { html, trusted } from './markup.mjs';
import { stepOf } from './step.mjs';
import { timeline } from './timeline.mjs';
import { idOf, STATES, troubleOf } from './words.mjs';

const STYLE = readFileSync(join(import.meta.dirname, 'style.css'), 'utf8');
/** Its digest is in the policy, so nothing may stand around it. */
const STYLE_SHEET = trusted(`<style>${STYLE}</style>`);
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

export function pageOf(ran) {
  const { workflow, outcomes } = ran;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${workflow.title}</title>
        ${STYLE_SHEET}
      </head>
      <body>
        <main>
          <header class="page">
            <p class="overline">Workbench · ${ran.begun.toISOString().replace('T', ' ').slice(0, 16)} UTC</p>
            <h1>${workflow.title}</h1>
            ${workflow.about !== '' && html`<p class="lead">${workflow.about}</p>`} ${figures(ran)}
          </header>
          ${troubles(outcomes)}
          <section class="panel">
            <h2>Workflow</h2>
            ${graph(ran)}
          </section>
          <section class="panel">
            <h2>Time line</h2>
            ${timeline(ran)}
          </section>
          <h2 class="apart">Steps</h2>
          ${outcomes.map(stepOf)}
          <footer>
            Tables, logs and tracebacks are what the steps claim. States, causes, times and memory were observed from
            outside.
          </footer>
        </main>
      </body>
    </html> `;
  return page.toString();
}

function figures({ outcomes, millis: total }) {
  const count = (state) => outcomes.filter((outcome) => outcome.state === state).length;
  const states = Object.keys(STATES).filter((state) => count(state) > 0);
  const most = Math.max(...outcomes.map(({ memory }) => memory ?? 0));
  const figure = (value, what, mark) =>
    html`<div class="${mark}">
      <dd>${value}</dd>
      <dt>${what}</dt>
    </div>`;
  return html`<dl class="figures">
    ${states.map((state) => figure(grouped(String(count(state))), `${count(state) === 1 ? 'step' : 'steps'} ${STATES[state]}`, state))}
    ${figure(total < 1000 ? `${millis(total)} ms` : `${(total / 1000).toFixed(1)} s`, 'from first to last')}
    ${most > 0 && figure(mebibytes(most), 'at most in one step')}
  </dl>`;
}

function troubles(outcomes) {
  const failed = outcomes.filter(({ state }) => state === 'failed');
  if (failed.length === 0) return undefined;
  const skipped = outcomes.filter(({ state }) => state === 'skipped').length;
  const items = failed.map(
    ({ step, problem }) =>
      html`<li>
        <a href="#${idOf(step)}">${step.name}</a> <b>${troubleOf(problem)}</b>
        <span>${problem.failure?.message ?? problem.detail}</span>
      </li>`,
  );
  return html`<section class="troubles">
    <h2>
      ${plural(failed.length, 'step')}
      failed${skipped > 0 && `, so ${skipped} ${skipped === 1 ? 'was' : 'were'} skipped`}
    </h2>
    <ul>
      ${items}
    </ul>
  </section>`;
}
