import { join } from 'node:path';
import { spawnSandbox } from 'spawn-sandbox';
import { chapter, say, table, told } from './print.mjs';

const HERE = import.meta.dirname;

/** Real input, untrusted code, a result. */
export async function crunch() {
  chapter('A Python step reads four years of weather and says what it found');
  const result = await spawnSandbox('python3', ['/step/crunch.py', '/data/weather.csv'], {
    filesystem: {
      readOnly: [
        { source: join(HERE, 'crunch.py'), target: '/step/crunch.py' },
        { source: join(HERE, '../data/seattle-weather.csv'), target: '/data/weather.csv' },
      ],
    },
    limits: { memory: '128MiB', wallTime: '10s', output: '1MiB' },
  });
  told('the step was ok', result.ok, `${result.detail} ${result.stderr}`);
  if (!result.ok) return result;
  show(JSON.parse(result.stdout));
  const { wallTimeMs, peakMemoryBytes } = result.usage;
  const peak = peakMemoryBytes === undefined ? '' : `, at most ${(peakMemoryBytes / 2 ** 20).toFixed(1)} MiB of memory`;
  say(`${wallTimeMs.toFixed(0)} ms from its release to its end${peak}.`);
  return result;
}

function show({ days, first, last, hottest, wettest, rainAndWarmth, months }) {
  told('it read every row of the table', days === 1461, `${days} rows`);
  say(`${days} days of Seattle, from ${first} to ${last}.`);
  say(`Hottest: ${hottest.celsius} °C on ${hottest.date}. Wettest: ${wettest.millimetres} mm on ${wettest.date}.`);
  say(`Rain goes with cold: the correlation with the day's warmth is ${rainAndWarmth}.`);
  table(
    ['month', 'day °C', 'night °C', 'days with rain'],
    months.map(({ month, warmest, coldest, rainyDays }) => [
      month,
      warmest.toFixed(1).padStart(6),
      coldest.toFixed(1).padStart(8),
      `${String(rainyDays).padStart(3)} %  ${'▪'.repeat(Math.round(rainyDays / 5))}`,
    ]),
  );
}
