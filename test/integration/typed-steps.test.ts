import assert from 'node:assert/strict';
import { EventEmitter, on } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  createZygote,
  defineStep,
  type LogEntry,
  type PlainParams,
  SandboxError,
  type StepDefinition,
  StepError,
  type StepRefusal,
  type TypedStep,
  type Zygote,
} from 'spawn-sandbox';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

type Plain = TypedStep<undefined, undefined>;

/** The same contract in both languages: a test names what differs. */
const LANGUAGES = {
  python: {
    echo: 'def run(params):\n  return params',
    add: 'def run(params):\n  return {"sum": params["a"] + params["b"]}',
    fail: 'def inner():\n  raise ValueError("no such column: \\x1b[31mprice")\ndef run(params):\n  inner()',
    failLong:
      'def run(params):\n  raise ValueError("begin " + {"ascii": "x", "wide": "\\U0001F600", "broken": "\\udc80"}[params] * 100_000 + " end")',
    failure: { type: 'ValueError', trace: /line 2, in inner\n {4}raise ValueError/ },
    print: [
      'import os, sys',
      'def run(params):',
      '  print("one"); print("two", file=sys.stderr); print("three"); sys.stdout.write("four")',
      '  os.write(1, b"raw out\\n"); os.write(2, b"raw err\\n")',
      '  os.system("echo child")',
      '  return sys.stdin.read()',
    ].join('\n'),
    progress: 'def run(params):\n  for i in range(params["n"]):\n    yield {"at": i}\n  return {"done": True}',
    send: 'def run(params, tables, step):\n  step.send("first"); step.send(["second"]); return len(tables)',
    total:
      'def run(params):\n  total = 0\n  for item in params:\n    total += item["value"]\n    yield total\n  return total',
    lines: 'def run(params):\n  for i in range(params):\n    print()\n  return "done"',
    length: 'def run(params):\n  return len(params)',
    first: 'def run(params):\n  for item in params:\n    return item',
    sleep: 'import time\ndef run(params):\n  time.sleep(60)',
    exit: 'import os\ndef run(params):\n  os._exit(params)',
    large: 'def run(params):\n  return "x" * params',
    nested: 'class Space:\n  @staticmethod\n  def run(params):\n    return "nested"',
    afterwards:
      'import atexit, threading, time\ndef late():\n  time.sleep(0.05); print("thread")\ndef run(params):\n  threading.Thread(target=late).start(); atexit.register(print, "exit"); return 1',
    kept: 'import atexit, logging, sys\nlogging.basicConfig()\nout = sys.stdout\ndef late(step):\n  logging.warning("kept"); print("kept", file=out)\n  try: step.send("late")\n  except RuntimeError as error: print(error)\ndef run(params, tables, step):\n  atexit.register(late, step); return 1',
    environment: 'import os\ndef run(params):\n  return [os.environ["COLOUR"], os.getcwd()]',
  },
  node: {
    echo: 'exports.run = (params) => params;',
    add: 'exports.run = async ({ a, b }) => ({ sum: a + b });',
    fail: 'function inner() {\n  throw new TypeError("no such column: \\x1b[31mprice");\n}\nexports.run = () => inner();',
    failLong:
      'exports.run = (params) => { throw new Error("begin " + { ascii: "x", wide: "\\u{1F600}", broken: "\\udc80" }[params].repeat(100_000) + " end"); };',
    failure: { type: 'TypeError', trace: /at inner \(.*\[step\]:2:9\)/ },
    print: [
      'const fs = require("fs"), { execSync } = require("child_process");',
      'exports.run = () => {',
      '  console.log("one"); console.error("two"); process.stdout.write("three\\nfour");',
      '  fs.writeSync(1, "raw out\\n"); fs.writeSync(2, "raw err\\n");',
      '  execSync("echo child", { stdio: "inherit" });',
      '  return fs.readFileSync(0, "utf8");',
      '};',
    ].join('\n'),
    progress:
      'exports.run = function* ({ n }) { for (let at = 0; at < n; at++) yield { at }; return { done: true }; };',
    send: 'exports.run = (params, tables, step) => { step.send("first"); step.send(["second"]); return Object.keys(tables).length; };',
    total:
      'exports.run = async function* (params) { let total = 0; for await (const { value } of params) { total += value; yield total; } return total; };',
    lines: 'exports.run = (params) => { for (let i = 0; i < params; i++) console.log(); return "done"; };',
    length: 'exports.run = (params) => params.length;',
    first: 'exports.run = async (params) => { for await (const item of params) return item; };',
    sleep: 'exports.run = () => new Promise((resolve) => setTimeout(resolve, 60000));',
    exit: 'exports.run = (status) => process.exit(status);',
    large: 'exports.run = (length) => "x".repeat(length);',
    nested: 'exports.Space = { run() { return this === exports.Space ? "nested" : "lost"; } };',
    afterwards:
      'exports.run = () => { setTimeout(() => console.log("thread"), 50); process.on("exit", () => console.log("exit")); return 1; };',
    kept: 'const kept = new console.Console(process.stdout, process.stderr);\nexports.run = (params, tables, step) => { process.on("exit", () => { kept.error("kept"); kept.log("kept"); try { step.send("late"); } catch (error) { console.log(error.message); } }); return 1; };',
    environment: 'exports.run = () => [process.env.COLOUR, process.cwd()];',
  },
} as const;

