import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { suite, type TestContext } from 'node:test';
import type { Change } from 'spawn-sandbox';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';
import { examplePath, run } from './run-example.js';

interface Call {
  readonly tool: unknown;
  readonly attack?: string;
  readonly path?: unknown;
  readonly content?: unknown;
  readonly command?: unknown;
}

interface Event {
  readonly event: 'call' | 'changes' | 'commit' | 'discarded';
  readonly call?: Call;
  readonly ok?: boolean;
  readonly text?: string;
  readonly changes?: readonly Change[];
  readonly diff?: string;
  readonly refused?: string;
}

interface Host {
  readonly repository: string;
  readonly outside: string;
  readonly secret: string;
  remove(): Promise<void>;
}

interface Observed {
  readonly changed: readonly string[];
  readonly succeeded: Readonly<Record<string, boolean>>;
}

interface Finding {
  readonly what: string;
  readonly holds: boolean;
}

interface Session {
  readonly repository: string;
  readonly calls: readonly Call[];
  readonly commits: readonly (readonly string[])[];
  readonly rules?: { readonly hide?: readonly string[]; readonly protect?: readonly string[] };
  readonly report: (event: Event) => void;
}

interface Modules {
  readonly makeRepository: () => Promise<Host>;
  readonly observe: (host: Host) => Promise<(texts: readonly string[]) => Promise<Observed>>;
  readonly runSession: (session: Session) => Promise<void>;
  readonly judge: (events: readonly Event[], observed: Observed, wanted: readonly string[]) => readonly Finding[];
  readonly attacks: (outside: string) => Readonly<Record<string, string>>;
  readonly harm: (outside: string) => readonly Call[];
  readonly work: readonly Call[];
  readonly FIX: readonly string[];
}

const TOOLS = ['git'] as const;
/** What each attack is told in the sandbox. */
const REFUSALS: Readonly<Record<string, RegExp>> = {
  secret: /^$/,
  hook: /Read-only file system/,
  config: /Read-only file system/,
  swap: /Device or resource busy/,
  outside: /nonexistent/,
  link: /nonexistent/,
  setid: /Operation not permitted/,
};

async function modules(): Promise<Modules> {
  const names = ['repository', 'observe', 'session', 'judge', 'agent/harm', 'agent/work'];
  const loaded = names.map(async (name) => (await import(examplePath(`agent-workspace/${name}.mjs`))) as object);
  return Object.assign({}, ...((await Promise.all(loaded)) as [object])) as Modules;
}

/** A session of the example's, with whatever is to be another in it. */
async function session(context: TestContext, change: Partial<Session> = {}) {
  const { makeRepository, observe, runSession, judge, harm, work, FIX } = await modules();
  const host = await makeRepository();
  context.after(() => host.remove());
  const findOut = await observe(host);
  const events: Event[] = [];
  await runSession({
    repository: host.repository,
    calls: [...work, ...harm(host.outside)],
    commits: [['link', ...FIX], FIX],
    report: (event) => events.push(event),
    ...change,
  });
  const observed = await findOut(events.flatMap(({ text = '', diff = '' }) => [text, diff]));
  const broken = judge(events, observed, FIX).filter(({ holds }) => !holds);
  return { events, observed, broken: broken.map(({ what }) => what) };
}

void suite('the workspace of an agent', () => {
  testWith(TOOLS, 'keeps every promise, and leaves nothing behind', async (context) => {
    const temporary = temporaryDirectory(context);
    const path = examplePath('agent-workspace/run.mjs');
    const { status, stdout, stderr } = await run(process.execPath, [path], { env: { TMPDIR: temporary } });
    assert.deepEqual([status, stderr], [0, ''], stdout);
    assert.equal(stdout.match(/^yes {2}/gm)?.length, 5 + Object.keys(REFUSALS).length, stdout);
    assert.match(stdout, /\+ {2}const rest = cents - share \* people;/);
    assert.deepEqual(readdirSync(temporary), []);
  });

  testWith(TOOLS, 'has each attack refused, and shows what was written of it', async (context) => {
    const { events, observed, broken } = await session(context);
    assert.deepEqual(broken, []);
    const attacks = events.filter(({ call }) => call?.attack !== undefined);
    assert.deepEqual(
      attacks.map(({ call }) => call?.attack),
      Object.keys(REFUSALS),
    );
    for (const { call, text = '' } of attacks) assert.match(text, REFUSALS[call?.attack ?? ''] ?? assert.fail(text));
    const { changes = [] } = events.find(({ event }) => event === 'changes') ?? {};
    assert.ok(changes.some(({ path, now }) => path === '/project/link' && now?.type === 'symlink'));
    assert.ok(changes.every(({ path }) => !path.startsWith('/project/.git') && path !== '/project/.env'));
    assert.deepEqual(observed.changed, ['src/split.mjs', 'test/rest.test.mjs']);
  });

  testWith(TOOLS, 'answers what cannot be done and what is no call, and goes on', async (context) => {
    const bad: readonly Call[] = [
      { tool: 'read', path: 'nowhere' },
      { tool: 'remove', path: '.git/hooks/pre-commit.sample' },
      { tool: 'write', path: '.git/config', content: '' },
      { tool: 'read' },
      { tool: 'read', path: { event: 'commit' } },
      { tool: 'write', path: 'x', content: { a: 1 } },
      { tool: 'write', path: 'x' },
      { tool: 'run' },
      { tool: 'run', command: ['a', 1] },
      { tool: 'run', command: 'a\0b' },
      { tool: 'constructor' },
      { tool: '__proto__' },
      { tool: null },
    ];
    const { events, observed } = await session(context, {
      calls: [...bad, { tool: 'write', path: 'good', content: '' }],
      commits: [['good', 'nowhere'], ['good']],
    });
    const calls = events.filter(({ event }) => event === 'call');
    assert.deepEqual(
      calls.map(({ ok }) => ok),
      [...bad.map(() => false), true],
      JSON.stringify(calls),
    );
    assert.deepEqual(observed.changed, ['good']);
  });

  testWith(TOOLS, 'without rules gives the secret away and lets hooks be committed, and says so', async (context) => {
    const { observed, broken } = await session(context, { rules: {}, commits: [['link'], ['.git']] });
    const succeeded = Object.keys(observed.succeeded).filter((attack) => observed.succeeded[attack]);
    assert.deepEqual(succeeded, ['secret', 'config', 'swap']);
    for (const attack of succeeded)
      assert.ok(broken.includes(`harm was tried, and has failed: ${attack}`), broken.join());
  });

  testWith(TOOLS, 'is what stops the attacks: outside of a sandbox each succeeds', async (context) => {
    const { makeRepository, observe, attacks } = await modules();
    for (const attack of Object.keys(REFUSALS)) {
      const host = await makeRepository();
      context.after(() => host.remove());
      const findOut = await observe(host);
      const script = attacks(host.outside)[attack] ?? assert.fail(attack);
      const { stdout } = await run('sh', ['-c', `cd '${host.repository}' && ${script}`]);
      const { succeeded } = await findOut([stdout]);
      assert.equal(succeeded[attack], true, attack);
    }
  });
});
