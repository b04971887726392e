import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { examplePath, run } from '../examples/run-example.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { needsPandas } from '../helpers/warm.js';
import { type RanWorkflow, readDataSet, rowsOf, runWorkbench } from '../helpers/workbench.js';

const FLIGHTS = readFileSync(examplePath('workbench/workflows/flights.yaml'), 'utf8');

void suite('the workbench computes flights', needsPandas, () => {
  const cache = temporaryDirectory({ after });
  let ran: RanWorkflow;
  const own = flightsInPlainJavaScript();
  before(async () => {
    ran = await runWorkbench('flights', cache);
  });
  const rows = (step: string): Record<string, unknown>[] => rowsOf(ran.table(step));

  void test('each step of it', () => {
    assert.deepEqual([ran.names('done').length, ran.names('failed'), ran.status], [12, [], 0]);
  });

  void test('and filters, joins and computes distances as plain JavaScript does', () => {
    const distances = rows('distances');
    assert.equal(distances.length, own.legs.length);
    for (const [index, { origin, destination, flights, state, city, km }] of own.legs.entries()) {
      const row = distances[index] ?? {};
      assert.deepEqual(
        [row['origin'], row['destination'], row['flights'], row['from_state'], row['to_city']],
        [origin, destination, flights, state, city],
      );
      assert.ok(Math.abs(Number(row['km']) - km) < 0.051, `${origin} ${destination}: ${String(row['km'])}, not ${km}`);
    }
  });

  void test('and groups, what is not known as well', () => {
    const states = rows('states');
    assert.equal(states.length, own.states.size);
    assert.ok(own.states.has(null));
    for (const { from_state, flights, routes, mean_km } of states) {
      const expected = own.states.get(from_state as string | null) ?? { flights: 0, km: [] };
      assert.deepEqual([flights, routes], [expected.flights, expected.km.length]);
      assert.ok(Math.abs(Number(mean_km) - sum(expected.km) / expected.km.length) < 0.1);
    }
    const order = states.map(({ flights }) => Number(flights));
    assert.deepEqual(
      order,
      order.toSorted((a, b) => b - a),
    );
    assert.equal(rows('long_haul').length, own.legs.filter(({ km }) => km > 4000).length);
  });

  void test('by JavaScript, and beside it by awk', () => {
    const reach = rows('reach');
    const expected = own.hubs.map(({ airport, flights }) => [airport, flights, own.destinations.get(airport)]);
    assert.deepEqual(
      reach.map(({ airport, flights, destinations }) => [airport, flights, destinations]),
      expected,
    );
    assert.ok(Number(reach.at(-1)?.['together']) >= 50 && Number(reach.at(-2)?.['together']) < 50);
  });

  void test('and keeps nulls', () => {
    const nowhere = rows('nowhere');
    assert.equal(nowhere.length, readDataSet('airports.csv').filter(({ city }) => city === 'NA').length);
    assert.ok(nowhere.every(({ city }) => city === null));
  });

  void test('and nothing again, as long as nothing has changed', async () => {
    const again = await runWorkbench('flights', cache);
    assert.deepEqual([again.names('cached').length, again.status], [12, 0]);
    assert.deepEqual(rowsOf(again.table('reach')), rows('reach'));
    assert.deepEqual(again.steps['distances']?.logs, ran.steps['distances']?.logs);
  });

  void test('and of what has changed, that and what depends on it', async (context) => {
    const path = join(temporaryDirectory(context), 'changed.yaml');
    const change = async (from: string, to: string): Promise<string[]> => {
      assert.ok(FLIGHTS.includes(from));
      writeFileSync(path, FLIGHTS.replace(from, to));
      return (await runWorkbench(path, cache)).names('done');
    };
    assert.deepEqual(await change('share: 0.5', 'share: 0.25'), ['hubs', 'reach']);
    assert.deepEqual(await change('Great circles', 'Distances'), [], 'what it says about itself changes nothing');
    assert.deepEqual(await change("['>', 4000]", "['>', 5000]"), ['long_haul']);
  });

  void test('and again what somebody damaged', async () => {
    const path = join(cache, `${ran.steps['hubs']?.key ?? ''}.arrow`);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length - 40));
    const again = await runWorkbench('flights', cache);
    assert.deepEqual(again.names('done'), ['hubs']);
    assert.equal(again.names('cached').length, 11);
  });
});

