// What a build says while it runs: a line of JSON for each event, as for an API, or text for a terminal.
import { stripVTControlCharacters } from 'node:util';

const LAST_LINES = 3;

export function reporter({ json }) {
  const began = performance.now();
  const show = json ? (event) => console.log(JSON.stringify(event)) : asText();
  return (event) => show({ atMs: Math.round(performance.now() - began), ...event });
}

function asText() {
  let last = [];
  const shows = {
    sandbox: ({ build, state, deadline, ok, cause, wallTimeMs }) =>
      state === 'made'
        ? console.log(`\n${build}: a sandbox for ${deadline}`)
        : console.log(`  ${ok ? 'built' : 'NOT BUILT'}; the sandbox ended after ${seconds(wallTimeMs)}: ${cause}`),
    command: ({ name, state, ...result }) => {
      if (state === 'ended') printCommand(name, result, last);
      last = [];
    },
    output: ({ line }) => {
      if (line.trim() !== '') last = [...last, line].slice(-LAST_LINES);
    },
    artifact: ({ file, bytes, problem }) => console.log(`  ${file}: ${problem ?? `${bytes} bytes`}`),
    attack: ({ attack, tried, succeeded, claim = '' }) => {
      const verdict = succeeded ? 'SUCCEEDED' : tried ? 'failed' : 'NOT TRIED';
      console.log(`  ${attack.padEnd(12)}${verdict.padEnd(13)}${printable(claim)}`);
    },
  };
  return (event) => shows[event.event](event);
}

function printCommand(name, { ok, cause, detail = '', usage }, last) {
  const used = usage === undefined ? '' : `${seconds(usage.wallTimeMs)}, ${mebibytes(usage.peakMemoryBytes)}. `;
  console.log(`  ${name.padEnd(12)}${(ok ? 'ok' : cause).padEnd(13)}${used}${detail}`);
  for (const line of last) console.log(`  ${''.padEnd(12)}| ${printable(line)}`);
}

/** A step's text is anybody's: a terminal obeys control characters. */
function printable(text) {
  return stripVTControlCharacters(text).replace(/\p{C}/gu, '?').slice(0, 120);
}

function seconds(millis) {
  return `${(millis / 1000).toFixed(2)} s`;
}

function mebibytes(bytes) {
  return bytes === undefined ? 'memory not known' : `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
