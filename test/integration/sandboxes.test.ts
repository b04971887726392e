import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  createSandbox,
  type Sandbox,
  type SandboxError,
  type SandboxOptions,
  spawnSandbox,
  type StepResult,
} from 'spawn-sandbox';
import { spawnersOf } from '../helpers/marked-processes.js';

async function withSandbox(options: SandboxOptions, use: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  const sandbox = await createSandbox(options);
  try {
    await use(sandbox);
  } finally {
    await sandbox.destroy();
  }
}

const sh = (sandbox: Sandbox, script: string, options: SandboxOptions = {}) =>
  sandbox.spawn('sh', ['-c', script], options);

/** Each process with its arguments, a line each. */
const LIST = 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline 2>/dev/null && echo; done';

async function stdout(step: PromiseLike<StepResult>): Promise<string> {
  const { ok, stdout, detail, stderr } = await step;
  assert.ok(ok, `${detail} ${String(stderr)}`);
  return String(stdout);
}

void suite('a sandbox that lives', () => {
  void test('runs commands one after another, and each finds what the others have left', async () => {
    await withSandbox({}, async (sandbox) => {
      assert.equal(await stdout(sh(sandbox, 'echo left > /tmp/file; mkdir -p ~/kept; echo also > ~/kept/file')), '');
      assert.equal(await stdout(sh(sandbox, 'cat /tmp/file ~/kept/file')), 'left\nalso\n');
      assert.equal(await stdout(sandbox.spawn('cat', ['kept/file'])), 'also\n');
    });
  });

  void test('runs commands at once, in the same namespaces', async () => {
    await withSandbox({}, async (sandbox) => {
      const names = 'for n in pid mnt net ipc uts user cgroup; do readlink /proc/self/ns/$n; done; sleep 0.2';
      const all = await Promise.all(Array.from({ length: 4 }, () => stdout(sh(sandbox, names))));
      assert.equal(new Set(all).size, 1);
      const begun = performance.now();
      await Promise.all(Array.from({ length: 4 }, () => stdout(sh(sandbox, 'sleep 0.5'))));
      assert.ok(performance.now() - begun < 1500, 'not one after another');
      const alone = await stdout(sh(sandbox, 'readlink /proc/self/ns/pid'));
      assert.notEqual(alone, await stdout(spawnSandbox('readlink', ['/proc/self/ns/pid'])), 'control');
    });
  });

  void test('its deadline is that of commands that wait, too, and the detail says whose it was', async () => {
    await withSandbox({ limits: { wallTime: '800ms' } }, async (sandbox) => {
      const running = sh(sandbox, 'echo runs; sleep 100');
      for await (const line of running) if (line === 'runs') break;
      await sandbox.pause();
      const waiting = sh(sandbox, 'echo never');
      for (const [step, detail] of [
        [running, 'Its sandbox lived for longer than its limits.wallTime (800 ms).'],
        [waiting, 'The deadline of its sandbox passed before it was started.'],
      ] as const) {
        const result = await step;
        assert.deepEqual(
          [result.cause, result.scope, result.status, result.detail],
          ['wallTimeout', 'sandbox', -9, detail],
        );
      }
    });
  });

  void test('a command is ended with all that it has started, and nothing else is', async () => {
    await withSandbox({}, async (sandbox) => {
      const other = sh(sandbox, 'echo there; sleep 1000');
      for await (const line of other) {
        assert.equal(line, 'there');
        break;
      }
      const result = await sh(
        sandbox,
        `(setsid sh -c "sleep 1001 & sleep 1002" &); sleep 0.2; ${LIST} | grep -c "^sleep 100"`,
      );
      assert.deepEqual([result.ok, result.stdout], [true, '3\n'], 'they were there');
      assert.equal(await stdout(sh(sandbox, `${LIST} | grep "^sleep"`)), 'sleep 1000 \n');
      other.kill();
      assert.equal((await other).cause, 'killed');
      assert.equal(await stdout(sh(sandbox, `${LIST} | grep -c "^sleep" || true`)), '0\n');
    });
  });

  void test('its processor time is that of all its commands, also of those that have ended', async () => {
    await withSandbox({ limits: { cpuTime: 600, wallTime: 20_000 } }, async (sandbox) => {
      const spin = 'import time\nwhile time.process_time() < 0.25: pass';
      for (let round = 0; round < 12; round++) {
        const { cause, scope } = await sandbox.spawn('python3', ['-c', spin]);
        if (cause === 'exit') continue;
        assert.deepEqual([cause, scope], ['cpuTimeout', 'sandbox']);
        return;
      }
      assert.fail('it was not ended');
    });
  });

  void test('what lies in its scratch space spares no command from the limit of all memory', async () => {
    await withSandbox({ limits: { memory: '100MiB', scratch: '95MiB' } }, async (sandbox) => {
      assert.equal(await stdout(sh(sandbox, 'head -c 96468992 /dev/zero > /tmp/file')), '');
      const hog = sandbox.spawn('python3', ['-c', 'import time\nx = bytearray(16 << 20)\ntime.sleep(1)']);
      assert.deepEqual(shown(await hog), [-9, 'oom', 'sandbox']);
    });
  });

  void test('who forks without end is ended, too', async () => {
    await withSandbox({ limits: { processes: 64 } }, async (sandbox) => {
      const storm = 'import os\nif os.fork() == 0:\n  while True:\n    if os.fork(): os._exit(0)\n';
      const { ok } = await sandbox.spawn('python3', ['-c', storm]);
      assert.equal(ok, true);
      assert.equal(await stdout(sh(sandbox, `${LIST} | grep -c "[o]s.fork" || true`)), '0\n');
    });
  });

  void test('its deadline comes before a later one of a command, also for a spawner that was late for both', async () => {
    await withSandbox({ limits: { wallTime: '1s' } }, async (sandbox) => {
      const step = sh(sandbox, 'echo up; sleep 100');
      for await (const line of step) if (line === 'up') break;
      const spawner = spawnersOf(process.pid).at(-1) ?? 0;
      process.kill(spawner, 'SIGSTOP');
      await delay(1500);
      process.kill(spawner, 'SIGCONT');
      assert.deepEqual(shown(await step), [-9, 'wallTimeout', 'sandbox']);
    });
  });

  void test('the end of one command is its own: a status, a signal, a deadline, an abort', async () => {
    await withSandbox({}, async (sandbox) => {
      assert.deepEqual(shown(await sh(sandbox, 'exit 7')), [7, 'exit', 'step']);
      assert.deepEqual(shown(await sh(sandbox, 'kill -SEGV $$')), [-11, 'signal', 'step']);
      assert.deepEqual(shown(await sh(sandbox, 'sleep 1000', { limits: { wallTime: 100 } })), [
        -9,
        'wallTimeout',
        'step',
      ]);
      assert.deepEqual(shown(await sh(sandbox, 'sleep 1000', { signal: AbortSignal.timeout(100) })), [
        -9,
        'aborted',
        'step',
      ]);
      assert.deepEqual(shown(await sh(sandbox, 'while :; do :; done', { limits: { cpuTime: 100 } })), [
        -9,
        'cpuTimeout',
        'step',
      ]);
      assert.deepEqual(shown(await sh(sandbox, 'yes', { limits: { output: 10_000 } })), [-9, 'outputLimit', 'step']);
      await assert.rejects(sandbox.spawn('no-such-program').result, { code: 'ERR_COMMAND_NOT_FOUND' });
      assert.equal(await stdout(sh(sandbox, 'echo still there')), 'still there\n');
    });
  });

  void test('a command that runs out of memory ends alone', async () => {
    await withSandbox({}, async (sandbox) => {
      const other = sh(sandbox, 'sleep 1; echo well');
      const hog = sandbox.spawn('python3', ['-c', 'x = bytearray(300 << 20)'], { limits: { memory: '64MiB' } });
      assert.deepEqual(shown(await hog), [-9, 'oom', 'step']);
      assert.equal(await stdout(other), 'well\n');
      assert.equal(
        await stdout(sandbox.spawn('python3', ['-c', 'x = bytearray(100 << 20); print("enough")'])),
        'enough\n',
      );
    });
  });

  void test('what bounds the sandbox bounds its commands together', async () => {
    await withSandbox({ limits: { memory: '128MiB' } }, async (sandbox) => {
      const script = 'import time\nx = bytearray(90 << 20)\ntime.sleep(1)';
      const two = [0, 1].map(() => sandbox.spawn('python3', ['-c', script]));
      const results = await Promise.all(two.map((step) => step.result));
      const ended = results.filter(({ cause }) => cause === 'oom');
      assert.equal(ended.length, 1, JSON.stringify(results.map(shown)));
      assert.equal(ended[0]?.scope, 'sandbox');
    });
  });

  void test('no command outlives it', async () => {
    await withSandbox({ limits: { wallTime: '4s' } }, async (sandbox) => {
      const last = await sh(sandbox, 'sleep 1000');
      assert.deepEqual(shown(last), [-9, 'wallTimeout', 'sandbox']);
      // Whether that is known here already or only there.
      const late = await Promise.resolve()
        .then(() => sh(sandbox, 'true').result)
        .then(
          ({ cause }) => cause,
          (error: unknown) => (error as SandboxError).code,
        );
      assert.ok(['destroyed', 'ERR_SANDBOX_CLOSED'].includes(late), late);
    });
  });

  void test('it ends when no command has run in it for too long, and not while one is silent', async () => {
    const sandbox = await createSandbox({ limits: { idleTime: 300 } });
    assert.equal(await stdout(sh(sandbox, 'sleep 0.8; echo done')), 'done\n');
    assert.equal(await stdout(sh(sandbox, 'echo again')), 'again\n');
    const alive = setInterval(() => undefined, 1000); // a sandbox keeps no app alive
    assert.equal((await sandbox.ended).cause, 'idleTimeout');
    clearInterval(alive);
    assert.throws(() => sh(sandbox, 'true'), { code: 'ERR_SANDBOX_CLOSED' });
  });

  void test('destroy() ends all commands, and nothing is left', async () => {
    const sandbox = await createSandbox();
    const steps = [sh(sandbox, 'sleep 1003'), sh(sandbox, 'setsid sleep 1003 & sleep 1003')];
    await new Promise((resolve) => setTimeout(resolve, 150));
    await sandbox.destroy();
    for (const step of steps) assert.deepEqual(shown(await step), [-9, 'destroyed', 'sandbox']);
    assert.throws(() => sh(sandbox, 'true'), { code: 'ERR_SANDBOX_CLOSED' });
    await sandbox.destroy();
    assert.equal((await sandbox.ended).cause, 'destroyed');
  });

  void test('a spawner that has just died makes none, and the next one does', async () => {
    await withSandbox({}, async () => {
      for (const spawner of spawnersOf(process.pid)) process.kill(spawner, 'SIGKILL');
      execFileSync('sleep', ['0.2']); // it is gone, and nobody here could hear of that
      await assert.rejects(createSandbox(), { code: 'ERR_SPAWNER_DIED' });
    });
    await withSandbox({}, async (sandbox) => {
      assert.equal(await stdout(sh(sandbox, 'echo again')), 'again\n');
    });
  });

  void test('what it is made of cannot be changed by a command', async () => {
    await withSandbox({}, (sandbox) => {
      for (const options of [
        { filesystem: {} },
        { user: { uid: 5 } },
        { network: 'none' },
        { syscalls: 'strict' },
        { allowMissing: [] },
        { limits: { scratch: 5 } },
      ] as SandboxOptions[]) {
        assert.throws(() => sh(sandbox, 'true', options), { code: 'ERR_INVALID_OPTION' }, JSON.stringify(options));
      }
      return Promise.resolve();
    });
    for (const options of [{ input: 'x' }, { stdin: 'pipe' }] as SandboxOptions[]) {
      await assert.rejects(createSandbox(options), { code: 'ERR_INVALID_OPTION' });
    }
  });
});

function shown({ status, cause, scope }: StepResult): unknown[] {
  return [status, cause, scope];
}