void suite('the workbench shows what went wrong', needsPandas, () => {
  const cache = temporaryDirectory({ after });
  let ran: RanWorkflow;
  before(async () => {
    ran = await runWorkbench('broken', cache);
  });

  void test('and goes on beside it', () => {
    assert.deepEqual(ran.names('done'), ['weather', 'rain', 'kinds']);
    assert.equal(ran.status, 1);
    const rain = readDataSet('seattle-weather.csv').filter(({ precipitation }) => Number(precipitation) > 0);
    const kinds = new Map<string, number>();
    for (const { weather = '' } of rain) kinds.set(weather, (kinds.get(weather) ?? 0) + 1);
    const rows = rowsOf(ran.table('kinds'));
    assert.deepEqual(new Map(rows.map(({ weather, days }) => [String(weather), Number(days)])), kinds);
  });

  void test('a step that throws: its own traceback', () => {
    const { problem, logs } = ran.steps['typo'] ?? {};
    assert.deepEqual([problem?.cause, problem?.failure?.type], ['exit', 'KeyError']);
    assert.match(problem?.failure?.traceback ?? '', /line 3, in monthly\n.*\["percipitation"\]/);
    assert.match(logs?.lines[0]?.text ?? '', /^623 days of rain/);
  });

  void test('one that takes too much memory, and one that takes too long', () => {
    const { cross_join, endless } = ran.steps;
    assert.equal(cross_join?.problem?.cause, 'oom');
    assert.match(cross_join.problem.detail, /limits\.memory \(192 MiB\)/);
    assert.equal(endless?.problem?.cause, 'wallTimeout');
    assert.match(endless.problem.detail, /limits\.wallTime \(1\.5 s\)/);
  });

  void test('one that returns another table than it promised', () => {
    const { problem } = ran.steps['promised'] ?? {};
    assert.equal(problem?.cause, 'invalidOutput');
    assert.match(problem.detail, /'range' is 'large_string' instead of 'double'/);
  });

  void test('and what could not be run for it', () => {
    assert.deepEqual(ran.names('skipped'), ['wettest_month', 'together']);
    assert.deepEqual(ran.steps['wettest_month']?.lacking, ['typo']);
    assert.deepEqual(ran.steps['together']?.lacking, ['wettest_month', 'promised']);
  });

  void test('and tries it again', async () => {
    const again = await runWorkbench('broken', cache);
    assert.deepEqual(again.names('cached'), ['weather', 'rain', 'kinds']);
    assert.deepEqual(again.names('failed'), ['typo', 'cross_join', 'endless', 'promised']);
  });
});

void suite('the workbench', needsPandas, () => {
  void test('runs at once what can be', async (context) => {
    const directory = temporaryDirectory(context);
    const path = join(directory, 'both.yaml');
    const slow = [
      'tables: []',
      'python: |',
      '  import time',
      '  def run():',
      '      import pyarrow as pa',
      '      time.sleep(4)',
      '      return pa.table({"a": [1]})',
    ];
    const step = (name: string): string => `  ${name}:\n${slow.map((line) => `    ${line}\n`).join('')}`;
    writeFileSync(path, `title: Both\nsteps:\n${step('one')}${step('two')}`);
    const { steps, status } = await runWorkbench(path, join(directory, 'cache'));
    assert.equal(status, 0);
    const [one, two] = ['one', 'two'].map((name) => steps[name]?.phases.find((phase) => phase.name === 'run'));
    assert.ok(one !== undefined && two !== undefined);
    assert.ok(one.start < two.end && two.start < one.end, JSON.stringify([one, two]));
  });

  void test('prints tables and problems, and nothing that a terminal would obey', async (context) => {
    const path = join(temporaryDirectory(context), 'rude.yaml');
    const source = ['def run():', '  print("\\x1b]0;owned\\x07")', '  raise ValueError("\\x1b[31mred \\u202e back")'];
    writeFileSync(
      path,
      `title: Rude\nsteps:\n  rude:\n    tables: []\n    python: |\n${source.map((line) => `      ${line}\n`).join('')}`,
    );
    const args = [examplePath('workbench/run.mjs'), path, '--cache', join(path, '../cache')];
    const { stdout, stderr, status } = await run(process.execPath, args);
    assert.deepEqual([stderr, status], ['', 1]);
    assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u202e]/);
    assert.match(stdout, /ValueError: \\u\{1b\}\[31mred \\u\{202e\} back/);
    assert.match(stdout, /rude +failed/);
  });

  void test('shows at its step what the app itself could not do', async (context) => {
    const directory = temporaryDirectory(context, {
      'gone.yaml':
        "title: Gone\nsteps:\n  gone: { csv: ./gone.csv }\n  after: { filter: gone, where: { a: ['>', 1] } }\n",
    });
    const { steps, status } = await runWorkbench(join(directory, 'gone.yaml'), join(directory, 'cache'));
    assert.equal(status, 1);
    assert.deepEqual([steps['gone']?.state, steps['gone']?.problem?.cause], ['failed', 'ENOENT']);
    assert.deepEqual([steps['after']?.state, steps['after']?.lacking], ['skipped', ['gone']]);
  });

  void test('says what is wrong with a workflow, and where', async (context) => {
    const path = join(temporaryDirectory(context), 'wrong.yaml');
    const wrong = async (steps: string): Promise<string> => {
      writeFileSync(path, `title: Wrong\nsteps:\n${steps}`);
      return (await run(process.execPath, [examplePath('workbench/run.mjs'), path])).stderr;
    };
    const filter = (name: string, of: string): string => `  ${name}: { filter: ${of}, where: { a: ['>', 1] } }\n`;
    assert.match(await wrong(filter('a', 'b') + filter('b', 'a')), /a circle: a needs b needs a/);
    assert.match(await wrong(filter('a', 'nobody')), /a: there is no step 'nobody'/);
    assert.match(await wrong('  a: { csv: x.csv, colour: red }'), /a: 'colour' is no field of csv/);
    assert.match(await wrong('  a: { filter: b }'), /a: 'where' is missing/);
    assert.match(await wrong('  a: { csv: x.csv, run: [awk] }'), /a: a step has one of csv, filter/);
    assert.match(await wrong('  "<img>": { csv: x.csv }'), /'<img>' is no name of a step/);
  });
});

