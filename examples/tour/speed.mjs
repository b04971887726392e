import { spawnSandbox } from 'spawn-sandbox';
import { chapter, say, told } from './print.mjs';

const STARTS = 200;

/** How long a start takes when there has been one before. */
export async function speed() {
  chapter(`${STARTS} steps one after another, each in a sandbox of its own`);
  const times = [];
  let ok = 0;
  for (let start = 0; start < STARTS; start++) {
    const begun = performance.now();
    const result = await spawnSandbox('true');
    times.push(performance.now() - begun);
    if (result.ok) ok++;
  }
  times.sort((a, b) => a - b);
  told('all of them were ok', ok === STARTS, `${ok} of ${STARTS}`);
  say(`Half of them took less than ${times[STARTS / 2].toFixed(2)} ms from the call to the result.`);
}