for (const [runtime, code] of Object.entries(LANGUAGES)) {
  void suite(`a typed step in ${runtime}`, () => {
    let zygote: Zygote;
    before(async () => {
      zygote = await createZygote({ runtime: runtime as keyof typeof LANGUAGES });
    });
    after(() => zygote.destroy());

    const step = (source: string, more: Partial<StepDefinition<undefined, undefined>> = {}): Plain =>
      defineStep({ zygote, code: source, function: 'run', ...more });

    async function refused(call: Promise<unknown>): Promise<StepRefusal> {
      const outcome = (await call) as StepRefusal;
      assert.equal(outcome.ok, false);
      return outcome;
    }

    void test('is called with plain values, and answers with some', async () => {
      const { ok, message, tables, result } = await step(code.add)({ a: 2, b: 40 });
      assert.deepEqual([ok, message, tables, result.cause], [true, asPlain({ sum: 42 }), asPlain({}), 'exit']);
      const echo = step(code.echo);
      for (const value of [
        null,
        true,
        0,
        -1.5,
        2 ** 53,
        'grüß \u{1f600}',
        [],
        [1, [null, 'x']],
        {},
        { a: { b: [{}] } },
      ]) {
        assert.deepEqual((await echo(value)).message, asPlain(value));
      }
      const hostile = (await echo(JSON.parse('{"__proto__": {"admin": true}, "constructor": 1}') as PlainParams))
        .message as object;
      assert.equal(Object.getPrototypeOf(hostile), null);
      assert.deepEqual(Object.keys(hostile), ['__proto__', 'constructor']);
      assert.equal(({} as { admin?: boolean }).admin, undefined);
    });

    void test('says what its function threw, with the traceback of its own code', async () => {
      const { error, failure, result } = await refused(step(code.fail).try(null));
      assert.ok(error instanceof StepError);
      assert.equal(failure?.type, code.failure.type);
      assert.equal(failure.message, 'no such column: \u001b[31mprice');
      assert.match(failure.traceback, code.failure.trace);
      assert.doesNotMatch(failure.traceback, /zygote/);
      assert.deepEqual([result.cause, result.status], ['exit', 1]);
      assert.doesNotMatch(error.message, /\u001b/, 'what a terminal would obey is escaped');
      assert.deepEqual(error.failure, failure);
      await assert.rejects(
        async () => step(code.fail)(null),
        (thrown) => thrown instanceof StepError && thrown.result.status === 1,
      );
    });

    void test('says what its function threw, however long that is, and in whichever characters', async () => {
      for (const maxMessageBytes of ['1KiB', '256KiB'] as const) {
        for (const characters of ['ascii', 'wide', 'broken']) {
          const { failure } = (await step(code.failLong, { maxMessageBytes }).try(characters)) as StepRefusal;
          assert.match(String(failure?.message), /^begin [^]*\n\.\.\. left out \.\.\.\n[^]* end$/, characters);
        }
      }
    });

    void test('what it prints is logs, with stream and order, and never a message', async () => {
      const running = step(code.print)(null);
      const logs: LogEntry[] = [];
      for await (const entry of running.logs) logs.push(entry);
      const { message, result } = await running;
      assert.equal(message, '', 'its stdin is empty');
      const of = (stream: string): string[] => logs.filter((entry) => entry.stream === stream).map(({ text }) => text);
      const printed = logs.filter(({ text }) => ['one', 'two', 'three'].includes(text));
      assert.deepEqual(
        printed.map(({ stream, text }) => `${stream} ${text}`),
        ['stdout one', 'stderr two', 'stdout three'],
      );
      assert.deepEqual(of('stdout').sort(), ['child', 'four', 'one', 'raw out', 'three']);
      assert.deepEqual(of('stderr').sort(), ['raw err', 'two']);
      assert.match(String(result.stdout), /one\n[^]*three\n/);
      assert.match(String(result.stderr), /two\n/);
    });

    void test('sends messages on the way, as many as it likes, and waits for who reads them', async () => {
      const running = step(code.progress)({ n: 3 });
      const seen: unknown[] = [];
      for await (const message of running.messages) seen.push(message);
      assert.deepEqual(
        seen,
        [0, 1, 2].map((at) => asPlain({ at })),
      );
      assert.deepEqual((await running).message, asPlain({ done: true }));

      const many = step(code.progress)({ n: 20_000 });
      let count = 0;
      for await (const message of many.messages) {
        if (count === 0) await setTimeout(50); // by then it could have sent all of them
        assert.equal((message as { at: number }).at, count++);
      }
      assert.equal(count, 20_000);

      const given = step(code.send)(null);
      const some: unknown[] = [];
      for await (const message of given.messages) some.push(message);
      assert.deepEqual(some, ['first', ['second']]);
      assert.equal((await given).message, 0);
    });

    void test('is not held back by messages that nobody reads, or nobody reads any more', async () => {
      const { message } = await step(code.progress)({ n: 20_000 });
      assert.deepEqual(message, asPlain({ done: true }));
      const running = step(code.progress)({ n: 20_000 });
      for await (const message of running.messages) {
        assert.ok(message);
        break;
      }
      assert.deepEqual((await running).message, asPlain({ done: true }));
    });

    void test('takes parameters one after another while it runs', async () => {
      const answered: number[] = [];
      async function* values(): AsyncGenerator<{ value: number }> {
        for (let value = 1; value <= 100; value++) {
          while (answered.length < value - 1) await setTimeout(1); // each only after the answer to the last
          yield { value };
        }
      }
      const running = step(code.total)(values());
      for await (const total of running.messages) answered.push(total as number);
      assert.equal((await running).message, 5050);
      assert.deepEqual(answered.slice(0, 3), [1, 3, 6]);
    });

    void test('may print a million lines', { timeout: 120_000 }, async () => {
      const options = { maxMessages: 0, collect: '64MiB', limits: { wallTime: '100s' } } as const;
      const { message, result } = await step(code.lines, options)(1_000_100);
      assert.equal(message, 'done');
      assert.equal(String(result.stdout).split('\n').length, 1_000_101);
    });

    void test('takes large parameters in a time that grows as they do', async () => {
      const large = 'x'.repeat(48 * 2 ** 20);
      const options = { limits: { memory: '2GiB', wallTime: '8s' } } as const;
      const { message } = await step(code.length, options)(large);
      assert.equal(message, large.length);
    });

    void test('that reads no further ends its source of parameters, which may be waiting or break', async () => {
      const emitter = new EventEmitter();
      const waiting = step(code.first)(on(emitter, 'value') as AsyncIterable<PlainParams>);
      setImmediate(() => emitter.emit('value', 1));
      assert.deepEqual((await waiting).message, [1]);
      await setTimeout(20);
      assert.equal(emitter.listenerCount('value'), 0);
      const broken = {
        [Symbol.asyncIterator]: () => ({
          next: () => setTimeout(1, { done: false, value: 1 }),
          return: () => {
            throw new Error('at its end');
          },
        }),
      };
      assert.deepEqual((await step(code.first)(broken)).message, 1);
    });

    void test('ends with its source of parameters', async () => {
      async function* broken(): AsyncGenerator<{ value: number }> {
        await setTimeout(1);
        throw new Error('the source failed');
      }
      await assert.rejects(async () => step(code.total)(broken()), {
        name: 'SandboxError',
        code: 'ERR_INPUT',
        message: /the source failed/,
      });
    });

    void test('is aborted, killed, and ended at its deadline, which is its result', async () => {
      const controller = new AbortController();
      const aborted = refused(step(code.sleep).try(null, { signal: controller.signal }));
      controller.abort();
      assert.equal((await aborted).result.cause, 'aborted');
      const running = step(code.sleep)(null);
      running.kill();
      assert.equal((await running.result).cause, 'killed');
      const late = await refused(step(code.sleep).try(null, { limits: { wallTime: 300 } }));
      assert.equal(late.result.cause, 'wallTimeout');
      const before = await refused(step(code.echo).try(null, { signal: AbortSignal.abort() }));
      assert.deepEqual([before.result.cause, before.result.status], ['aborted', -9]);
    });

    void test('can be killed while its tables are being written, and each request counts', async () => {
      const begin = (): ReturnType<Plain> => step(code.sleep)(null, { tables: { large: new Uint8Array(2 ** 20) } });
      const running = begin();
      running.kill();
      running.kill('SIGCONT');
      assert.equal((await running.result).cause, 'killed');
      const wrong = begin();
      assert.throws(
        () => {
          wrong.kill('SIGNONE' as NodeJS.Signals);
        },
        { code: 'ERR_INVALID_OPTION' },
      );
      wrong.kill();
      assert.equal((await wrong.result).cause, 'killed');
    });

    void test('that exits by itself has a status, and no result', async () => {
      const { result } = await refused(step(code.exit).try(3));
      assert.deepEqual([result.cause, result.status], ['exit', 3]);
      const silent = await refused(step(code.exit).try(0));
      assert.deepEqual([silent.result.cause, silent.result.status], ['invalidOutput', 0]);
      assert.match(silent.result.detail, /ended without a result/);
    });

    void test('cannot send a message that is too long, and is told so', async () => {
      const { failure } = await refused(step(code.large).try(300_000));
      assert.match(
        failure?.message ?? '',
        /a message of 3000\d\d bytes is longer than the 262144 that maxMessageBytes allows/,
      );
      const { message } = await step(code.large, { maxMessageBytes: '1MiB' })(300_000);
      assert.equal((message as string).length, 300_000);
    });

    void test('finds a function in a module, a file or an object', async (context) => {
      const [extension, source] = runtime === 'python' ? ['py', code.echo] : ['cjs', code.echo];
      const directory = temporaryDirectory(context, { [`steps_of.${extension}`]: source });
      const filesystem = { readOnly: [directory] };
      const module = runtime === 'python' ? 'steps_of' : './steps_of.cjs';
      const by = { zygote, function: 'run', filesystem, cwd: directory };
      assert.equal((await defineStep({ ...by, module })(1)).message, 1);
      assert.equal((await defineStep({ ...by, file: `${directory}/steps_of.${extension}` })(2)).message, 2);
      assert.equal((await step(code.nested, { function: 'Space.run' })(null)).message, 'nested');
      const { failure } = await refused(defineStep({ ...by, module, function: 'missing' }).try(null));
      assert.match(`${failure?.type}: ${failure?.message}`, /missing/);
    });

    void test('may print and work on after its result', async () => {
      const { message, result } = await step(code.afterwards)(null);
      assert.equal(message, 1);
      assert.match(String(result.stdout), /thread\nexit\n/);
    });

    void test('may print after its result by streams that it has kept, and can send no message then', async () => {
      const { message, result } = await step(code.kept)(null);
      assert.equal(message, 1);
      assert.match(String(result.stdout), /^kept\nthe step has ended/);
      assert.match(String(result.stderr), /kept\n$/);
    });

    void test('has the options of its definition, and those of the call instead', async () => {
      const defined = step(code.environment, { env: { COLOUR: 'green' }, cwd: '/tmp' });
      assert.deepEqual((await defined(null)).message, ['green', '/tmp']);
      assert.deepEqual((await defined(null, { env: { COLOUR: 'red' } })).message, ['red', '/tmp']);
    });

    void test('refuses parameters and options that cannot be', () => {
      const invalid = (what: () => unknown, message: RegExp): void => {
        assert.throws(
          what,
          (error) =>
            error instanceof SandboxError && error.code === 'ERR_INVALID_OPTION' && message.test(error.message),
        );
      };
      invalid(() => step(code.echo)({ at: new Date() } as never), /params\.at/);
      invalid(() => step(code.echo)(null, { timeout: 1 } as never), /'timeout'/);
      invalid(() => step(code.echo)(null, { stdin: 'pipe' } as never), /'stdin'/);
      invalid(() => step(code.echo, { module: 'both' }), /exactly one of/);
      invalid(() => defineStep({ zygote: {} as Zygote, code: '', function: 'run' }), /zygote/);
      invalid(() => step(code.echo, { maxMessageBytes: '65MiB' }), /maxMessageBytes/);
    });
  });
}

