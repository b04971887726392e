import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import {
  createZygote,
  SandboxError,
  type SandboxOptions,
  type Zygote,
  type ZygoteJob,
  type ZygoteMode,
} from 'spawn-sandbox';
import { FORKABLE_NODE } from '../helpers/node-installation.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { ANY_FORM } from '../helpers/weaker.js';

/** What a job prints, the last line end left out, and its status. */
async function outcome(
  zygote: Zygote,
  job: ZygoteJob,
  options: SandboxOptions = {},
): Promise<readonly [string, number]> {
  const { stdout, stderr, status } = await zygote.spawn(job, options);
  return [`${String(stdout)}${String(stderr)}`.replace(/\n$/, ''), status];
}

interface Check {
  readonly code: string;
  readonly prints?: string | RegExp;
  readonly status?: number;
  readonly input?: string;
}

const OK = 'ok';
const WASM =
  '[0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11]';

/** Each runs in a step of its own, as with `node -e`. */
const CHECKS: Readonly<Record<string, Check>> = {
  timeouts: { code: `setTimeout(() => console.log('ok'), 10)` },
  'intervals, immediates and ticks': {
    code: `let n = 0; const i = setInterval(() => { if (++n === 3) { clearInterval(i); setImmediate(() => process.nextTick(() => console.log('ok'))); } }, 3)`,
  },
  'the accuracy of timers': {
    code: `const t = process.hrtime.bigint(); setTimeout(() => console.log(Number(process.hrtime.bigint() - t) >= 29e6 ? 'ok' : 'early'), 30)`,
  },
  promises: { code: `Promise.resolve('ok').then(console.log)` },
  'files at once': { code: `console.log(fs.readFileSync('/etc/passwd', 'utf8').length > 0 ? 'ok' : 'empty')` },
  'many files by promises': {
    code: `Promise.all(Array.from({ length: 200 }, () => fs.promises.stat('/etc/passwd'))).then((all) => console.log(all.length === 200 && 'ok'))`,
  },
  'streams of files': {
    code: `fs.createReadStream('/etc/passwd').pipe(fs.createWriteStream('copy')).on('finish', () => console.log('ok'))`,
  },
  'watched files': {
    code: `const w = fs.watch('.', () => { console.log('ok'); w.close(); }); setTimeout(() => fs.writeFileSync('new', ''), 20)`,
  },
  'Unix sockets': {
    code: `const s = net.createServer((c) => c.end('ok')).listen('socket', () => net.connect('socket').on('data', (d) => { console.log(String(d)); s.close(); }))`,
  },
  TCP: {
    code: `const s = net.createServer((c) => c.end('ok')).listen(0, '127.0.0.1', () => net.connect(s.address().port, '127.0.0.1').on('data', (d) => { console.log(String(d)); s.close(); }))`,
  },
  'HTTP and fetch': {
    code: `const s = http.createServer((_, r) => r.end('ok')).listen(0, '127.0.0.1', async () => { console.log(await (await fetch('http://127.0.0.1:' + s.address().port)).text()); s.close(); s.closeAllConnections(); })`,
  },
  'names of hosts': { code: `dns.lookup('localhost', (error) => console.log(error ?? 'ok'))` },
  'compression, asynchronous': {
    code: `zlib.gzip(Buffer.alloc(1e6, 'a'), (_, packed) => zlib.gunzip(packed, (_, b) => console.log(b.length === 1e6 && 'ok')))`,
  },
  'compression, synchronous': { code: `console.log(String(zlib.gunzipSync(zlib.gzipSync('ok'))))` },
  'child processes': {
    code: `const c = child_process.spawn('sh', ['-c', 'echo ok; exit 4']); c.stdout.pipe(process.stdout, { end: false }); c.on('close', (status) => console.log(status))`,
    prints: 'ok\n4',
  },
  'child processes, waited for': {
    code: `console.log(child_process.spawnSync('echo', ['ok']).stdout.toString().trim())`,
  },
  'a Node of its own': {
    code: `fs.writeFileSync('child.js', 'process.on("message", (m) => { process.send(m + 1); process.disconnect(); })'); const c = child_process.fork('./child.js'); c.send(1); c.on('message', (m) => console.log(m))`,
    prints: '2',
  },
  'a worker': {
    code: `const w = new worker_threads.Worker('require("worker_threads").parentPort.postMessage("ok")', { eval: true }); w.on('message', console.log); w.on('exit', console.log)`,
    prints: 'ok\n0',
  },
  'four workers that use files and memory': {
    code: `let n = 0; for (let i = 0; i < 4; i++) new worker_threads.Worker('require("fs").promises.readFile("/etc/passwd").then(() => { const a = []; for (let i = 0; i < 2e5; i++) a.push({ i }); })', { eval: true }).on('exit', () => ++n === 4 && console.log('ok'))`,
  },
  'waiting on shared memory': {
    code: `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10); console.log('ok')`,
  },
  'much garbage': {
    code: `let s = 0; const keep = []; for (let i = 0; i < 2e6; i++) { const o = { i, b: [i, i + 1] }; s += o.b[1]; if (i % 50 === 0) keep.push(o); } console.log(s > 0 && 'ok')`,
  },
  'many buffers': {
    code: `let s = 0; for (let i = 0; i < 300; i++) s += Buffer.alloc(1 << 20, 1)[5]; console.log(s)`,
    prints: '300',
  },
  'a growing heap': {
    code: `const a = []; for (let i = 0; i < 1e6; i++) a.push({ i, s: String(i) }); console.log(a.length)`,
    prints: '1000000',
  },
  'hot code': {
    code: `const f = (n) => { let s = 0; for (let i = 0; i < n; i++) s = (s + i * i) | 0; return s; }; let t = 0; for (let k = 0; k < 100; k++) t ^= f(1e5); console.log('ok')`,
  },
  'WebAssembly at once': {
    code: `console.log(new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(${WASM}))).exports.add(2, 3))`,
    prints: '5',
  },
  'WebAssembly by promise': {
    code: `WebAssembly.instantiate(new Uint8Array(${WASM})).then((r) => console.log(r.instance.exports.add(2, 3)))`,
    prints: '5',
  },
  'import() of both kinds': {
    code: `fs.writeFileSync('a.mjs', 'export const a = 42'); fs.writeFileSync('b.cjs', 'exports.b = 7'); import('./a.mjs').then(async ({ a }) => console.log(a, (await import('./b.cjs')).b))`,
    prints: '42 7',
  },
  'code that is a module': {
    code: `import { sep } from 'node:path'; fs2(); import * as f from 'node:fs'; function fs2() { console.log(typeof f.readFileSync, sep); } await null; export {};`,
    prints: 'function /',
  },
  'require as from the work directory': {
    code: `fs.writeFileSync('m.js', 'exports.m = "ok"'); console.log(require('./m').m)`,
  },
  'a child of its sandbox': { code: `console.log(process.ppid)`, prints: '1' },
  'its own number': { code: `console.log(Number(fs.readlinkSync('/proc/self')) === process.pid && 'ok')` },
  'its own title': {
    code: `process.title = 'other'; console.log(fs.readFileSync('/proc/self/comm', 'utf8').trim())`,
    prints: 'other',
  },
  'standard input as a stream': {
    code: `let s = ''; process.stdin.on('data', (d) => (s += d)).on('end', () => console.log(s))`,
    input: 'ok',
  },
  'standard input at once': { code: `console.log(fs.readFileSync(0, 'utf8'))`, input: 'ok' },
  'both outputs': { code: `console.log('out'); console.error('err')`, prints: 'out\nerr' },
  'ciphers, asynchronous': {
    code: `crypto.pbkdf2('a', 'b', 1000, 16, 'sha256', () => crypto.scrypt('a', 'b', 16, (_, key) => console.log(key.length)))`,
    prints: '16',
  },
  'random bytes, asynchronous': { code: `crypto.randomBytes(8, (_, bytes) => console.log(bytes.length))`, prints: '8' },
  'web cryptography': {
    code: `crypto.subtle.digest('SHA-256', Buffer.from('a')).then((d) => console.log(d.byteLength))`,
    prints: '32',
  },
  'key pairs': { code: `crypto.generateKeyPair('ec', { namedCurve: 'P-256' }, (error) => console.log(error ?? 'ok'))` },
  'other contexts': { code: `console.log(vm.runInNewContext('6 * 7'))`, prints: '42' },
  'asynchronous contexts': {
    code: `const a = new async_hooks.AsyncLocalStorage(); a.run('ok', () => setTimeout(() => console.log(a.getStore()), 1))`,
  },
  finalization: {
    code: `v8.setFlagsFromString('--expose-gc'); const gc = vm.runInNewContext('gc'); const r = new FinalizationRegistry(() => { console.log('ok'); clearInterval(i); }); (() => r.register({}, 1))(); const i = setInterval(gc, 5)`,
  },
  serialization: { code: `console.log(v8.deserialize(v8.serialize({ a: 'ok' })).a)` },
  languages: { code: `console.log(new Date(0).toLocaleDateString('de-DE', { timeZone: 'UTC' }))`, prints: '1.1.1970' },
  'use of resources': { code: `console.log(process.memoryUsage().rss > 0 && process.cpuUsage().user >= 0 && 'ok')` },
  'the inspector, from within': {
    code: `const s = new inspector.Session(); s.connect(); s.post('Runtime.evaluate', { expression: '40 + 2' }, (_, r) => console.log(r.result.value))`,
    prints: '42',
  },
  'the inspector, over the network': {
    code: `inspector.open(0); net.connect(new URL(inspector.url()).port, '127.0.0.1').on('connect', () => { console.log('connected'); process.exit(0); })`,
    prints: /connected/,
  },
  'a large output': { code: `console.log('x'.repeat(1 << 20))`, prints: 'x'.repeat(1 << 20) },
  'the time of day': { code: `console.log(Math.abs(Date.now() - fs.statSync('/proc/self').mtimeMs) < 60000 && 'ok')` },
  'process.exit()': { code: `process.exit(9)`, prints: '', status: 9 },
  'an exit code and a listener': {
    code: `process.on('exit', (code) => { console.log('exit', code); }); process.exitCode = 5`,
    prints: 'exit 5',
    status: 5,
  },
  'a listener that changes the exit code': {
    code: `process.on('exit', () => { process.exitCode = 6; })`,
    prints: '',
    status: 6,
  },
  'a listener of uncaught errors': {
    code: `process.on('uncaughtException', (error) => console.log(error.message)); setTimeout(() => console.log('after'), 5); throw new Error('ok')`,
    prints: 'ok\nafter',
  },
  'a signal that is listened to': {
    code: `process.on('SIGTERM', () => { console.log('ok'); process.exit(0); }); setTimeout(() => process.kill(process.pid, 'SIGTERM'), 5); setTimeout(() => {}, 3000)`,
  },
  'a signal that is not': {
    code: `setTimeout(() => process.kill(process.pid, 'SIGTERM'), 5); setTimeout(() => {}, 3000)`,
    prints: '',
    status: -15,
  },
};

