import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import type { Enforced, LayerState } from 'spawn-sandbox';
import { packageRoot } from '#src/package-root.js';
import { DOCKER, NO_USER_NAMESPACES, ORDINARY_ID, type World, Worlds } from '../helpers/worlds.js';

/** What of a result is passed on. */
interface Said {
  readonly ok: boolean;
  readonly status: number;
  readonly cause: string;
  readonly detail: string;
  readonly enforced: Enforced;
  readonly stdout: string;
  readonly stderr: string;
}

const skip = process.geteuid?.() === 0 ? false : 'needs root to build the environments';
const PYTHON = '/usr/bin/python3';
const STEPS = join(packageRoot, 'test/steps');

/** Accepts what such a place has, and nothing else. */
const OPTIONS = `{ allowMissing: NAMESPACES, allowWeaker: process.geteuid() === 0
  ? ['memory', 'processes', 'cpu'] : ['uid', 'groups', 'memory', 'processes', 'cpu'] }`;
let made: Worlds | undefined;
after(() => made?.[Symbol.dispose]());

function worlds(): Worlds {
  return (made ??= new Worlds());
}

/** What an app there says last, as JSON; `steps` and `outside` run an attack in a step and by the app itself. */
function there(world: World, code: string): unknown {
  const { status, stdout, stderr } = worlds().app(world, `${PRELUDE}\n${code}\nawait closeSpawner();`);
  const last = stdout.trim().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(last) as unknown;
  } catch {
    throw new Error(`the app ended with ${status}:\n${stdout}${stderr}`);
  }
}

const PRELUDE = `
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
const OPTIONS = ${OPTIONS};
const run = (command, args, { limits, ...more } = {}) =>
  spawnSandbox(command, args, { ...OPTIONS, ...more, limits: { wallTime: '30s', ...limits } });
const refusal = async (what) => {
  try { await what(); return 'done'; } catch (error) { return [error.code, error.layer, error.message]; }
};
const say = (what) => console.log(JSON.stringify(what));
/** Another process of the app's. */
const other = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
process.on('exit', () => other.kill('SIGKILL'));
other.unref();
`;

