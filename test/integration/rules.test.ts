// What holds for every step, whoever forked it: the same tests for a command and for a step of a zygote.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import {
  createZygote,
  LAYERS,
  type SandboxOptions,
  type Step,
  StepError,
  type Zygote,
  type ZygoteMode,
} from 'spawn-sandbox';
import { type Language, NODE, PYTHON } from '../helpers/languages.js';
import { isRoot } from '../helpers/privileges.js';

interface Runner {
  readonly name: string;
  readonly language: Language;
  begin(): Promise<void>;
  spawn(code: string, options?: SandboxOptions): Step;
  end(): Promise<void>;
}

function commands(language: Language): Runner {
  return {
    name: `a command, in ${language.name}`,
    language,
    begin: () => Promise.resolve(),
    spawn: (code, options) => language.command(code, options),
    end: () => Promise.resolve(),
  };
}

function warm(language: Language, parked: number, mode: ZygoteMode = 'fork'): Runner {
  let zygote: Zygote;
  return {
    name: `a ${parked > 0 ? 'parked ' : ''}step of a warm ${language.name}, by ${mode}`,
    language,
    begin: async () => {
      zygote = await createZygote({ runtime: language.name, mode, parked });
    },
    spawn: (code, options) => zygote.spawn({ code }, options),
    end: () => zygote.destroy(),
  };
}

const RUNNERS = [PYTHON, NODE].flatMap((language) => [
  commands(language),
  warm(language, 0),
  warm(language, 2),
  warm(language, 1, 'parked'),
]);

