import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { spawnSandbox, type StepResult, type SyscallPolicy } from 'spawn-sandbox';
import { tinyPrograms } from '../helpers/elf.js';
import { HOG } from '../helpers/hog.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** What of a result says how the step ended. */
function ending({ ok, status, exitCode, signal, cause, scope }: StepResult): unknown {
  return { ok, status, exitCode, signal, cause, scope };
}

const KILLED = {
  ok: false,
  status: -9,
  exitCode: null,
  signal: 'SIGKILL',
  scope: 'step',
};

function shell(script: string, options: Parameters<typeof spawnSandbox>[2] = {}): Promise<StepResult> {
  return spawnSandbox('sh', ['-c', script], options).result;
}

/** The program's path inside and outside, mounted nowhere yet. */
function writeProgram(context: TestContext, bytes: Buffer = Buffer.alloc(0)): string {
  const path = join(temporaryDirectory(context), 'program');
  writeFileSync(path, bytes);
  chmodSync(path, 0o755);
  return path;
}

void suite('why a step ended', () => {
  void test('an exit with status 0 is ok', async () => {
    const result = await shell('exit 0');
    assert.deepEqual(ending(result), {
      ok: true,
      status: 0,
      exitCode: 0,
      signal: null,
      cause: 'exit',
      scope: 'step',
    });
    assert.equal(result.detail, 'Exited with status 0.');
    assert.deepEqual(result.limitsHit, []);
  });

  void test('any other exit status is kept, and is not ok', async () => {
    for (const exitCode of [1, 42, 137, 255]) {
      const result = await shell(`exit ${exitCode}`);
      assert.deepEqual(ending(result), {
        ok: false,
        status: exitCode,
        exitCode,
        signal: null,
        cause: 'exit',
        scope: 'step',
      });
      assert.equal(result.detail, `Exited with status ${exitCode}.`);
    }
  });

  for (const [signal, number] of [
    ['SIGTERM', 15],
    ['SIGSEGV', 11],
    ['SIGUSR1', 10],
    ['SIGABRT', 6],
  ] as const) {
    void test(`${signal} that the step sends itself is a signal`, async () => {
      const result = await shell(`kill -${number} $$`);
      assert.deepEqual(ending(result), {
        ok: false,
        status: -number,
        exitCode: null,
        signal,
        cause: 'signal',
        scope: 'step',
      });
      assert.match(result.detail, new RegExp(`Ended by ${signal}, which was not sent by the library`));
    });
  }

  void test('SIGKILL that the step sends itself is a signal, and neither an out-of-memory kill nor ours', async () => {
    assert.deepEqual(ending(await shell('kill -9 $$')), {
      ...KILLED,
      cause: 'signal',
    });
  });

  void test('SIGSYS that the step sends itself is a signal: anybody can send it', async () => {
    const result = await shell('kill -SYS $$');
    assert.deepEqual(ending(result), {
      ...KILLED,
      status: -31,
      signal: 'SIGSYS',
      cause: 'signal',
    });
  });

  void test('a real-time signal is told by its number', async () => {
    const { status, signal, cause } = await shell('kill -40 $$');
    assert.deepEqual({ status, signal, cause }, { status: -40, signal: 'SIG40', cause: 'signal' });
  });

  void test('processes that the main process leaves behind are ended and told of', async () => {
    const result = await shell('sleep 1000 & sleep 1000 & exit 3');
    assert.deepEqual([result.status, result.cause], [3, 'exit']);
    assert.match(result.detail, /^Exited with status 3; 2 processes that it left behind were ended\.$/);
  });

  void test('running for longer than wallTime is wallTimeout', async () => {
    const result = await shell('sleep 1000', { limits: { wallTime: 100 } });
    assert.deepEqual(ending(result), { ...KILLED, cause: 'wallTimeout' });
    assert.match(result.detail, /longer than limits\.wallTime \(100 ms\)/);
    assert.ok(result.usage.wallTimeMs >= 100, String(result.usage.wallTimeMs));
  });

  void test('using more processor time than cpuTime is cpuTimeout', async () => {
    const result = await shell('while :; do :; done', {
      limits: { cpuTime: 150 },
    });
    assert.deepEqual(ending(result), { ...KILLED, cause: 'cpuTimeout' });
    assert.match(result.detail, /processor time than limits\.cpuTime \(150 ms\)/);
  });

  void test('processor time counts for all processes together, also those that have ended', async () => {
    const burn = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done';
    const result = await shell(`while :; do (${burn}); done`, {
      limits: { cpuTime: 300, wallTime: '20s' },
    });
    assert.equal(result.cause, 'cpuTimeout');
  });

  void test('writing nothing for longer than idleTime is idleTimeout', async () => {
    const result = await shell('echo first; sleep 1000', {
      limits: { idleTime: 200 },
    });
    assert.deepEqual(ending(result), { ...KILLED, cause: 'idleTimeout' });
    assert.equal(result.stdout, 'first\n');
    assert.match(result.detail, /Wrote nothing for longer than limits\.idleTime \(200 ms\)/);
  });

  void test('writing more than output is outputLimit, and what fits is kept', async () => {
    const result = await shell('yes', { limits: { output: 1000 } });
    assert.deepEqual(ending(result), { ...KILLED, cause: 'outputLimit' });
    assert.equal(result.stdout, 'y\n'.repeat(500));
    assert.equal(result.truncated, true);
    assert.match(result.detail, /Wrote more than limits\.output \(1000 bytes\)/);
  });

  void test('using more memory than allowed is oom, by the main process', async () => {
    const result = await shell(`exec ${HOG}`, { limits: { memory: '64MiB' } });
    assert.deepEqual(ending(result), { ...KILLED, cause: 'oom' });
    assert.match(result.detail, /Used more than limits\.memory \(64 ?MiB\)/);
  });

  void test('it is oom also when only a grandchild was killed for it and the main process would exit well', async () => {
    const result = await shell(`${HOG}; exit 0`, {
      limits: { memory: '64MiB' },
    });
    assert.equal(result.cause, 'oom');
    assert.equal(result.ok, false);
  });

  void test('the first event counts: what a kill causes afterwards does not', async () => {
    const step = spawnSandbox('sh', ['-c', 'echo ready; sleep 1000'], {
      limits: { wallTime: '30s' },
    });
    for await (const line of step) if (line === 'ready') step.kill();
    step.kill('SIGTERM');
    assert.equal((await step).cause, 'killed');
  });
});

