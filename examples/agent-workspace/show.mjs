// What happens, as text for a terminal.
import { stripVTControlCharacters } from 'node:util';

const SHOWS = {
  call: ({ call: { tool, attack = tool, path = '' }, ok, text }) => {
    const answer = tool === 'test' ? text.match(/^# (pass|fail) \d+$/gm)?.join(' ') : text.split('\n').at(0);
    const columns = [`${attack}`.padEnd(9), `${path}`.padEnd(20), ok ? 'ok    ' : 'not ok', answer ?? ''];
    console.log(`  ${printable(columns.join(' '))}`);
  },
  changes: ({ changes, diff }) => {
    console.log('\nWhat it has changed, of which outside nothing is seen:');
    changes.forEach(showChange);
    console.log('');
    for (const line of diff.trimEnd().split('\n')) console.log(`  | ${printable(line)}`);
  },
  commit: ({ paths, kept = [], refused }) => {
    console.log(`\nCommit of ${paths.join(', ')}${refused === undefined ? ':' : ` is refused: ${printable(refused)}`}`);
    kept.forEach(showChange);
  },
  discarded: ({ changes, ok }) =>
    console.log(`\nDiscarded: ${changes.length} changes are left, and the tests ${ok ? 'pass' : 'FAIL'}.\n`),
};

export function show(event) {
  SHOWS[event.event](event);
}

function showChange({ kind, path, now }) {
  const more = now?.link === undefined ? '' : ` -> ${now.link}`;
  console.log(`  ${kind.padEnd(9)}${printable(path + more)}`);
}

/** What an agent names and writes is anybody's: a terminal obeys control characters. */
function printable(text) {
  return stripVTControlCharacters(text).replace(/\p{C}/gu, '?').slice(0, 160);
}