void test('a call that cannot start is told where it is awaited, also when its result was taken before', async () => {
  const zygote = await createZygote({ runtime: 'python' });
  await zygote.destroy();
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const running = defineStep({ zygote, code: LANGUAGES.python.echo, function: 'run' })(null);
    const { result } = running;
    await assert.rejects(async () => running, { code: 'ERR_ZYGOTE_CLOSED' });
    await setTimeout(5);
    await assert.rejects(result, { code: 'ERR_ZYGOTE_CLOSED' });
  } finally {
    process.off('unhandledRejection', note);
  }
  assert.deepEqual(unhandled, []);
});

void test('a function of Node may throw what is no native error, and return an array with holes', async (context) => {
  const zygote = await createZygote({ runtime: 'node' });
  context.after(() => zygote.destroy());
  const step = (code: string): Plain => defineStep({ zygote, code, function: 'run' });
  const thrown = async (code: string): Promise<unknown> => ((await step(code).try(null)) as StepRefusal).failure?.type;
  assert.equal(await thrown('exports.run = () => AbortSignal.abort().throwIfAborted();'), 'AbortError');
  assert.equal(await thrown('exports.run = () => { throw null; };'), 'object');
  const proxy = 'exports.run = () => { throw new Proxy({}, { getPrototypeOf() { throw 1; } }); };';
  assert.equal(await thrown(proxy), 'object');
  assert.deepEqual((await step('exports.run = () => [, 1];')(null)).message, [null, 1]);
});