/** What the library tries in a fork, and finds not to work. */
const NO_FORK = `require('node:fs').promises.stat = () => new Promise(() => undefined)`;

/** Those whose insides the library knows (docs/architecture.md, "A forked Node"). */
const FORKS = FORKABLE_NODE.test(process.version);
const ONLY_FORKS = { skip: FORKS ? false : 'this build of Node cannot be forked' };
const MODES: readonly ZygoteMode[] = FORKS ? ['fork', 'parked'] : ['parked'];

for (const [mode, parked] of [...MODES.map((mode) => [mode, 2] as const), ...(FORKS ? [['fork', 0] as const] : [])]) {
  void suite(`a zygote of Node, by ${mode}, with ${parked} steps waiting`, () => {
    let zygote: Zygote;
    before(async () => {
      zygote = await createZygote({ runtime: 'node', mode, parked, ...ANY_FORM });
    });
    after(() => zygote.destroy());

    for (const [name, { code, prints = OK, status = 0, input }] of Object.entries(CHECKS)) {
      void test(`has ${name}`, async () => {
        const [words, ended] = await outcome(zygote, { code }, input === undefined ? {} : { input });
        if (typeof prints === 'string') assert.equal(words, prints);
        else assert.match(words, prints);
        assert.equal(ended, status);
      });
    }
  });
}

