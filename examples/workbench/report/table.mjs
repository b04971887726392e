// The first rows of a table. Every name and value in it is the step's claim.
import { firstRows } from '../show/rows.mjs';
import { plural, shorten } from '../show/text.mjs';
import { html } from './markup.mjs';

const ROWS = 6;
const LONGEST_CELL = 120;

export function tableOf(table) {
  const { columns, rows, total, hidden } = firstRows(table, ROWS);
  const kinds = columns.map(({ isNumber }) => (isNumber ? 'number' : 'text'));
  const cell = (value, index) => html`<td class="${kinds[index]}">${textOf(value)}</td>`;
  const heads = columns.map(
    ({ name, type }, index) =>
      html`<th scope="col" class="${kinds[index]}">${textOf(name)}<span class="type">${typeName(type)}</span></th>`,
  );
  const left = total - rows.length;
  const more = [left > 0 && `${plural(left, 'more row')}`, hidden > 0 && plural(hidden, 'more column')].filter(Boolean);
  return html`<div class="scroll">
      <table>
        <thead>
          <tr>
            ${heads}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr>
                ${row.map(cell)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${more.length > 0 && html`<p class="more">and ${more.join(', ')}</p>`}`;
}

/** In an element of its own, where its spaces count. */
function textOf(value) {
  if (value === null) return html`<span class="null">null</span>`;
  return html`<span class="value">${shorten(value, LONGEST_CELL)}</span>`;
}

const SHORT = { Utf8: 'text', LargeUtf8: 'text', 'Date32<DAY>': 'date', 'Date64<MILLISECOND>': 'date' };

/** `Dictionary<Int32, Utf8>` is text, too. */
function typeName(type) {
  const [, values = type] = /^Dictionary<\w+, (\w+)>$/.exec(type) ?? [];
  return SHORT[values] ?? shorten(values.toLowerCase(), 40);
}