/** An app's directory with a secret, and what others may be attacked by. */
class Bait implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'portable-'));
  readonly secret = join(this.directory, 'secret');
  readonly program = join(this.directory, 'program');
  readonly socket = join(this.directory, 'socket');
  readonly datagrams = join(this.directory, 'datagrams');
  readonly abstract = `portable-${process.pid}`;
  readonly #servers = [createServer(), createServer()];
  readonly #listener;
  visitors = 0;
  port = 0;

  constructor(uid: number) {
    writeFileSync(this.secret, 'the secret');
    copyFileSync('/bin/true', this.program);
    for (const path of [this.directory, this.secret, this.program]) chownSync(path, uid, uid);
    chmodSync(this.directory, 0o755);
    chmodSync(this.secret, 0o666); // not modes are to keep it, nor owners
    chmodSync(this.program, 0o755);
    const listen = `import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('\\0${this.abstract}'); s.listen(); d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind('${this.datagrams}'); __import__('os').chmod('${this.datagrams}', 0o777); time.sleep(300)`;
    this.#listener = spawn(PYTHON, ['-c', listen], { stdio: 'ignore' });
  }

  async listen(): Promise<this> {
    const [tcp, unix] = this.#servers;
    for (const server of this.#servers) server.on('connection', (client) => (this.visitors++, client.destroy()));
    await new Promise((done) =>
      tcp?.listen(0, '127.0.0.1', () => {
        done(undefined);
      }),
    );
    await new Promise((done) =>
      unix?.listen(this.socket, () => {
        done(undefined);
      }),
    );
    chmodSync(this.socket, 0o777);
    const address = tcp?.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.kill('SIGKILL');
    await Promise.all(this.#servers.map((server) => new Promise((done) => server.close(done))));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** By name: what it is tried on. Those that need the app's own id to succeed outside are for who shares it. */
function attacksOn({
  secret,
  program,
  directory,
  socket,
  port,
  abstract,
  datagrams,
}: Bait): readonly (readonly [string, string])[] {
  return [
    ['read', secret],
    ['through-self', secret],
    ['list', directory],
    ['write', secret],
    ['make', join(directory, 'made')],
    ['link', secret],
    ['mode', secret],
    ['times', secret],
    ['attribute', secret],
    ['watch', secret],
    ['open-for-nothing', secret],
    ['make-without-a-name', directory],
    ['flags', secret],
    ['datagram', datagrams],
    ['raw-datagram', datagrams],
    ['execute', program],
    ['tcp', String(port)],
    ['udp', String(port)],
    ['unix', socket],
    ['abstract', abstract],
    ['environment', 'PID'],
    ['affinity', 'PID'],
    ['priority', 'PID'],
    ['priority-of-group', 'PID'],
    ['idle', 'PID'],
    ['limits', 'PID'],
    ['trace', 'PID'],
    ['stop', 'PID'],
    ['truncate', secret],
    ['rename', secret],
    ['remove', `${secret}-`],
    ['signal', 'PID'],
  ];
}

function attackIn(world: World): void {
  const shares = world.uid !== undefined;

  void test('has what the result says, and nothing is said to be there that is not', { timeout: 120_000 }, () => {
    const { enforced, stdout, ok } = there(
      world,
      "const { enforced, stdout, ok } = await run('sh', ['-c', 'id -u; exec grep -E ^[CNS] /proc/self/status']); say({ enforced, stdout, ok });",
    ) as Said;
    assert.ok(ok);
    const states = Object.fromEntries(Object.entries<LayerState>(enforced).map(([layer, { state }]) => [layer, state]));
    const waived = ['user', 'pid', 'mount', 'net', 'ipc', 'uts', 'cgroup', ...(shares ? ['securebits'] : [])];
    const weaker = ['memory', 'processes', 'cpu', ...(shares ? ['capabilities', 'uid'] : [])];
    for (const [layer, state] of Object.entries(states)) {
      assert.equal(state, waived.includes(layer) ? 'waived' : weaker.includes(layer) ? 'weaker' : 'enforced', layer);
    }
    assert.match(stdout, /^CapEff:\t0+$/m);
    assert.match(stdout, /^NoNewPrivs:\t1$/m);
    assert.match(stdout, /^Seccomp:\t2$/m);
    assert.match(stdout, shares ? new RegExp(`^${ORDINARY_ID}\n`) : /^1\d{9}\n/);
  });

  void test('reaches nothing that was not shown', { timeout: 120_000 }, async () => {
    await using bait = await new Bait(world.uid ?? 0).listen();
    const script = join(bait.directory, 'attacks.py');
    copyFileSync(join(STEPS, 'portable-attacks.py'), script);
    chmodSync(script, 0o777);
    chownSync(script, world.uid ?? 0, world.uid ?? 0);
    const shown = [
      ['write-shown', script],
      ['flags-shown', script],
    ];
    // Outside it would be the end of the script.
    const last = [['cut-shown', script]];
    const attacks = [...shown, ...attacksOn(bait), ...last];
    const words = JSON.stringify([script, ...attacks.flat()]);
    const before = statSync(bait.secret);
    const inside = there(
      world,
      `const words = ${words}.map((word) => word === 'PID' ? String(other.pid) : word);
         const { stdout, stderr } = await run('${PYTHON}', words, { filesystem: { readOnly: ['${script}'] } });
         console.log(stdout || JSON.stringify({ nothing: stderr }));`,
    ) as Record<string, string>;
    assert.deepEqual(
      Object.keys(inside),
      attacks.map(([name]) => name),
      JSON.stringify(inside),
    );
    for (const [name, answer] of Object.entries(inside)) assert.doesNotMatch(answer, /^done/, name);
    assert.equal(bait.visitors, 0);
    const { mode, mtimeMs, ctimeMs } = statSync(bait.secret);
    assert.deepEqual([mode, mtimeMs, ctimeMs], [before.mode, before.mtimeMs, before.ctimeMs]);
    assert.equal(readFileSync(bait.secret, 'utf8'), 'the secret');

    const outside = there(
      world,
      `process.env.TMPDIR = ${JSON.stringify(bait.directory)};
         const words = ${words}.map((word) => word === 'PID' ? String(other.pid) : word);
         console.log(execFileSync('${PYTHON}', words, { encoding: 'utf8' }));`,
    ) as Record<string, string>;
    for (const [name, answer] of Object.entries(outside)) assert.match(answer, /^done/, `the control: ${name}`);
  });

  void test('leaves nobody and nothing, however it ends', { timeout: 180_000 }, () => {
    const ends = there(
      world,
      `
        const mark = 'portable-' + process.pid;
        const directory = mkdtempSync('/var/tmp/portable-');
        chmodSync(directory, 0o711);
        configureSpawner({ scratchDirectory: directory });
        const marked = () => readdirSync('/proc').filter((pid) => {
          try { return /^\\d+$/.test(pid) && readFileSync('/proc/' + pid + '/cmdline', 'latin1').includes(mark); } catch { return false; }
        }).length;
        const stays = 'setsid sh -c "exec sleep 301 #' + mark + '"';
        // Each writes something first: that is to be gone, too.
        const daemon = (then) => '(setsid sh -c "trap : HUP TERM INT; while :; do sleep 0.2; done #' + mark + '" &) ; sleep 0.5; mkdir $TMPDIR/d; echo x > $TMPDIR/d/x; echo ready; ' + then;
        const forks = ':(){ : "$@" & : "$@" & wait; }; : ' + mark;
        const ends = {};
        const tried = async (name, script, limits, more) => {
          const step = run('bash', ['-c', script, mark], { limits, ...more });
          for await (const line of step) break;
          const before = marked();
          const { cause } = await step;
          for (let i = 0; i < 100 && marked() > 0; i++) await new Promise((done) => setTimeout(done, 50));
          ends[name] = { before, after: marked(), cause };
        };
        await tried('exit', daemon('sleep 0.5'));
        await tried('time', daemon('sleep 100'), { wallTime: '2s' });
        await tried('stopped', daemon('kill -STOP $$'), { wallTime: '2s' });
        await tried('bomb', 'echo ready; ' + forks, { wallTime: '2s', processes: 64 });
        const child = spawn('sh', ['-c', 'sleep 3; : ' + mark], { detached: true });
        await new Promise((done) => setTimeout(done, 300));
        ends.control = { before: marked(), after: marked(), cause: '' };
        child.kill();
        const left = execFileSync('find', [directory, '!', '-type', 'd'], { encoding: 'utf8' }).split('\\n').filter(Boolean);
        await closeSpawner();
        left.push(...readdirSync(directory));
        rmdirSync(directory);
        say({ ...ends, left: { before: 0, after: left.length, cause: left.join() } });
        `,
    ) as Record<string, { readonly before: number; readonly after: number; readonly cause: string }>;
    assert.deepEqual(Object.fromEntries(Object.entries(ends).map(([name, { cause }]) => [name, cause])), {
      exit: 'exit',
      time: 'wallTimeout',
      stopped: 'wallTimeout',
      bomb: 'wallTimeout',
      control: '',
      left: '',
    });
    for (const [name, { before, after }] of Object.entries(ends)) {
      if (name !== 'left') assert.ok(before > 0, `${name}: nobody was there`);
      if (name !== 'control') assert.equal(after, 0, `${name}: somebody has stayed`);
    }
  });

  void test('exceeds none of its limits', { timeout: 180_000 }, () => {
    const rows = there(
      world,
      `
        const rows = {};
        const told = (name, { cause, detail, stdout, stderr }) => {
          rows[name] = { cause, detail, stdout: stdout.slice(0, 300), stderr: stderr.slice(0, 300) };
        };
        const tried = async (name, script, limits) => { told(name, await run('bash', ['-c', script], { limits })); };
        const triedBy = async (name, limits) => {
          told(name, await run('${PYTHON}', ['-', name], { limits, input: readFileSync('${worlds().reachable('test/steps/portable-limits.py')}') }));
        };
        await tried('memory', 'text=0123456789abcdef; while :; do text=$text$text; done', { memory: '64MiB', scratch: '8MiB' });
        await tried('one file', 'head -c 100M /dev/urandom > $TMPDIR/a; stat -c %s $TMPDIR/a', { scratch: '8MiB' });
        await tried('many files', 'for i in $(seq 100); do head -c 1M /dev/urandom > ~/$i; done; sleep 20', { scratch: '8MiB' });
        await triedBy('open files', { scratch: '8MiB' });
        await tried('harmless', [
          'cd', 'for i in $(seq 60); do mkdir d; cd d; done; cd', 'head -c 3M /dev/urandom > one; for i in 2 3 4 5; do ln one $i; done',
          'mkdir -m 0 closed', 'sleep 1; echo harmless',
        ].join('; '), { scratch: '8MiB' });
        await triedBy('shared', { memory: '256MiB' });
        await tried('processes', 'for i in $(seq 40); do sleep 2 & done; wait; echo done', { processes: 16 });
        await tried('time', 'while :; do :; done', { cpuTime: '1s' });
        await tried('fine', 'head -c 1M /dev/urandom > $TMPDIR/a; sleep 0.1 & wait; echo fine', { scratch: '8MiB' });
        say(rows);
        `,
    ) as Record<string, Said>;
    assert.equal(rows['memory']?.cause, 'oom');
    assert.match(rows['one file']?.stdout ?? '', /^8388608$/m);
    assert.equal(rows['many files']?.cause, 'oom');
    assert.match(rows['many files'].detail, /limits\.scratch \(8 MiB\)/);
    assert.equal(rows['open files']?.cause, 'oom');
    assert.equal(rows['harmless']?.stdout, 'harmless\n', rows['harmless']?.stderr);
    assert.equal(rows['shared']?.stdout, 'shared 60\n', rows['shared']?.detail);
    assert.match(rows['processes']?.stderr ?? '', /fork|Resource temporarily unavailable/);
    assert.equal(rows['time']?.cause, 'cpuTimeout');
    assert.deepEqual([rows['fine']?.cause, rows['fine']?.stdout], ['exit', 'fine\n']);
  });

  void test('can do what programs do', { timeout: 180_000 }, () => {
    const script = worlds().reachable('test/steps/practice.sh');
    const { stdout, stderr, status } = there(
      world,
      `
        const { stdout, stderr, status } = await run('bash', [], { input: readFileSync('${script}') });
        say({ stdout, stderr, status });
        `,
    ) as Said;
    assert.equal(stderr, '');
    assert.equal(status, 0);
    for (const part of ['two', 'substituted', 'to-stdout', 'child', '42', '/spawn-sandbox-'])
      assert.ok(stdout.includes(part), part);
  });

  void test('ends with nobody but its own, whoever else has the same ids', { timeout: 120_000 }, () => {
    // Two apps that do not know of each other lease the same ids.
    const ends = there(
      world,
      `
        const same = process.geteuid() === 0 ? { uidRange: { start: 1500000000, count: 2 } } : {};
        const app = [
          'import { spawnSandbox, configureSpawner, closeSpawner, NAMESPACES } from ' + JSON.stringify(LIBRARY),
          'import { rmSync } from "node:fs"',
          'const stateDirectory = "/tmp/portable-other-" + process.pid',
          'configureSpawner({ stateDirectory, ...' + JSON.stringify(same) + ' })',
          'const { cause } = await spawnSandbox("true", [], ' + JSON.stringify(OPTIONS) + ')',
          'console.log(cause)',
          'await closeSpawner()',
          'rmSync(stateDirectory, { recursive: true })',
        ].join(';');
        configureSpawner(same);
        const step = run('bash', ['-c', 'id -u; read; echo still there'], { stdin: 'pipe' });
        for await (const line of step) break;
        const second = spawnSync(process.execPath, ['--input-type=module', '--eval', app], { encoding: 'utf8' });
        step.stdin.end('go\\n');
        const { cause, stdout } = await step;
        say({ first: cause, stdout, second: second.stdout.trim() + second.stderr });
        `,
    ) as { readonly first: string; readonly second: string; readonly stdout: string };
    assert.deepEqual([ends.first, ends.second], ['exit', 'exit']);
    assert.match(ends.stdout, /still there/);
  });

  void test('what a record of a dead spawner says leads to no other directory', { timeout: 120_000 }, () => {
    const left = there(
      world,
      `
        const directory = mkdtempSync('/var/tmp/portable-');
        chmodSync(directory, 0o711);
        const state = directory + '/state', scratch = directory + '/scratch', others = directory + '/others/spawn-sandbox-0000000000000001';
        const numbered = scratch + '/spawn-sandbox-0000000000000001';
        for (const path of [state, others, numbered, scratch + '/spawn-sandbox-project']) mkdirSync(path, { recursive: true });
        chmodSync(state, 0o700);
        for (const name of ['spawner-0000000000000001', 'spawner-project'])
          writeFileSync(state + '/' + name, 'scratch ' + others + '\\n' + others + '\\n');
        configureSpawner({ stateDirectory: state, scratchDirectory: scratch });
        await run('true', []);
        const found = [others, numbered, scratch + '/spawn-sandbox-project'].map((path) => existsSync(path));
        await closeSpawner();
        rmSync(directory, { recursive: true });
        say(found);
        `,
    );
    assert.deepEqual(left, [true, false, true], 'only what has the number of a record is gone');
  });

  void test(
    'is refused what cannot hold, and who does not do without namespaces by name is refused',
    { timeout: 120_000 },
    () => {
      const refused = there(
        world,
        `
        const directory = '/usr/share';
        say({
          'without a name': await refusal(() => spawnSandbox('true', [], { ...OPTIONS, allowMissing: NAMESPACES.slice(1) })),
          overlay: await refusal(() => run('true', [], { filesystem: { overlay: [directory] } })),
          'another place': await refusal(() => run('true', [], { filesystem: { readOnly: [{ source: directory, target: '/elsewhere' }] } })),
          'the same root': await refusal(() => run('true', [], { filesystem: { root: '/' } })),
          'around the scratch spaces': await refusal(() => run('true', [], { filesystem: { writable: ['/var/tmp'] } })),
          'another root': await refusal(() => run('true', [], { filesystem: { root: '/usr' } })),
          rules: await refusal(() => run('true', [], { filesystem: { readOnly: [directory], hide: ['doc'] } })),
          terminal: await refusal(() => run('true', [], { terminal: { columns: 80, rows: 24 } })),
          sandbox: await refusal(async () => { const living = await createSandbox(OPTIONS); await living.run('true'); }),
          zygote: await refusal(async () => { await (await createZygote({ runtime: 'node', ...OPTIONS })).close(); }),
        });
        `,
      ) as Record<string, readonly [string, string, string]>;
      for (const [name, [code]] of Object.entries(refused))
        assert.equal(code, 'ERR_LAYER_UNAVAILABLE', `${name}: ${refused[name]?.join(' ') ?? ''}`);
    },
  );
}

void suite('a step without namespaces, in all of Docker’s defaults', { skip }, () => {
  attackIn(DOCKER);
});

void suite('a step without namespaces, of an ordinary user', { skip }, () => {
  attackIn({ ...NO_USER_NAMESPACES, uid: ORDINARY_ID });
});