void suite('system calls that end the sandbox', () => {
  const policy: SyscallPolicy = {
    extends: 'default',
    rules: [{ name: ['mkdir', 'mkdirat'], verdict: 'kill', reason: 'a test' }],
  };

  void test('a call with verdict kill is seccomp, and is named', async () => {
    const result = await shell('echo before; mkdir x; echo after', {
      syscalls: policy,
    });
    assert.deepEqual(ending(result), { ...KILLED, cause: 'seccomp' });
    assert.equal(result.stdout, 'before\n');
    assert.match(result.detail, /Made the system call mkdir(at)?, .*policy/);
    assert.equal((await shell('mkdir x')).ok, true, 'the control: by default the call is allowed');
  });

  void test('the first such call decides, also when many processes make it', async () => {
    const result = await shell('for i in 1 2 3 4 5 6 7 8; do mkdir $i & done; wait', { syscalls: policy });
    assert.equal(result.cause, 'seccomp');
  });

  const programs = tinyPrograms();
  const noPrograms = programs === undefined && `no machine code for ${process.arch}`;
  const noX32 = programs?.x32 === undefined && 'this processor has no x32';

  const runTiny = async (program: string): Promise<StepResult> =>
    await spawnSandbox(program, [], { filesystem: { readOnly: [program] } });

  void test('the 32-bit entry is seccomp', { skip: noPrograms }, async (context) => {
    const program = writeProgram(context, programs?.foreign);
    const outside = spawnSync(program);
    if (outside.status !== 0) {
      context.skip(
        `this kernel has no 32-bit entry: ${outside.error?.message ?? outside.signal ?? outside.status ?? ''}`,
      );
      return;
    }
    const result = await runTiny(program);
    assert.deepEqual(ending(result), { ...KILLED, cause: 'seccomp' });
    assert.match(result.detail, /20 of a foreign ABI/);
  });

  void test('the x32 numbers are seccomp', { skip: noX32 }, async (context) => {
    const program = writeProgram(context, programs?.x32);
    assert.equal(spawnSync(program).status, 0, 'the control: outside the call does no harm');
    const result = await runTiny(program);
    assert.deepEqual(ending(result), { ...KILLED, cause: 'seccomp' });
    assert.match(result.detail, /Made the system call/);
  });

  void test(
    'a program of machine instructions runs when it makes ordinary calls',
    { skip: noPrograms },
    async (context) => {
      const result = await runTiny(writeProgram(context, programs?.ordinary));
      assert.equal(result.exitCode, 7);
    },
  );
});
