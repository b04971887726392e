import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite, type TestContext } from 'node:test';
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
  readonly problem?: string;
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
  readonly secrets: Readonly<Record<string, string>>;
  project(name: string, options: { readonly hostile: boolean }): Promise<Project>;
  remove(): Promise<void>;
}

interface Modules {
  readonly buildDocs: (
    options: Project & { readonly deadline: string; readonly report: (event: Event) => void },
  ) => Promise<boolean>;
  readonly plant: () => Promise<Host>;
  readonly observe: (host: Host, project: Project) => Promise<(lines: readonly string[]) => Promise<Attack[]>>;
}

const TOOLS = ['sphinx-build', 'python3'] as const;
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
  testWith(
    TOOLS,
    'ends well',
    async () => {
      const all = await events();
      const { stderr, status } = (await ran) ?? assert.fail();
      assert.equal(stderr, '');
      assert.equal(status, 0, JSON.stringify(all.filter(({ event }) => event !== 'output')));
    },
    { timeout: 180_000 },
  );

  testWith(TOOLS, 'builds both projects, by all commands of one sandbox each', async () => {
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

  testWith(TOOLS, 'says what a command says while it runs', async () => {
    const html = (await events()).filter(({ build, name }) => build === 'honest' && name === 'html');
    const times = html.filter(({ event }) => event === 'output').map(({ atMs }) => atMs);
    const [first, last, end] = [times.at(0) ?? 0, times.at(-1) ?? 0, html.at(-1)?.atMs ?? 0];
    assert.equal(html[0]?.state, 'started');
    assert.ok(last - first > 100 && end > first, JSON.stringify({ first, last, end }));
  });

  testWith(TOOLS, 'is not taken in by a hostile conf.py', async () => {
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

  testWith(TOOLS, 'has ended with each command what that had left behind', async () => {
    const all = await events();
    const details = (build: string): string =>
      all.find((event) => event.build === build && event.name === 'html' && event.state === 'ended')?.detail ?? '';
    assert.match(details('hostile'), /1 process that it left behind was ended/);
    assert.equal(details('honest'), 'Exited with status 0.');
  });

  testWith(TOOLS, 'says honestly that the deadline has come, and ends with status 1', async () => {
    const { stdout, status } = await runBuilds('--deadline', '500ms');
    const own = eventsOf(stdout).filter(({ build }) => build === 'honest');
    const ended = own.filter(({ event, state }) => event === 'command' && state === 'ended');
    assert.deepEqual(
      ended.map(({ ok, cause, scope }) => [ok, cause, scope]),
      [[false, 'wallTimeout', 'sandbox'], ...COMMANDS.slice(1).map(() => [false, 'notRun', undefined])],
    );
    assert.equal(own.at(-1)?.cause, 'wallTimeout');
    assert.equal(status, 1);
  });
});

void suite('what a build does is what is reported', () => {
  const causes: Readonly<Record<string, string>> = {
    outputLimit: 'print("x" * (2 << 20))',
    oom: 'hog = [bytearray(1 << 20) for _ in range(4096)]',
    signal: 'import os; os.abort()',
    exit: 'raise RuntimeError("never")',
  };
  for (const [cause, code] of Object.entries(causes)) {
    testWith(TOOLS, `conf.py: ${cause}`, async (context) => {
      const { isBuilt, all } = await buildWith(context, () => code);
      const ended = all.filter(({ event, state }) => event === 'command' && state === 'ended');
      assert.equal(isBuilt, false);
      assert.deepEqual(
        ended.map((event) => event.cause),
        [cause, ...COMMANDS.slice(1).map(() => 'notRun')],
        JSON.stringify(ended[0]),
      );
    });
  }

  testWith(TOOLS, 'an archive that leads to a file of the host is none', async (context) => {
    const link = (key: string): string =>
      `import os
if not os.path.lexists("/artifacts/docs.tar.gz"):
  os.symlink(${JSON.stringify(key)}, "/artifacts/docs.tar.gz")
os.makedirs(${JSON.stringify(dirname(key))}, exist_ok=True)  # for tar, which writes there in the sandbox`;
    const { isBuilt, all, host, artifacts } = await buildWith(context, link);
    assert.equal(all.find(({ name, state }) => name === 'pack' && state === 'ended')?.ok, true);
    assert.equal(all.at(-1)?.problem, 'is no plain file');
    assert.equal(isBuilt, false);
    const followed = readFileSync(join(artifacts, 'docs.tar.gz'), 'utf8');
    assert.equal(followed, host.secrets['key'], 'control: who follows the link publishes the secret');
  });
});

void suite('outside of a sandbox the hostile conf.py succeeds', () => {
  testWith(TOOLS, 'with every attack', async (context) => {
    const [{ plant }, { observe }] = await Promise.all([load('attacks/plant'), load('attacks/observe')]);
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

async function load(name: string): Promise<Modules> {
  return (await import(examplePath(`docs-build/${name}.mjs`))) as Modules;
}

/** Builds the project with something more in its `conf.py`, which may depend on the path of a secret. */
async function buildWith(context: TestContext, code: (key: string) => string) {
  const [{ plant }, { buildDocs }] = await Promise.all([load('attacks/plant'), load('build')]);
  const host = await plant();
  context.after(() => host.remove());
  const project = await host.project('more', { hostile: false });
  const key = join(project.checkout, '../../home/.ssh/id_ed25519');
  appendFileSync(join(project.checkout, 'conf.py'), code(key));
  const all: Event[] = [];
  const isBuilt = await buildDocs({ ...project, deadline: '1m', report: (event) => all.push(event) });
  return { isBuilt, all, host, ...project };
}

/** By number, and only what has that directory among its arguments. */
function endWhatIsLeft(artifacts: string): void {
  const alive = join(artifacts, 'alive');
  const pid = existsSync(alive) ? readFileSync(alive, 'utf8').split('\n')[0] : '';
  const commandLine = `/proc/${pid}/cmdline`;
  if (!existsSync(commandLine) || !readFileSync(commandLine, 'utf8').includes(artifacts)) return;
  process.kill(Number(pid), 'SIGKILL');
}