void test('a function of Python gets what it asks for, however it is made', async (context) => {
  const zygote = await createZygote({ runtime: 'python' });
  context.after(() => zygote.destroy());
  const decorated =
    'import functools\ndef decorate(f):\n  @functools.wraps(f)\n  def inner(*a, **k): return f(*a, **k)\n  return inner\n@decorate\n';
  const calls: readonly (readonly [code: string, expected: unknown])[] = [
    ['def run(params, tables, step): return [params, len(tables), step is not None]', ['given', 0, true]],
    ['def run(step, params): return [params, step is not None]', ['given', true]],
    ['def run(): return "nothing"', 'nothing'],
    [`${decorated}def run(params, tables): return [params, len(tables)]`, ['given', 0]],
    [`${decorated}def run(): return "nothing"`, 'nothing'],
    ['def run(*all): return all', ['given']],
    ['def run(params, *, step, other=1): return [params, step is not None]', ['given', true]],
    ['def run(*, params, tables): return [params, len(tables)]', ['given', 0]],
    ['class Add:\n  def __call__(self, params, tables): return [params, len(tables)]\nrun = Add()', ['given', 0]],
    ['import functools\ndef f(x, params, tables): return [x, params]\nrun = functools.partial(f, 1)', [1, 'given']],
    ['run = str', 'given'],
  ];
  for (const [code, expected] of calls) {
    assert.deepEqual((await defineStep({ zygote, code, function: 'run' })('given')).message, expected, code);
  }
});

/** As results come: without a prototype. */
function asPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asPlain);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([key, item]) => [key, asPlain(item)] as const);
  return Object.assign(Object.create(null) as object, Object.fromEntries(members));
}
