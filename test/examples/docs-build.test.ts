import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'node:test';
import { testWith } from '../helpers/tools.js';
import { examplePath, type Ran, run } from './run-example.js';

interface Event {
  readonly atMs: number;
  readonly build: 'honest' | 'hostile';
  readonly event: 'sandbox' | 'command' | 'output' | 'artifact' | 'attack';
  readonly name?: string;
  readonly state?: 'made' | 'started' | 'ended';
  readonly ok?: boolean;
  readonly cause?: string;
  readonly scope?: string;
  readonly line?: string;
  readonly detail?: string;
  readonly bytes?: number;
}

interface Attack {
  readonly attack: string;
  readonly tried: boolean;
  readonly succeeded: boolean;
  readonly claim: string;
}

interface Project {
  readonly checkout: string;
  readonly artifacts: string;
}

interface Host {
  project(name: string, options: { readonly hostile: boolean }): Promise<Project>;
  remove(): Promise<void>;
}

interface Attacks {
  readonly plant: () => Promise<Host>;
  readonly observe: (host: Host, project: Project) => Promise<(lines: readonly string[]) => Promise<Attack[]>>;
}

const COMMANDS = ['html', 'text', 'man', 'references', 'doctrees', 'pack'];
/** What each attack is told in the sandbox. */
const REFUSALS: Readonly<Record<string, RegExp>> = {
  variable: /no such variable/,
  process: /FileNotFoundError/,
  key: /FileNotFoundError/,
  neighbour: /FileNotFoundError/,
  link: /FileNotFoundError/,
  server: /ConnectionRefusedError|Network is unreachable/,
  resolver: /ConnectionRefusedError|Network is unreachable/,
  checkout: /Read-only file system/,
  modes: /Read-only file system/,
  setid: /Operation not permitted/,
  outlive: /has left, and has written [1-9]\d* bytes/,
};

let ran: Promise<Ran> | undefined;

async function events(): Promise<readonly Event[]> {
  const { stdout } = await (ran ??= runBuilds());
  return eventsOf(stdout);
}

function runBuilds(...options: readonly string[]): Promise<Ran> {
  return run(process.execPath, [examplePath('docs-build/run.mjs'), '--json', ...options]);
}

function eventsOf(stdout: string): readonly Event[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event);
}

function attacksOf(all: readonly Event[]): readonly Attack[] {
  return all.filter(({ event }) => event === 'attack') as unknown as Attack[];
}

void suite('the build host', () => {
  testWith(['sphinx-build', 'python3'], 'ends well', async () => {
    const all = await events();
    const { stderr, status } = (await ran) ?? assert.fail();
    assert.equal(stderr, '');
    assert.equal(status, 0, JSON.stringify(all.filter(({ event }) => event !== 'output')));
  });

  testWith(['sphinx-build', 'python3'], 'builds both projects, by all commands of one sandbox each', async () => {
    for (const build of ['honest', 'hostile']) {
      const own = (await events()).filter((event) => event.build === build);
      const ended = own.filter(({ event, state }) => event === 'command' && state === 'ended');
      assert.deepEqual(
        ended.map(({ name, ok }) => [name, ok]),
        COMMANDS.map((name) => [name, true]),
      );
      assert.equal(own.filter(({ event, state }) => event === 'sandbox' && state === 'made').length, 1);
      assert.equal(own.find(({ event, state }) => event === 'sandbox' && state === 'ended')?.cause, 'destroyed');
      assert.ok((own.find(({ event }) => event === 'artifact')?.bytes ?? 0) > 500_000);
      assert.ok(own.some(({ line }) => /^26 trees, 396 sections/.test(line ?? '')));
    }
  });

  testWith(['sphinx-build', 'python3'], 'says what a command says while it runs', async () => {
    const html = (await events()).filter(({ build, name }) => build === 'honest' && name === 'html');
    const times = html.filter(({ event }) => event === 'output').map(({ atMs }) => atMs);
    const [first, last, end] = [times.at(0) ?? 0, times.at(-1) ?? 0, html.at(-1)?.atMs ?? 0];
    assert.equal(html[0]?.state, 'started');
    assert.ok(last - first > 300 && end - first > 300, JSON.stringify({ first, last, end }));
  });

  testWith(['sphinx-build', 'python3'], 'is not taken in by a hostile conf.py', async () => {
    const attacks = attacksOf(await events());
    assert.deepEqual(
      attacks.map(({ attack }) => attack),
      Object.keys(REFUSALS),
    );
    for (const { attack, tried, succeeded, claim } of attacks) {
      assert.ok(tried && !succeeded, `${attack}: ${claim}`);
      assert.match(claim, REFUSALS[attack] ?? assert.fail(attack));
    }
  });

  testWith(['sphinx-build', 'python3'], 'has ended with each command what that had left behind', async () => {
    const all = await events();
    const details = (build: string): string =>
      all.find((event) => event.build === build && event.name === 'html' && event.state === 'ended')?.detail ?? '';
    assert.match(details('hostile'), /1 process that it left behind was ended/);
    assert.equal(details('honest'), 'Exited with status 0.');
  });

  testWith(
    ['sphinx-build', 'python3'],
    'says honestly that the deadline has come, and ends with status 1',
    async () => {
      const { stdout, status } = await runBuilds('--deadline', '500ms');
      const own = eventsOf(stdout).filter(({ build }) => build === 'honest');
      const ended = own.filter(({ event, state }) => event === 'command' && state === 'ended');
      assert.deepEqual(
        ended.map(({ ok, cause, scope }) => [ok, cause, scope]),
        [[false, 'wallTimeout', 'sandbox'], ...COMMANDS.slice(1).map(() => [false, 'notRun', undefined])],
      );
      assert.equal(own.at(-1)?.cause, 'wallTimeout');
      assert.equal(status, 1);
    },
  );
});

void suite('outside of a sandbox the hostile conf.py succeeds', () => {
  testWith(['sphinx-build', 'python3'], 'with every attack', async (context) => {
    const [{ plant }, { observe }] = await Promise.all([load('plant'), load('observe')]);
    const host = await plant();
    const project = await host.project('control', { hostile: true });
    const { checkout, artifacts } = project;
    context.after(async () => {
      endWhatIsLeft(artifacts);
      await host.remove();
    });
    const findAttacks = await observe(host, project);
    const args = ['-m', 'sphinx', '-b', 'text', checkout, join(artifacts, 'text')];
    const { stdout } = await run('/usr/bin/python3', args);
    const attacks = await findAttacks(stdout.split('\n'));
    assert.deepEqual(
      attacks.map(({ attack, succeeded }) => [attack, succeeded]),
      Object.keys(REFUSALS).map((attack) => [attack, true]),
      stdout,
    );
  });
});

async function load(name: 'plant' | 'observe'): Promise<Attacks> {
  return (await import(examplePath(`docs-build/attacks/${name}.mjs`))) as Attacks;
}

/** By number, and only what has that directory among its arguments. */
function endWhatIsLeft(artifacts: string): void {
  const alive = join(artifacts, 'alive');
  const pid = existsSync(alive) ? readFileSync(alive, 'utf8').split('\n')[0] : '';
  const commandLine = `/proc/${pid}/cmdline`;
  if (!existsSync(commandLine) || !readFileSync(commandLine, 'utf8').includes(artifacts)) return;
  process.kill(Number(pid), 'SIGKILL');
}
