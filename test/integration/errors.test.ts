import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { type ErrorCode, SandboxError, type SandboxOptions, type Step, StepError, spawnSandbox } from 'spawn-sandbox';
import { answerOf } from '../helpers/app.js';
import { stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** The error that a step rejects with. */
async function errorOf(step: Step): Promise<SandboxError> {
  const error: unknown = await step.result.then(
    (result) => assert.fail(result.detail),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SandboxError, String(error));
  return error;
}

async function assertFails(
  code: ErrorCode,
  path: string | undefined,
  file: string,
  args: readonly string[],
  options: SandboxOptions,
): Promise<SandboxError> {
  const error = await errorOf(spawnSandbox(file, args, options));
  assert.deepEqual([error.name, error.code, error.path], ['SandboxError', code, path], error.message);
  assert.ok(error.remedy !== undefined && error.message.endsWith(error.remedy), 'the message says what to do');
  return error;
}

void suite('what could not be done', () => {
  void test('a program that does not exist', async () => {
    await assertFails('ERR_COMMAND_NOT_FOUND', 'no-such-program-anywhere', 'no-such-program-anywhere', [], {});
    await assertFails('ERR_COMMAND_NOT_FOUND', '/usr/bin/no-such-program', '/usr/bin/no-such-program', [], {});
  });

  void test('a program that exists on the host and is not shown inside', async (context) => {
    const directory = temporaryDirectory(context, { 'bin/tool': '#!/bin/sh\necho from the host\n' });
    const env = { PATH: join(directory, 'bin') };
    await assertFails('ERR_COMMAND_NOT_FOUND', 'tool', 'tool', [], { env });
    const control = { env, filesystem: { readOnly: [directory] } };
    assert.equal(await stdoutOf('tool', [], control), 'from the host');
  });

  for (const [what, content, mode] of [
    ['that may not be executed', '#!/bin/sh\n', 0o644],
    ['of no known format', '\0\x01\x02\x03 no program', 0o755],
    ['whose interpreter is missing', '#!/no/such/interpreter\n', 0o755],
  ] as const) {
    void test(`a program ${what}`, async (context) => {
      const program = join(temporaryDirectory(context), 'program');
      writeFileSync(program, content);
      chmodSync(program, mode);
      const error = await errorOf(spawnSandbox(program, [], { filesystem: { readOnly: [program] } }));
      const codes =
        mode === 0o755 && content.startsWith('#!')
          ? ['ERR_COMMAND_NOT_EXECUTABLE', 'ERR_COMMAND_NOT_FOUND']
          : ['ERR_COMMAND_NOT_EXECUTABLE'];
      assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
      assert.equal(error.path, program);
    });
  }

  void test('a directory as the program', async () => {
    await assertFails('ERR_COMMAND_NOT_EXECUTABLE', '/usr/bin', '/usr/bin', [], {});
  });

  void test('a working directory that is missing, or is none', async () => {
    await assertFails('ERR_WORK_DIRECTORY', '/no/such/directory', 'true', [], { cwd: '/no/such/directory' });
    await assertFails('ERR_WORK_DIRECTORY', '/bin/sh', 'true', [], { cwd: '/bin/sh' });
  });

  void test('a mount whose source is missing', async (context) => {
    const missing = join(temporaryDirectory(context), 'missing');
    const error = await assertFails('ERR_MOUNT_SOURCE', missing, 'true', [], { filesystem: { readOnly: [missing] } });
    assert.match(error.message, /ENOENT|no such file/i);
    await assertFails('ERR_MOUNT_SOURCE', missing, 'true', [], { filesystem: { writable: [missing] } });
  });

  void test('a source that turns up later is found then', async (context) => {
    const late = join(temporaryDirectory(context), 'late');
    const options = { filesystem: { readOnly: [late] } };
    await assertFails('ERR_MOUNT_SOURCE', late, 'true', [], options);
    mkdirSync(late);
    assert.equal(await stdoutOf('ls', ['-d', late], options), late);
  });

  void test('a target in the read-only system', async (context) => {
    const source = temporaryDirectory(context);
    await assertFails('ERR_MOUNT_TARGET', '/usr/no-such-place', 'true', [], {
      filesystem: { readOnly: [{ source, target: '/usr/no-such-place' }] },
    });
  });

  void test('arguments that no kernel takes', async () => {
    const error = await errorOf(spawnSandbox('true', ['x'.repeat(5_000_000)]));
    assert.match(error.message, /4 MiB/);
  });

  void test('a limit above what the app itself may have', async (context) => {
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      const open = (openFiles) => spawnSandbox('sh', ['-c', 'ulimit -n'], { limits: { openFiles } }).result.then(({ stdout }) => stdout.trim(), ({ code }) => code);
      console.log(JSON.stringify([await open(2 ** 31 - 1), await open(100)]));`;
    assert.deepEqual(await answerOf(context, code), ['ERR_LIMIT', '100']);
  });

  void test('an error of one step leaves the next one alone', async () => {
    for (let i = 0; i < 5; i++) {
      await errorOf(spawnSandbox('no-such-program-anywhere'));
      assert.equal(await stdoutOf('echo', [String(i)]), String(i));
    }
  });

  void test('waiting too long for a free sandbox', async (context) => {
    const code = `
      import { configureSpawner, spawnSandbox } from 'spawn-sandbox';
      configureSpawner({ maxConcurrent: 1, queueTimeout: '2s', stateDirectory: process.env.STATE });
      const first = spawnSandbox('sh', ['-c', 'echo ready; sleep 1000']);
      for await (const line of first) if (line === 'ready') break;
      const started = performance.now();
      const second = await spawnSandbox('true').result.catch(({ code }) => code);
      const waited = performance.now() - started;
      first.kill();
      await first;
      const third = await spawnSandbox('true');
      console.log(JSON.stringify({ second, waited, third: third.ok, queued: third.usage.queueTimeMs }));`;
    const { second, waited, third } = (await answerOf(context, code, {
      env: { STATE: join(temporaryDirectory(context), 'state') },
    })) as Record<string, unknown>;
    assert.deepEqual([second, third], ['ERR_QUEUE_TIMEOUT', true]);
    assert.ok(Number(waited) >= 2000, String(waited));
  });

  void test('the time in the queue counts neither as wallTime nor as idleTime', async (context) => {
    const code = `
      import { configureSpawner, spawnSandbox } from 'spawn-sandbox';
      configureSpawner({ maxConcurrent: 1, stateDirectory: process.env.STATE });
      const limits = { wallTime: '600ms', idleTime: '600ms' };
      const steps = [1, 2, 3].map(() => spawnSandbox('sh', ['-c', 'sleep 0.3; echo done'], { limits }));
      const results = await Promise.all(steps);
      console.log(JSON.stringify(results.map(({ cause, usage }) => [cause, usage.queueTimeMs])));`;
    const results = (await answerOf(context, code, { env: { STATE: join(temporaryDirectory(context), 'state') } })) as [
      string,
      number,
    ][];
    assert.deepEqual(
      results.map(([cause]) => cause),
      ['exit', 'exit', 'exit'],
    );
    assert.ok(Math.max(...results.map(([, queued]) => queued)) >= 600, JSON.stringify(results));
  });
});

void suite('reject: true', () => {
  void test('rejects with the whole result when the step was not ok', async () => {
    const step = spawnSandbox('sh', ['-c', 'echo partial; exit 7'], { reject: true });
    await assert.rejects(step.result, (error) => {
      assert.ok(error instanceof StepError);
      assert.deepEqual(
        [error.name, error.code, error.result.status, error.result.stdout],
        ['StepError', 'ERR_STEP_FAILED', 7, 'partial\n'],
      );
      assert.equal(error.message, 'sh: Exited with status 7.');
      return true;
    });
  });

  void test('resolves when it was', async () => {
    assert.equal((await spawnSandbox('true', [], { reject: true })).ok, true);
  });

  void test('is no unhandled rejection when nobody waits', async (context) => {
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      process.on('warning', (warning) => { throw warning; });
      spawnSandbox('false', [], { reject: true });
      console.log('null');`;
    assert.equal(await answerOf(context, code), null);
  });
});

void suite('mistakes in options', () => {
  const MISTAKES: readonly (readonly [options: object, message: RegExp])[] = [
    [{ limit: {} }, /Unknown option 'limit'\. Did you mean 'limits'/],
    [{ limits: { memroy: 1 } }, /Unknown option 'limits\.memroy'\. Did you mean 'memory'/],
    [{ filesystem: { readonly: [] } }, /Did you mean 'readOnly'/],
    [{ filesystem: { readOnly: [{ src: '/x' }] } }, /Unknown option 'filesystem\.readOnly\[0\]\.src'/],
    [{ user: { id: 1 } }, /Unknown option 'user\.id'/],
    [{ syscalls: 'strickt' }, /strict/],
    [{ encoding: 'utf-8' }, /utf8/],
    [{ network: 'host' }, /allowMissing: \['net'\]/],
    [{ limits: { memory: '10 potatoes' } }, /limits\.memory/],
    [{ limits: { wallTime: -1 } }, /limits\.wallTime/],
  ];
  for (const [options, message] of MISTAKES) {
    void test(`${JSON.stringify(options)} throws at once`, () => {
      assert.throws(() => spawnSandbox('true', [], options), {
        name: 'SandboxError',
        code: 'ERR_INVALID_OPTION',
        message,
      });
    });
  }

  void test('a file or arguments that are no text throw at once', () => {
    for (const file of ['', 'a\0b', 7 as never])
      assert.throws(() => spawnSandbox(file), { code: 'ERR_INVALID_OPTION' });
    for (const args of [['a\0b'], [7] as never, 'text' as never])
      assert.throws(() => spawnSandbox('true', args), { code: 'ERR_INVALID_OPTION' });
  });
});

void test('an argument list longer than a packet arrives whole', async (context: TestContext) => {
  context.diagnostic('it travels in a sealed memory file');
  const args = Array.from({ length: 20 }, (_, index) => String(index).padStart(10_000, '.'));
  assert.equal(await stdoutOf('sh', ['-c', 'echo $#; printf %s "$@" | wc -c', 'sh', ...args]), '20\n200000');
});
