import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { closeSpawner, createZygote, SandboxError, spawnSandbox, type Zygote } from 'spawn-sandbox';
import { descendantsOf, spawnersOf } from '../helpers/marked-processes.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { warmPython } from '../helpers/warm.js';
import { readProc, theZygote, warmProcesses, zygotes } from '../helpers/zygote-processes.js';

async function said(zygote: Zygote, code: string): Promise<string> {
  const result = await zygote.spawn({ code });
  assert.ok(result.ok, `${result.detail}\n${String(result.stderr)}`);
  return String(result.stdout).trim();
}

void suite('the life of a zygote', () => {
  void test('a preload that fails is an error, with the traceback of the runtime', async () => {
    await assert.rejects(
      createZygote({ runtime: 'python', preload: ['json', 'no_such_module'] }),
      (error) =>
        error instanceof SandboxError &&
        error.code === 'ERR_ZYGOTE' &&
        /ModuleNotFoundError: No module named 'no_such_module'/.test(error.message),
    );
    await assert.rejects(createZygote({ runtime: 'python', preloadCode: 'x = 1\n1 / 0' }), (error) =>
      /File "<preload>", line 2, in <module>[^]*ZeroDivisionError/.test((error as Error).message),
    );
    await assert.rejects(createZygote({ runtime: 'python', preloadCode: 'import sys; sys.exit(4)' }), (error) =>
      /Exited with status 4/.test((error as Error).message),
    );
    assert.deepEqual(zygotes(), []);
  });

  void test('a start that takes too long can be given up', async () => {
    const signal = AbortSignal.timeout(500);
    const options = { runtime: 'python', preloadCode: 'import time; time.sleep(1000)', signal } as const;
    await assert.rejects(createZygote(options), { name: 'TimeoutError' });
    assert.deepEqual(zygotes(), []);
    await assert.rejects(createZygote({ runtime: 'python', signal: AbortSignal.abort() }), { name: 'AbortError' });
  });

  void test('threads that a preload started are told of', async (context) => {
    const warning = new Promise<Error>((resolve) => process.once('warning', resolve));
    await warmPython(context, {
      preloadCode:
        'import threading, time\nthreading.Thread(target=time.sleep, args=[1000], name="clock", daemon=True).start()',
    });
    assert.match((await warning).message, /threads, which no step has: 'clock'/);
  });

  void test('close() waits for its steps, destroy() ends them', async () => {
    const closed = await createZygote({ runtime: 'python' });
    const slow = closed.spawn({ code: 'import time; time.sleep(0.3); print("done")' });
    await closed.close();
    assert.equal((await slow).stdout, 'done\n');
    const destroyed = await createZygote({ runtime: 'python' });
    const endless = destroyed.spawn({ code: 'print("begun", flush=True); import time; time.sleep(1000)' });
    for await (const line of endless) if (line === 'begun') break;
    await destroyed.destroy();
    const { cause, status } = await endless;
    assert.deepEqual([cause, status], ['destroyed', -9]);
    for (const zygote of [closed, destroyed]) {
      await assert.rejects(zygote.spawn({ code: '' }).result, { code: 'ERR_ZYGOTE_CLOSED' });
      await zygote.close();
    }
    assert.deepEqual(warmProcesses(), []);
  });

  void test('one that dies is replaced, and its steps finish', async (context) => {
    const zygote = await warmPython(context, { parked: 1 });
    assert.equal(await said(zygote, 'print(1)'), '1');
    const before = await theZygote();
    const running = zygote.spawn({
      code: 'print("begun", flush=True); import time; time.sleep(0.5); raise SystemExit(5)',
    });
    for await (const line of running) if (line === 'begun') break;
    process.kill(before, 'SIGKILL');
    assert.equal(await said(zygote, 'print(2)'), '2');
    const { cause, status } = await running;
    assert.deepEqual([cause, status], ['exit', 5]);
    assert.notEqual(await theZygote(), before);
  });

  void test('one that is stopped delays no kill and no deadline', async (context) => {
    const zygote = await warmPython(context);
    const code = 'print("begun", flush=True); import time; time.sleep(1000)';
    const killed = zygote.spawn({ code });
    const timed = zygote.spawn({ code }, { limits: { wallTime: '300ms' } });
    const exits = zygote.spawn({ code: 'print("begun", flush=True); import time; time.sleep(0.3)' });
    for (const step of [killed, timed, exits]) for await (const line of step) if (line === 'begun') break;
    const pid = await theZygote();
    process.kill(pid, 'SIGSTOP');
    const waiting = zygote.spawn({ code: 'print("at last")' });
    killed.kill();
    assert.equal((await killed).cause, 'killed');
    assert.equal((await timed).cause, 'wallTimeout');
    assert.deepEqual([(await exits).cause, (await exits).status], ['exit', 0]);
    process.kill(pid, 'SIGCONT');
    assert.equal((await waiting).stdout, 'at last\n');
  });

  void test('one that dies of its own preload again and again is given up', async (context) => {
    const directory = temporaryDirectory(context, { 'fragile.py': 'VALUE = 1' });
    const zygote = await warmPython(context, {
      preload: ['fragile'],
      env: { PYTHONPATH: directory },
      filesystem: { readOnly: [directory] },
    });
    assert.equal(await said(zygote, 'import fragile; print(fragile.VALUE)'), '1');
    writeFileSync(join(directory, 'fragile.py'), 'raise RuntimeError("broken since")');
    process.kill(await theZygote(), 'SIGKILL');
    await assert.rejects(zygote.spawn({ code: 'print(1)' }).result, { code: 'ERR_ZYGOTE' });
    await assert.rejects(zygote.spawn({ code: 'print(1)' }).result, /broken since/);
  });

  void test('it is replaced after a number of steps, without a pause', async (context) => {
    const zygote = await warmPython(context, { recycle: { steps: 5 } });
    const first = await theZygote();
    for (let i = 0; i < 12; i++) assert.equal(await said(zygote, `print(${i})`), String(i));
    await until('another serves', () => !zygotes().includes(first) && zygotes().length === 1);
    assert.equal(await said(zygote, 'print("fresh")'), 'fresh');
  });

  void test('it is replaced when it has grown', async (context) => {
    const zygote = await warmPython(context, { recycle: { rss: '1MiB' } });
    const first = await theZygote();
    assert.equal(await said(zygote, 'print("too large from the beginning")'), 'too large from the beginning');
    await until('another serves', () => !zygotes().includes(first) && zygotes().length === 1);
  });

  void test('parked steps wait, confined, in little memory', async (context) => {
    const zygote = await warmPython(context, { parked: 3 });
    const waiting = () => warmProcesses().filter((one) => !one.zygote);
    await until('three wait', () => waiting().length === 3);
    for (const { pid } of waiting()) {
      const status = readProc(pid, 'status');
      assert.match(status, /^CapEff:\t0000000000000000$/m);
      assert.match(status, /^Seccomp:\t2$/m);
      const own = [...readProc(pid, 'smaps_rollup').matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)];
      const kibibytes = own.reduce((sum, [, number]) => sum + Number(number), 0);
      assert.ok(kibibytes > 0 && kibibytes < 4096, `${kibibytes} KiB`);
    }
    assert.equal(await said(zygote, 'print("parked")'), 'parked');
    await until('there are three again', () => waiting().length === 3);
  });

  void test('several at once do not disturb each other', async (context) => {
    const [one, other] = await Promise.all([
      warmPython(context, { preloadCode: 'import builtins; builtins.WHO = "one"' }),
      warmPython(context, { preloadCode: 'import builtins; builtins.WHO = "other"' }),
    ]);
    const both = [one, other].flatMap((zygote) => [said(zygote, 'print(WHO)'), said(zygote, 'print(WHO)')]);
    assert.deepEqual(await Promise.all(both), ['one', 'one', 'other', 'other']);
    await one.destroy();
    assert.equal(await said(other, 'print(WHO)'), 'other');
  });

  void test('it comes again after closeSpawner()', async (context) => {
    const zygote = await warmPython(context);
    const running = zygote.spawn({ code: 'print("begun", flush=True); import time; time.sleep(1000)' });
    for await (const line of running) if (line === 'begun') break;
    await closeSpawner();
    assert.equal((await running).cause, 'destroyed');
    assert.equal(await said(zygote, 'print("again")'), 'again');
  });

  for (const [what, ...args] of [['is gone'], ['is gone while its spawner waits for descriptors', 'crowd']] as const) {
    void test(`nothing of it is left when the app ${what}`, async (context) => {
      const app = startApp(context, ...args);
      await until('it says that it is ready', () => app.output().includes('ready'), { within: 60_000 });
      const left = descendantsOf(app.pid);
      assert.ok(left.length > 3, 'the control: there was something');
      process.kill(app.pid, 'SIGKILL');
      await until('nothing is left', () => left.every(({ pid, startTime }) => startTimeOf(pid) !== startTime), {
        within: 3000,
      });
    });
  }

  void test('an app that has nothing else to do may end while it has one', async (context) => {
    const app = startApp(context, 'leave');
    assert.equal(await app.ended, 0);
  });

  void test('neither a step nor the zygote can overwrite the interpreter', async (context) => {
    const zygote = await warmPython(context, {
      preloadCode: `
import builtins, sys
def attempt(path):
    try: open(path, "r+b"); return "written"
    except OSError as error: return type(error).__name__
builtins.attempt = attempt
builtins.BEFORE = [attempt(p) for p in (sys.executable, "/proc/self/exe", "/.zygote/zygote.py", "/.zygote/zygote-python.so")]`,
    });
    const code = 'import sys; print(*BEFORE, *[attempt(p) for p in (sys.executable, "/proc/self/exe", "/proc/1/exe")])';
    for (const word of (await said(zygote, code)).split(' ')) assert.match(word, /^(OSError|PermissionError)$/);
    assert.equal(await said(zygote, 'open("/tmp/x", "w"); print(attempt("/tmp/x"))'), 'written', 'the control');
  });

  void test('steps whose options differ all the time leave no more behind than a few', async (context) => {
    const zygote = await warmPython(context);
    const makers = () => {
      const spawners = spawnersOf(process.pid);
      return spawners.flatMap((pid) => descendantsOf(pid).filter(({ parent }) => parent === pid)).length;
    };
    for (let i = 0; i < 40; i++) {
      const { stdout } = await zygote.spawn({ code: `print(${i})` }, { limits: { scratch: 2 ** 20 + i * 4096 } });
      assert.equal(stdout, `${i}\n`);
    }
    await until('most of their makers have gone', () => makers() < 25);
    assert.ok(makers() > 10, 'the control: there was one for each');
  });

  void test('commands go on beside it', async (context) => {
    const zygote = await warmPython(context);
    const results = await Promise.all([
      said(zygote, 'print(1)'),
      spawnSandbox('echo', ['2']),
      said(zygote, 'print(3)'),
    ]);
    assert.deepEqual(
      results.map((one) => (typeof one === 'string' ? one : String(one.stdout).trim())),
      ['1', '2', '3'],
    );
  });
});

/** Of a process that runs. Zombies do not: who has to reap an orphan is the machine's own init. */
function startTimeOf(pid: number): string | undefined {
  const fields = readProc(pid, 'stat').split(') ')[1]?.split(' ');
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}

interface App {
  readonly pid: number;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

/** An app of its own that has a zygote and a step that runs. */
function startApp(context: TestContext, ...args: readonly string[]): App {
  const command = [process.execPath, join(import.meta.dirname, '../helpers/app-with-zygote.js'), ...args];
  const limited = args[0] === 'crowd' ? ['prlimit', '--nofile=128:128', ...command] : command;
  const child = spawn(limited[0] ?? '', limited.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk);
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  context.after(() => child.kill('SIGKILL'));
  return { pid: child.pid ?? 0, output: () => output, ended };
}

void test('no descriptor of this process was left by all that', () => {
  const descriptors = readdirSync('/proc/self/fd').length;
  assert.ok(descriptors < 60, `${descriptors} descriptors`);
});
