// Steps that are processes of their own, started ahead of their job: for interpreters that cannot be forked.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { closeSpawner, createZygote, type SandboxOptions, type Zygote, type ZygoteOptions } from 'spawn-sandbox';
import { descendantsOf, spawnersOf } from '../helpers/marked-processes.js';
import { isRoot } from '../helpers/privileges.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { warmPython } from '../helpers/warm.js';

function booted(context: TestContext, options: Partial<ZygoteOptions> = {}): Promise<Zygote> {
  return warmPython(context, { mode: 'parked', ...options });
}

async function said(zygote: Zygote, code: string, options?: SandboxOptions): Promise<string> {
  const result = await zygote.spawn({ code }, options);
  assert.ok(result.ok, `${result.detail}\n${String(result.stderr)}`);
  return String(result.stdout).trim();
}

/** Processes that have started for steps of this app, as seen from the host. */
function waiting(): readonly number[] {
  return spawnersOf(process.pid)
    .flatMap((spawner) => descendantsOf(spawner))
    .map(({ pid }) => pid)
    .filter((pid) => commandLine(pid).includes('/.zygote/zygote.py'));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

void suite('steps that are processes of their own', () => {
  void test('wait, as many as were asked for, and are gone when destroy() resolves', async (context) => {
    const zygote = await booted(context, { parked: 3 });
    assert.equal(zygote.mode, 'parked');
    await until('three wait', () => waiting().length === 3);
    assert.equal(await said(zygote, 'print(1)'), '1');
    await until('there are three again', () => waiting().length === 3);
    await zygote.destroy();
    assert.deepEqual(waiting(), []);
    await assert.rejects(zygote.spawn({ code: '' }).result, { code: 'ERR_ZYGOTE_CLOSED' });
  });

  void test('have what was preloaded, also under options of their own', async (context) => {
    const zygote = await booted(context, {
      preload: ['decimal'],
      preloadCode: 'import builtins; builtins.LEFT = 1',
      env: { COLOUR: 'red' },
    });
    const code = 'import os, sys; print("decimal" in sys.modules, LEFT, os.environ["COLOUR"], os.environ.get("SHAPE"))';
    assert.equal(await said(zygote, code), 'True 1 red None');
    const env = { COLOUR: 'blue', SHAPE: 'round' };
    assert.equal(await said(zygote, code, { env, limits: { scratch: '1MiB' } }), 'True 1 blue round');
  });

  void test('share no address layout, as those of a fork do', async (context) => {
    const where = 'print(next(line for line in open("/proc/self/maps") if "[heap]" in line).split("-")[0])';
    const layouts = async (zygote: Zygote) =>
      new Set(await Promise.all(Array.from({ length: 4 }, () => said(zygote, where)))).size;
    assert.equal(await layouts(await booted(context)), 4);
    assert.equal(await layouts(await warmPython(context, { mode: 'fork' })), 1, 'the control');
  });

  void test('have the threads that a preload has started', async (context) => {
    const zygote = await booted(context, {
      preloadCode: `
import queue, threading
asked, answered = queue.Queue(), queue.Queue()
def serve():
  while True: answered.put(asked.get() * 2)
threading.Thread(target=serve, daemon=True).start()`,
    });
    const code = 'from __preload__ import asked, answered\nasked.put(21)\nprint(answered.get(timeout=5))';
    assert.equal(await said(zygote, code), '42');
  });

  void test(
    'are not charged for what they did before their job',
    { skip: !isRoot && 'needs a cgroup' },
    async (context) => {
      const preloadCode = 'import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass';
      const zygote = await booted(context, { preloadCode, parked: 1 });
      await until('one waits that has done its work', () => waiting().some((pid) => cpuTicks(pid) >= 50));
      await until('and does nothing more', () => waiting().some((pid) => isAsleep(pid) && cpuTicks(pid) >= 50));
      const own = await zygote.spawn({ code: 'import time; print(time.process_time() > 0.5)' });
      assert.equal(own.stdout, 'True\n', 'the control');
      const { userCpuMs = NaN, systemCpuMs = NaN } = own.usage;
      assert.ok(userCpuMs + systemCpuMs < 250, `${userCpuMs} + ${systemCpuMs} ms`);
    },
  );

  void test('have the whole of their processor time', async (context) => {
    const preloadCode = 'import time\nend = time.process_time() + 2.2\nwhile time.process_time() < end: pass';
    const limits = { cpuTime: '1s' } as const;
    const zygote = await booted(context, { preloadCode, limits });
    await until('one waits that has done its work', () =>
      waiting().some((pid) => cpuTicks(pid) >= 220 && isAsleep(pid)),
    );
    const code = 'import time; print(time.process_time() > 2)';
    assert.equal(await said(zygote, code), 'True');
    await until('another waits', () => waiting().some((pid) => cpuTicks(pid) >= 220 && isAsleep(pid)));
    const endless = await zygote.spawn({ code: 'while True: pass' });
    assert.equal(endless.cause, 'cpuTimeout', 'the control');
  });

  void test('say nothing that a preload has said', async (context) => {
    const preloadCode = 'import ctypes\nctypes.CDLL(None).puts(b"by C"); print("by Python")';
    for (const zygote of [await booted(context, { preloadCode }), await warmPython(context, { preloadCode })]) {
      assert.equal(await said(zygote, 'print("own")'), 'own');
    }
  });

  void test('have the variables of their job, whatever a preload did with its own', async (context) => {
    const show =
      'import os, subprocess; print(sorted(os.environ), sorted(line.split("=")[0] for line in subprocess.run(["env"], capture_output=True, text=True).stdout.split()))';
    const expected =
      "['HOME', 'KEEP', 'LANG', 'LOGNAME', 'PATH', 'USER'] ['HOME', 'KEEP', 'LANG', 'LOGNAME', 'PATH', 'USER']";
    const env = { KEEP: '1' };
    for (const preloadCode of [
      'import ctypes; ctypes.CDLL(None).setenv(b"LEFT", b"1", 1)',
      'import ctypes; ctypes.CDLL(None).unsetenv(b"KEEP")',
      'import os; os.environ._data.pop(b"KEEP"); os.environ._data[b"GHOST"] = b"1"',
    ]) {
      for (const zygote of [
        await booted(context, { preloadCode, env }),
        await warmPython(context, { preloadCode, env }),
      ]) {
        assert.equal(await said(zygote, show), expected, preloadCode);
      }
    }
  });

  void test('whose process ends before it has the job say so', async (context) => {
    const marker = temporaryDirectory(context, { here: '' });
    const preloadCode = `import os\nif os.path.exists(${JSON.stringify(join(marker, 'here'))}): os._exit(7)`;
    const zygote = await booted(context, { preloadCode });
    assert.equal(await said(zygote, 'print("fine")'), 'fine', 'the control');
    const options = { filesystem: { readOnly: [marker] } };
    await assert.rejects(zygote.spawn({ code: '' }, options).result, {
      code: 'ERR_ZYGOTE',
      message: /ended before it had taken its job/,
    });
  });

  void test('have none of the sockets by which the job came', async (context) => {
    const code = 'import os; print(sorted(int(fd) for fd in os.listdir("/proc/self/fd")))';
    // 3 is that of the listing.
    assert.equal(await said(await booted(context), code), '[0, 1, 2, 3]');
  });

  void test('come again after closeSpawner()', async (context) => {
    const zygote = await booted(context, { parked: 1 });
    assert.equal(await said(zygote, 'print("once")'), 'once');
    await closeSpawner();
    assert.equal(await said(zygote, 'print("again")'), 'again');
  });

  void test('a preload that fails is an error of createZygote()', async () => {
    const options = { runtime: 'python', mode: 'parked', preload: ['no_such_module'] } as const;
    await assert.rejects(createZygote(options), { code: 'ERR_ZYGOTE', message: /No module named 'no_such_module'/ });
    assert.deepEqual(waiting(), []);
  });
});

/** Of the main thread: hundredths of a second, and whether it waits. */
function cpuTicks(pid: number): number {
  const fields = stat(pid);
  return Number(fields[11]) + Number(fields[12]);
}

function isAsleep(pid: number): boolean {
  return stat(pid)[0] === 'S';
}

function stat(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  } catch {
    return [];
  }
}
