// What holds for every step, whoever forked it: the same tests for a command and for a step of a zygote.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import {
  createZygote,
  LAYERS,
  type SandboxOptions,
  spawnSandbox,
  type Step,
  StepError,
  type Zygote,
} from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';

interface Runner {
  readonly name: string;
  begin(): Promise<void>;
  /** Runs Python code. */
  spawn(code: string, options?: SandboxOptions): Step;
  end(): Promise<void>;
}

function commands(): Runner {
  return {
    name: 'a command',
    begin: () => Promise.resolve(),
    spawn: (code, options) => spawnSandbox('python3', ['-c', code], options),
    end: () => Promise.resolve(),
  };
}

function warm(name: string, parked: number): Runner {
  let zygote: Zygote;
  return {
    name,
    begin: async () => {
      zygote = await createZygote({ runtime: 'python', parked });
    },
    spawn: (code, options) => zygote.spawn({ code }, options),
    end: () => zygote.destroy(),
  };
}

for (const runner of [commands(), warm('a step of a zygote', 0), warm('a parked step of a zygote', 2)]) {
  void suite(`the rules for ${runner.name}`, () => {
    before(() => runner.begin());
    after(() => runner.end());
    const spawn = (code: string, options?: SandboxOptions) => runner.spawn(code, options);

    void test('the exit status is told', async () => {
      const { ok, status, exitCode, signal, cause, scope } = await spawn('raise SystemExit(3)');
      assert.deepEqual([ok, status, exitCode, signal, cause, scope], [false, 3, 3, null, 'exit', 'step']);
    });

    void test('a signal of its own is told', async () => {
      const { status, signal, cause } = await spawn('import os; os.kill(os.getpid(), 11)');
      assert.deepEqual([status, signal, cause], [-11, 'SIGSEGV', 'signal']);
    });

    void test('memory ends it, also when only a grandchild takes too much', async () => {
      const hog = 'x = bytearray(400 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint("survived")';
      for (const code of [
        hog,
        `import os\nif os.fork() == 0:\n  exec(${JSON.stringify(hog)})\nos.wait()\nprint("went on")`,
      ]) {
        const result = await spawn(code, { limits: { memory: '96MiB' } });
        assert.deepEqual([result.cause, result.status, result.scope, result.stdout], ['oom', -9, 'step', '']);
      }
    });

    void test('time ends it: by the clock, by the processor, by silence', async () => {
      const limits = {
        wallTime: { wallTime: '200ms' },
        cpuTime: { cpuTime: '200ms' },
        idleTime: { idleTime: '200ms' },
      };
      const codes = {
        wallTime: 'import time; time.sleep(100)',
        cpuTime: 'while True: pass',
        idleTime: 'import time; time.sleep(100)',
      };
      for (const kind of ['wallTime', 'cpuTime', 'idleTime'] as const) {
        const result = await spawn(codes[kind], { limits: limits[kind] });
        assert.deepEqual([result.cause, result.status], [kind.replace('Time', 'Timeout'), -9], kind);
      }
    });

    void test('processes are limited', async () => {
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
      const result = await spawn('while True: print("x" * 1000)', { limits: { output: 50_000 } });
      assert.deepEqual([result.cause, result.status, result.stdout.length], ['outputLimit', -9, 50_000]);
    });

    void test('the descriptors, the file size and the scratch space are limited', async () => {
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

    void test('kill() ends all of it', async () => {
      const step = spawn(
        'import os\nif os.fork() == 0: os.setsid()\nimport time\nprint("begun", flush=True)\ntime.sleep(100)',
      );
      for await (const line of step) if (line === 'begun') break;
      step.kill();
      assert.deepEqual([(await step).cause, (await step).status], ['killed', -9]);
    });

    void test('a polite signal reaches it', async () => {
      const code =
        'import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(5))\nprint("begun", flush=True)\ntime.sleep(100)';
      const step = spawn(code);
      for await (const line of step) if (line === 'begun') break;
      step.kill('SIGTERM');
      assert.deepEqual([(await step).cause, (await step).status], ['killed', 5]);
    });

    void test('an abort ends it, before its start and after', async () => {
      assert.deepEqual((await spawn('print(1)', { signal: AbortSignal.abort() })).cause, 'aborted');
      const controller = new AbortController();
      const step = spawn('print("begun", flush=True); import time; time.sleep(100)', { signal: controller.signal });
      for await (const line of step) if (line === 'begun') break;
      controller.abort();
      assert.equal((await step).cause, 'aborted');
    });

    void test('streams: megabytes on both, text and bytes, input and lines', async () => {
      const both = 'import sys\nfor i in range(300):\n  sys.stdout.write("o" * 10000); sys.stderr.write("e" * 10000)';
      const result = await spawn(both);
      assert.deepEqual([result.stdout.length, result.stderr.length], [3_000_000, 3_000_000]);
      const bytes = await spawn('import sys; sys.stdout.buffer.write(bytes(range(256)))', { encoding: 'buffer' });
      assert.deepEqual([...(bytes.stdout as Uint8Array)], [...Array(256).keys()]);
      const echoed = await spawn('import sys; print(sum(map(int, sys.stdin)))', { input: ['1\n', '2\n', '39\n'] });
      assert.equal(echoed.stdout, '42\n');
      const lines: string[] = [];
      for await (const line of spawn('print("a"); print("b")')) lines.push(line);
      assert.deepEqual(lines, ['a', 'b']);
    });

    void test('a descendant that holds stdout open does not hold up the result', async () => {
      const code = 'import os, time\nif os.fork() == 0: time.sleep(100)\nprint("ended", flush=True)\nos._exit(0)';
      const result = await spawn(code);
      assert.deepEqual([result.cause, result.status, result.stdout], ['exit', 0, 'ended\n']);
      assert.match(result.detail, /left behind/);
    });

    void test('a forbidden call with verdict kill is told by the kernel', async () => {
      const syscalls = {
        extends: 'default',
        rules: [{ name: 'getpriority', verdict: 'kill', reason: 'a test' }],
      } as const;
      const result = await spawn('import os; os.getpriority(os.PRIO_PROCESS, 0); print("allowed")', { syscalls });
      assert.deepEqual([result.cause, result.status, result.stdout], ['seccomp', -9, '']);
      assert.match(result.detail, /getpriority/);
    });

    void test('there is no network, and nothing of the host', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as { port: number };
      const code = `import os, socket
try: socket.create_connection(("127.0.0.1", ${port}), 1); print("connected")
except OSError: print("refused")
print(os.path.exists("/etc/shadow"), os.listdir("/srv"), os.listdir("/home"))`;
      const result = await spawn(code);
      server.close();
      assert.equal(result.stdout, "refused\nFalse [] ['sandbox']\n", String(result.stderr));
    });

    void test('usage is told', async () => {
      const { usage } = await spawn(
        'x = bytearray(30 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nsum(range(2000000))',
      );
      assert.ok(usage.wallTimeMs > 10);
      assert.ok((usage.userCpuMs ?? 0) + (usage.systemCpuMs ?? 0) > 10);
      assert.ok((usage.peakMemoryBytes ?? 0) > 30 << 20);
    });

    void test('each layer is told, and none is missing', async () => {
      const { enforced } = await spawn('pass');
      assert.deepEqual(Object.keys(enforced).sort(), [...LAYERS].sort());
      for (const layer of LAYERS) assert.match(enforced[layer].state, /^(enforced|weaker)$/, layer);
    });

    void test('reject: true rejects', async () => {
      await assert.rejects(spawn('raise SystemExit(1)', { reject: true }).result, StepError);
    });

    void test('a work directory that is missing is an error', async () => {
      await assert.rejects(spawn('pass', { cwd: '/missing' }).result, { code: 'ERR_WORK_DIRECTORY' });
    });
  });
}