for (const runner of RUNNERS) {
  const { language } = runner;
  /** For what can be said in Python only. */
  const inPython = language === PYTHON ? test : () => Promise.resolve();
  void suite(`the rules for ${runner.name}`, () => {
    before(() => runner.begin());
    after(() => runner.end());
    const spawn = (code: string, options?: SandboxOptions) => runner.spawn(code, options);

    void test('the exit status is told', async () => {
      const { ok, status, exitCode, signal, cause, scope } = await spawn(language.exit(3));
      assert.deepEqual([ok, status, exitCode, signal, cause, scope], [false, 3, 3, null, 'exit', 'step']);
    });

    void test('a signal of its own is told', async () => {
      const { status, signal, cause } = await spawn(language.signal(11));
      assert.deepEqual([status, signal, cause], [-11, 'SIGSEGV', 'signal']);
    });

    void test('memory ends it, also when only a grandchild takes too much', async () => {
      const hog = language.hog(400);
      for (const code of [hog, language.inChild(hog)]) {
        const result = await spawn(code, { limits: { memory: '96MiB' } });
        assert.deepEqual([result.cause, result.status, result.scope], ['oom', -9, 'step']);
        // On cgroup v1 the kernel ends one process, and its parent may have a moment until the spawner ends all.
        if (code === hog) assert.equal(result.stdout, '');
      }
    });

    void test('time ends it: by the clock, by the processor, by silence', async () => {
      const limits = {
        wallTime: { wallTime: '300ms' },
        cpuTime: { cpuTime: '300ms' },
        idleTime: { idleTime: '300ms' },
      };
      const codes = { wallTime: language.sleep, cpuTime: language.spin, idleTime: language.sleep };
      for (const kind of ['wallTime', 'cpuTime', 'idleTime'] as const) {
        const result = await spawn(codes[kind], { limits: limits[kind] });
        assert.deepEqual([result.cause, result.status], [kind.replace('Time', 'Timeout'), -9], kind);
      }
    });

    void inPython('processes are limited', async () => {
      const code = `
import os, time
made = 0
for i in range(40):
    try: pid = os.fork()
    except OSError: break
    if pid == 0: time.sleep(100); os._exit(0)
    made += 1
print(made)`;
      const result = await spawn(code, { limits: { processes: 10 } });
      assert.equal(result.stdout, '9\n');
      if (isRoot) assert.deepEqual(result.limitsHit, ['processes']);
    });

    void test('too much output ends it', async () => {
      const result = await spawn(language.write, { limits: { output: 50_000 } });
      assert.deepEqual([result.cause, result.status, result.stdout.length], ['outputLimit', -9, 50_000]);
    });

    void inPython('the descriptors, the file size and the scratch space are limited', async () => {
      const descriptors = 'import os\nn = 0\ntry:\n  while True: os.dup(0); n += 1\nexcept OSError: print(n)';
      const { stdout } = await spawn(descriptors, { limits: { openFiles: 64 } });
      assert.ok(Number(stdout) > 40 && Number(stdout) <= 61, String(stdout));
      const size =
        'import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\ntry: open("/tmp/x", "wb").write(b"x" * 3000000)\nexcept OSError as e: print(e.errno)';
      assert.equal((await spawn(size, { limits: { fileSize: '1MiB' } })).stdout, '27\n');
      const scratch = 'try: open("/tmp/x", "wb").write(b"x" * 3000000)\nexcept OSError as e: print(e.errno)';
      const full = await spawn(scratch, { limits: { scratch: '2MiB' } });
      assert.deepEqual([full.stdout, full.limitsHit], ['28\n', ['scratch']]);
    });

    void test('kill() ends it', async () => {
      const step = spawn(language.say('begun') + language.sleep);
      for await (const line of step) if (line === 'begun') break;
      step.kill();
      assert.deepEqual([(await step).cause, (await step).status], ['killed', -9]);
    });

    void test('a polite signal reaches it', async () => {
      const step = spawn(language.onTerm(5) + language.say('begun') + language.sleep);
      for await (const line of step) if (line === 'begun') break;
      step.kill('SIGTERM');
      assert.deepEqual([(await step).cause, (await step).status], ['killed', 5]);
    });

    void test('an abort ends it, before its start and after', async () => {
      assert.deepEqual((await spawn(language.say('never'), { signal: AbortSignal.abort() })).cause, 'aborted');
      const controller = new AbortController();
      const step = spawn(language.say('begun') + language.sleep, { signal: controller.signal });
      for await (const line of step) if (line === 'begun') break;
      controller.abort();
      assert.equal((await step).cause, 'aborted');
    });

    void test('streams: megabytes on both, text and bytes, input and lines', async () => {
      const result = await spawn(language.writeBoth(3_000_000));
      assert.deepEqual([result.stdout.length, result.stderr.length], [3_000_000, 3_000_000]);
      const bytes = await spawn(language.writeBytes(), { encoding: 'buffer' });
      assert.deepEqual([...(bytes.stdout as Uint8Array)], [...Array(256).keys()]);
      const echoed = await spawn(language.sumLines(), { input: ['1\n', '2\n', '39\n'] });
      assert.equal(echoed.stdout, '42\n', String(echoed.stderr));
      const lines: string[] = [];
      for await (const line of spawn(language.say('a') + language.say('b'))) lines.push(line);
      assert.deepEqual(lines, ['a', 'b']);
    });

    void test('a descendant that holds stdout open does not hold up the result', async () => {
      const result = await spawn(language.leaveChild);
      assert.deepEqual([result.cause, result.status, result.stdout], ['exit', 0, 'ended\n']);
      assert.match(result.detail, /left behind/);
    });

    void test('a forbidden call with verdict kill is told by the kernel', async () => {
      const syscalls = {
        extends: 'default',
        rules: [{ name: 'getpriority', verdict: 'kill', reason: 'a test' }],
      } as const;
      const result = await spawn(language.forbidden, { syscalls });
      assert.deepEqual([result.cause, result.status, result.stdout], ['seccomp', -9, '']);
      assert.match(result.detail, /getpriority/);
    });

    void test('there is no network', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as { port: number };
      const result = await spawn(language.connect(port));
      server.close();
      assert.equal(result.stdout, 'refused\n', String(result.stderr));
    });

    void inPython('there is nothing of the host', async () => {
      const code = 'import os\nprint(os.path.exists("/etc/shadow"), os.listdir("/srv"), os.listdir("/home"))';
      assert.equal((await spawn(code)).stdout, "False [] ['sandbox']\n");
    });

    void test('usage is told', async () => {
      const { usage } = await spawn(language.compute);
      assert.ok(usage.wallTimeMs > 10);
      assert.ok((usage.userCpuMs ?? 0) + (usage.systemCpuMs ?? 0) > 10);
      assert.ok((usage.peakMemoryBytes ?? 0) > 30 << 20);
    });

    void test('each layer is told, and none is missing', async () => {
      const { enforced } = await spawn('');
      assert.deepEqual(Object.keys(enforced).sort(), [...LAYERS].sort());
      for (const layer of LAYERS) assert.match(enforced[layer].state, /^(enforced|weaker)$/, layer);
    });

    void test('reject: true rejects', async () => {
      await assert.rejects(spawn(language.exit(1), { reject: true }).result, StepError);
    });

    void test('a work directory that is missing is an error', async () => {
      await assert.rejects(spawn('', { cwd: '/missing' }).result, { code: 'ERR_WORK_DIRECTORY' });
    });
  });
}