interface Leg {
  readonly origin: string;
  readonly destination: string;
  readonly flights: number;
  readonly state: string | null;
  readonly city: string | null;
  readonly km: number;
}

/** The same questions, asked without any library. */
function flightsInPlainJavaScript(): {
  readonly legs: readonly Leg[];
  readonly states: ReadonlyMap<string | null, { flights: number; km: number[] }>;
  readonly hubs: readonly { readonly airport: string; readonly flights: number }[];
  readonly destinations: ReadonlyMap<string, number>;
} {
  const airports = new Map(readDataSet('airports.csv').map((airport) => [airport['iata'], airport]));
  const routes = readDataSet('flights-airport.csv');
  const destinations = new Map<string, number>();
  for (const { origin = '' } of routes) destinations.set(origin, (destinations.get(origin) ?? 0) + 1);
  const legs = routes
    .filter(({ count }) => Number(count) >= 366)
    .map(({ origin = '', destination = '', count }) => {
      const [from = {}, to = {}] = [airports.get(origin), airports.get(destination)];
      const km = greatCircle(from, to);
      return { origin, destination, flights: Number(count), state: known(from['state']), city: known(to['city']), km };
    });
  const states = new Map<string | null, { flights: number; km: number[] }>();
  const starts = new Map<string, number>();
  for (const { origin, state, flights, km } of legs) {
    const before = states.get(state) ?? { flights: 0, km: [] };
    states.set(state, { flights: before.flights + flights, km: [...before.km, km] });
    starts.set(origin, (starts.get(origin) ?? 0) + flights);
  }
  const busiest = [...starts].map(([airport, flights]) => ({ airport, flights })).sort((a, b) => b.flights - a.flights);
  const all = sum(busiest.map(({ flights }) => flights));
  const count = busiest.findIndex(
    (_, index) => sum(busiest.slice(0, index + 1).map(({ flights }) => flights)) >= all / 2,
  );
  return { legs, states, hubs: busiest.slice(0, count + 1), destinations };
}

/** The file says NA where nobody knew. */
function known(value: string | undefined): string | null {
  return value === undefined || value === 'NA' ? null : value;
}

/** By the law of cosines, and not by the haversines of the workflow. */
function greatCircle(from: Readonly<Record<string, string>>, to: Readonly<Record<string, string>>): number {
  const radians = (degrees: string | undefined): number => (Number(degrees) * Math.PI) / 180;
  const [lat1, lat2] = [radians(from['latitude']), radians(to['latitude'])];
  const angle = radians(to['longitude']) - radians(from['longitude']);
  const cosine = Math.sin(lat1) * Math.sin(lat2) + Math.cos(lat1) * Math.cos(lat2) * Math.cos(angle);
  return 6371 * Math.acos(Math.min(1, cosine));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