for (const mode of MODES) {
  void suite(`a step of Node, by ${mode}`, () => {
    let zygote: Zygote;
    before(async () => {
      zygote = await createZygote({ runtime: 'node', mode, ...ANY_FORM });
    });
    after(() => zygote.destroy());

    void test('tells an uncaught error as Node does', async () => {
      const [words, status] = await outcome(zygote, { code: `function f() { throw new Error('boom'); }\nf();` });
      assert.equal(status, 1);
      assert.match(
        words,
        /^\[eval\]:1\n.*throw new Error\('boom'\);.*\n *\^\n\nError: boom\n {4}at f \(\[eval\]:1:22\)/,
      );
      assert.match(words, new RegExp(`\n\nNode.js ${process.version}$`));
    });

    void test('ends with 1 when a timer throws, and when a promise is rejected that nobody looks at', async () => {
      for (const code of [
        `setTimeout(() => { throw new TypeError('boom'); }, 1)`,
        `Promise.reject(new TypeError('boom'))`,
      ]) {
        const [words, status] = await outcome(zygote, { code });
        assert.equal(status, 1);
        assert.match(words, /TypeError: boom/);
      }
    });

    void test('ends an aborted step by a signal', async () => {
      assert.equal((await outcome(zygote, { code: 'process.abort()' }))[1], -6);
    });

    void test('gives each step randomness of its own', async () => {
      const code = `console.log(JSON.stringify([Math.random(), crypto.randomUUID(), crypto.webcrypto.randomUUID(), crypto.randomInt(2 ** 47), crypto.randomBytes(8).toString('hex'), vm.runInNewContext('Math.random()')]))`;
      const preloadCode = `const c = require('node:crypto'); Math.random(); c.randomUUID(); c.randomInt(9); c.randomBytes(8);`;
      const used = await createZygote({ runtime: 'node', mode, preloadCode, ...ANY_FORM });
      try {
        const steps = await Promise.all(Array.from({ length: 12 }, () => outcome(used, { code })));
        const rows = steps.map(([text]) => JSON.parse(text) as unknown[]);
        for (const column of rows[0]?.keys() ?? []) {
          assert.equal(new Set(rows.map((row) => row[column])).size, rows.length, `column ${column}`);
        }
      } finally {
        await used.destroy();
      }
    });

    void test('may have no output at all', async () => {
      const code = `console.log('into nothing'); console.error('and this'); process.exitCode = fs.fstatSync(1).isCharacterDevice() ? 3 : 4`;
      const { status, stdout, stderr } = await zygote.spawn({ code }, { stdout: 'ignore', stderr: 'ignore' });
      assert.deepEqual([status, stdout, stderr], [3, '', '']);
    });

    void test('has its own variables, directory and arguments', async () => {
      const code = `console.log(process.env.GREETING, process.cwd(), JSON.stringify(process.argv.slice(1)), process.execArgv.length)`;
      const options = { env: { GREETING: 'hello' }, cwd: '/tmp' };
      assert.deepEqual(await outcome(zygote, { code, args: ['a', 'b c'] }, options), ['hello /tmp ["a","b c"] 0', 0]);
    });

    void test('runs files of both kinds as the main module', async (context) => {
      const directory = temporaryDirectory(context, {
        'main.cjs': `console.log(require.main === module, require('./other').name, process.argv.slice(2).join(), typeof globalThis.zlib, typeof crypto.subtle)`,
        'other.js': `exports.name = 'other'`,
        'main.mjs': `import other from './other.js'; await null; console.log(other.name, import.meta.url.slice(-8), process.argv[2])`,
        'throws.mjs': `throw new RangeError('boom')`,
        'waits.mjs': `await new Promise(() => {})`,
      });
      const options = { filesystem: { readOnly: [directory] } };
      const run = (name: string) => outcome(zygote, { file: join(directory, name), args: ['x'] }, options);
      assert.deepEqual(await run('main.cjs'), ['true other x undefined object', 0]);
      assert.deepEqual(await run('main.mjs'), ['other main.mjs x', 0]);
      assert.equal((await run('waits.mjs'))[1], 13);
      const [words, status] = await run('throws.mjs');
      assert.equal(status, 1);
      assert.match(words, /RangeError: boom/);
      const [missing, missingStatus] = await run('none.js');
      assert.equal(missingStatus, 1);
      assert.match(missing, /Cannot find module/);
    });

    void test('calls functions of modules, and waits for what they promise', async (context) => {
      const directory = temporaryDirectory(context, {
        'steps.cjs': `exports.add = (a, b) => console.log(a + b); exports.deep = { async fails() { await null; throw new Error('boom'); } }`,
        'steps.mjs': `export async function greet({ name }) { await null; console.log('hello ' + name); }`,
      });
      const options = { filesystem: { readOnly: [directory] }, cwd: directory };
      const call = (module: string, name: string, args: unknown[]) =>
        outcome(zygote, { module, function: name, args }, options);
      assert.deepEqual(await call('./steps.cjs', 'add', [40, 2]), ['42', 0]);
      assert.deepEqual(await call(join(directory, 'steps.mjs'), 'greet', [{ name: 'you' }]), ['hello you', 0]);
      const [words, status] = await call('./steps.cjs', 'deep.fails', []);
      assert.equal(status, 1);
      assert.match(words, /Error: boom/);
      assert.match((await call('./steps.cjs', 'none', []))[0], /exports no function none/);
    });

    void test('runs fifty steps at once', async () => {
      const steps = Array.from({ length: 50 }, (_, index) =>
        outcome(zygote, { code: `setTimeout(() => fs.promises.stat('/').then(() => console.log(${index})), 5)` }),
      );
      const expected = Array.from({ length: 50 }, (_, index) => [String(index), 0]);
      assert.deepEqual(await Promise.all(steps), expected);
    });
  });
}

void suite('a zygote of Node', () => {
  void test('says whether it forks', async () => {
    const zygote = await createZygote({ runtime: 'node', ...ANY_FORM });
    assert.equal(zygote.mode, FORKS ? 'fork' : 'parked');
    await zygote.destroy();
  });

  void test('that is some seconds old has steps that collect no garbage for it', ONLY_FORKS, async (context) => {
    const zygote = await createZygote({ runtime: 'node', parked: 1, ...ANY_FORM });
    context.after(() => zygote.destroy());
    await setTimeout(9000); // V8 waits for eight
    const code = (work: string) => `
      let large = 0;
      const seen = ({ detail }) => { if (detail.kind === perf_hooks.constants.NODE_PERFORMANCE_GC_MAJOR) large++; };
      new perf_hooks.PerformanceObserver((list) => list.getEntries().forEach(seen)).observe({ entryTypes: ['gc'] });
      ${work};
      setTimeout(() => console.log(large), 50);`;
    assert.deepEqual(await outcome(zygote, { code: code('') }), ['0', 0]);
    const collect = `v8.setFlagsFromString('--expose-gc'); vm.runInNewContext('gc')()`;
    assert.deepEqual(await outcome(zygote, { code: code(collect) }), ['1', 0], 'the control');
  });

  void test('is refused when it must be forked and cannot be', async () => {
    const error = await createZygote({ runtime: 'node', mode: 'fork', preloadCode: NO_FORK, ...ANY_FORM }).catch(
      (caught: unknown) => caught,
    );
    assert.ok(error instanceof SandboxError && error.code === 'ERR_ZYGOTE');
    assert.match(error.message, /cannot be forked: '/);
  });

  void test('that cannot be forked has steps of their own instead', async (context) => {
    const zygote = await createZygote({ runtime: 'node', preloadCode: `${NO_FORK}; globalThis.left = 1`, ...ANY_FORM });
    context.after(() => zygote.destroy());
    assert.equal(zygote.mode, 'parked');
    assert.deepEqual(await outcome(zygote, { code: 'console.log(left)' }), ['1', 0]);
  });

  void test('that has more open than can be made sure of is not forked', ONLY_FORKS, async (context) => {
    const open = (count: number) => `for (let i = 0; i < ${count}; i++) require('fs').openSync('/etc/passwd')`;
    const make = (count: number) => createZygote({ runtime: 'node', preloadCode: open(count), ...ANY_FORM });
    const [few, many] = [await make(300), await make(1300)];
    context.after(() => Promise.all([few.destroy(), many.destroy()]));
    assert.deepEqual([few.mode, many.mode], ['fork', 'parked']);
  });

  void test('that has started threads is not forked, and its steps have them', async (context) => {
    const warning = new Promise<Error>((resolve) => process.once('warning', resolve));
    const preloadCode = `
      const { Worker } = require('node:worker_threads');
      globalThis.worker = new Worker('require("node:worker_threads").parentPort.once("message", (m) => { throw m })', { eval: true });
      worker.unref();`;
    const zygote = await createZygote({ runtime: 'node', preloadCode, ...ANY_FORM });
    context.after(() => zygote.destroy());
    assert.equal(zygote.mode, 'parked');
    if (FORKS) assert.match((await warning).message, /cannot be forked: 'what was preloaded has started threads/);
    const code = `worker.on('error', (m) => console.log(m)); worker.ref(); worker.postMessage('ok')`;
    assert.deepEqual(await outcome(zygote, { code }), ['ok', 0]);
  });

  void test(
    'leaves a forked step no descriptor that another process has, but for its own streams',
    ONLY_FORKS,
    async () => {
      const code = `
      const rows = fs.readdirSync('/proc/self/fd').filter((fd) => fd > 2).map((fd) => {
        try { return [fd, fs.readlinkSync('/proc/self/fd/' + fd)]; } catch { return undefined; }
      }).filter((row) => row !== undefined);
      console.log(JSON.stringify(rows));`;
      const preloadCode = `globalThis.file = require('node:fs').openSync('/etc/passwd')`;
      const holding = await createZygote({ runtime: 'node', preloadCode, ...ANY_FORM });
      try {
        const [first, second] = await Promise.all([outcome(holding, { code }), outcome(holding, { code })]);
        const links = (text: string) => (JSON.parse(text) as [string, string][]).map(([, link]) => link);
        const [one, two] = [links(first[0]), links(second[0])];
        assert.equal(
          one.find((link) => !/^(pipe|socket|anon_inode):/.test(link)),
          undefined,
          one.join(),
        );
        const pipes = new Set(one.filter((link) => /^(pipe|socket):/.test(link)));
        assert.deepEqual(
          two.filter((link) => pipes.has(link)),
          [],
        );
        // One event loop's own, and that of the thread that keeps V8's timers; both were made after the fork.
        assert.ok(one.filter((link) => link.includes('eventpoll')).length <= 2, one.join());
      } finally {
        await holding.destroy();
      }
    },
  );
});

void suite('what a zygote of Node preloads', () => {
  void test('is there in each step: modules of both kinds, and what code has left', async (context) => {
    const directory = temporaryDirectory(context, {
      'common.cjs': `globalThis.common = (globalThis.common ?? 0) + 1; exports.value = 'common'`,
      'esm.mjs': `await null; globalThis.esm = (globalThis.esm ?? 0) + 1; export const value = 'esm'`,
    });
    const common = join(directory, 'common.cjs');
    const esm = join(directory, 'esm.mjs');
    const zygote = await createZygote({
      runtime: 'node',
      preload: [common, esm],
      preloadCode: `const hidden = 1; globalThis.left = 'left'`,
      parked: 1,
      filesystem: { readOnly: [directory] },
      ...ANY_FORM,
    });
    try {
      const code = `import('${esm}').then(({ value }) => console.log(value, require('${common}').value, common, esm, left, typeof hidden))`;
      for (let i = 0; i < 3; i++)
        assert.deepEqual(await outcome(zygote, { code }), ['esm common 1 1 left undefined', 0]);
    } finally {
      await zygote.destroy();
    }
  });

  void test('may be a compiler', async () => {
    const directory = dirname(dirname(createRequire(import.meta.url).resolve('typescript')));
    const zygote = await createZygote({
      runtime: 'node',
      preload: [directory],
      preloadCode: `exports.rehearse = () => require('${directory}').transpileModule('const a: number = 1', {})`,
      filesystem: { readOnly: [directory] },
      ...ANY_FORM,
    });
    try {
      const code = `console.log(require('${directory}').transpileModule('let answer: number = 42', {}).outputText.trim())`;
      const [words, status] = await outcome(zygote, { code });
      assert.equal(status, 0);
      assert.match(words, /(let|var) answer = 42;/);
    } finally {
      await zygote.destroy();
    }
  });

  void test('tells what went wrong when it fails', async () => {
    await assert.rejects(
      createZygote({ runtime: 'node', preload: ['./none-such'], ...ANY_FORM }),
      (error: SandboxError) => {
        assert.equal(error.code, 'ERR_ZYGOTE');
        assert.match(error.message, /none-such/);
        return true;
      },
    );
  });
});
