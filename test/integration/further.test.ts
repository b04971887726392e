// What a step is given besides stdin, stdout and stderr.
import assert from 'node:assert/strict';
import {
  chmodSync,
  fstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { type SandboxOptions, SandboxError, type ZygoteOptions, closeSpawner, createZygote } from 'spawn-sandbox';
import { spawnWith } from '#src/spawn-sandbox.js';
import type { Further } from '#src/step/further.js';
import type { RunningStep } from '#src/step/running-step.js';
import { encodeJob } from '#src/zygote/job.js';
import { spawnInZygote } from '#src/zygote/zygote.js';
import { Collected, memoryFile, openForReading, USE_ALL } from '../helpers/further.js';
import { descendantsOf, spawnersOf } from '../helpers/marked-processes.js';
import { nativeRuntime, COMPILERS } from '../helpers/step-program.js';
import { testWith } from '../helpers/tools.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { ANY_FORM } from '../helpers/weaker.js';

function shell(script: string, further: readonly Further[], options: SandboxOptions = {}): RunningStep {
  return spawnWith('sh', ['-c', script], { ...ANY_FORM, ...options }, further);
}

async function saidBy(step: RunningStep): Promise<string> {
  const result = await step.result;
  assert.ok(result.ok, `${result.detail}\n${String(result.stderr)}`);
  return String(result.stdout).trim();
}

function tableFile(context: TestContext, content = 'a table'): { readonly path: string; readonly descriptor: number } {
  const path = join(temporaryDirectory(context, { table: content }), 'table');
  chmodSync(path, 0o666);
  return { path, descriptor: openForReading(context, path) };
}

function contentOf(memory: number): string {
  return readFileSync(`/proc/self/fd/${memory}`, 'utf8');
}

/** What the spawner and all that it has started have open and that could be a step's: pipes and files. */
function filesBelow(pid: number): readonly string[] {
  return [{ pid }, ...descendantsOf(pid)].flatMap((process) => openFiles(process.pid)).sort();
}

function openFiles(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((number) => {
      const target = readlinkSync(`/proc/${pid}/fd/${number}`);
      return /^pipe:|memfd:table|\/table/.test(target) ? [target] : [];
    });
  } catch {
    return []; // it has ended meanwhile
  }
}

function ownDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

void suite('further descriptors of a command', () => {
  void test('are 3, 4 and so on, and nothing else is open', { timeout: 60_000 }, async (context) => {
    const pipe = new Collected();
    const memory = memoryFile(context);
    const { descriptor } = tableFile(context);
    const further: Further[] = [
      pipe.further,
      { kind: 'file', descriptor: memory },
      { kind: 'readOnlyFile', descriptor },
    ];
    const script =
      'echo by pipe >&3; echo in memory >&4; cat <&5; echo; for one in /proc/$$/fd/*; do echo ${one##*/}; done';
    // The last is the directory that the shell reads for that.
    const said = (await saidBy(shell(script, further))).split('\n');
    assert.equal(said[0], 'a table');
    assert.deepEqual(
      said.slice(1).filter((number) => Number(number) < 10),
      ['0', '1', '2', '3', '4', '5', '6'],
    );
    assert.deepEqual([pipe.text, pipe.ends], ['by pipe\n', 1]);
    assert.equal(contentOf(memory), 'in memory\n');
  });

  for (const stdio of [{}, { stdin: 'pipe' }, { stdout: 'ignore', stderr: 'ignore' }] as const) {
    void test(`with ${JSON.stringify(stdio)}: 32 of them`, async () => {
      const pipes = Array.from({ length: 32 }, () => new Collected());
      const script = 'i=3; while [ $i -lt 35 ]; do printf $i >/proc/self/fd/$i || exit 1; i=$((i + 1)); done';
      const step = shell(
        script,
        pipes.map(({ further }) => further),
        { ...stdio, limits: { openFiles: 40 } },
      );
      if ('stdin' in stdio) step.stdin?.end();
      await saidBy(step);
      assert.deepEqual(
        pipes.map(({ text }) => text),
        pipes.map((_, index) => String(index + 3)),
      );
    });
  }

  void test('more of them are refused', async () => {
    const pipes = Array.from({ length: 33 }, () => new Collected().further);
    await assert.rejects(shell('exit 0', pipes).result, { code: 'ERR_INVALID_OPTION' });
  });

  void test('come with a message that is so long that it travels in a file', async (context) => {
    const pipe = new Collected();
    const { descriptor } = tableFile(context);
    const env = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`LONG${index}`, 'x'.repeat(10_000)]));
    const script = 'cat <&3 >&4; echo -n $LONG19 | wc -c';
    assert.equal(await saidBy(shell(script, [{ kind: 'readOnlyFile', descriptor }, pipe.further], { env })), '10000');
    assert.equal(pipe.text, 'a table');
  });

  void test('a descriptor can be given twice, and is the app’s afterwards', async (context) => {
    const { descriptor } = tableFile(context);
    const memory = memoryFile(context);
    const file = { kind: 'readOnlyFile', descriptor } as const;
    assert.equal(await saidBy(shell('cat <&3; cat <&4', [file, file])), 'a tablea table');
    for (const word of ['one', 'two']) await saidBy(shell(`echo ${word} >&3`, [{ kind: 'file', descriptor: memory }]));
    assert.equal(contentOf(memory), 'one\ntwo\n');
    assert.equal(readFileSync(descriptor, 'utf8'), 'a table', 'the offset is not shared');
  });

  void test('what is written to pipes counts in limits.output, and more ends the step', async () => {
    const pipe = new Collected();
    const script = 'while :; do echo 0123456789 >&3; done';
    const result = await shell(script, [pipe.further], { limits: { output: 100_000 } }).result;
    assert.equal(result.cause, 'outputLimit');
    assert.equal(pipe.text.length, 100_000);
    assert.equal(pipe.ends, 1);
    const both = new Collected();
    const more = await shell('head -c 60000 /dev/zero; head -c 60000 /dev/zero >&3', [both.further], {
      limits: { output: 100_000 },
    }).result;
    assert.equal(more.cause, 'outputLimit');
    assert.equal(String(more.stdout).length + both.text.length, 100_000);
  });

  void test('a pipe is read to its end before there is a result', async () => {
    const pipe = new Collected();
    const step = shell('head -c 3000000 /dev/zero | tr "\\0" x >&3', [pipe.further]);
    await saidBy(step);
    assert.deepEqual([pipe.text.length, pipe.ends], [3_000_000, 1]);
  });

  void test('a pipe that a child holds open ends with the sandbox', async () => {
    const pipe = new Collected();
    await saidBy(shell('echo now >&3; sleep 1000 & exit 0', [pipe.further]));
    assert.deepEqual([pipe.text, pipe.ends], ['now\n', 1]);
  });

  void test('files in memory cannot take more of it than the step may have', { timeout: 60_000 }, async (context) => {
    const files = [memoryFile(context), memoryFile(context)];
    const further = files.map((descriptor): Further => ({ kind: 'file', descriptor }));
    const script = 'trap "" XFSZ; for i in 3 4; do head -c 200M /dev/zero >/proc/self/fd/$i & done; wait';
    await shell(script, further, { limits: { memory: '64MiB' } }).result;
    const bytes = files.map((descriptor) => fstatSync(descriptor).blocks * 512);
    assert.ok((bytes[0] ?? 0) + (bytes[1] ?? 0) <= 66 * 2 ** 20, String(bytes));
    const most = memoryFile(context);
    const file: Further = { kind: 'file', descriptor: most };
    await saidBy(shell('head -c 40M /dev/zero >&3', [file], { limits: { memory: '128MiB' } }));
    assert.equal(fstatSync(most).size, 40 * 2 ** 20, 'the control');
  });

  void test('can be written to by a name in /proc, as stdout can', async () => {
    const pipe = new Collected();
    await saidBy(shell('echo by name >/proc/self/fd/3', [pipe.further]));
    assert.equal(pipe.text, 'by name\n');
  });
});

void suite('a file that cannot be given for reading only', () => {
  async function refused(step: RunningStep, path?: string): Promise<void> {
    await assert.rejects(step.result, (error) => {
      assert.ok(error instanceof SandboxError);
      assert.equal(error.code, 'ERR_TABLE', error.message);
      if (path !== undefined) assert.ok(error.path?.startsWith(path), error.path);
      return true;
    });
  }

  void test('fails the step alone: deleted, replaced, or behind a link by now', async (context) => {
    const { path, descriptor } = tableFile(context);
    const file: Further = { kind: 'readOnlyFile', descriptor };
    renameSync(path, `${path}.away`);
    assert.equal(await saidBy(shell('cat <&3', [file])), 'a table', 'moved: the kernel knows where to');
    writeFileSync(path, 'another');
    renameSync(path, `${path}.away`);
    await refused(shell('cat <&3', [file]), path);
    assert.equal(await saidBy(shell('echo fine', [])), 'fine');
  });

  void test('whose directory became a link', async (context) => {
    const directory = temporaryDirectory(context);
    mkdirSync(join(directory, 'one'));
    const path = join(directory, 'one/table');
    writeFileSync(path, 'a table');
    const descriptor = openForReading(context, path);
    const file: Further = { kind: 'readOnlyFile', descriptor };
    rmSync(path);
    await refused(shell('cat <&3', [file]), path);
    // A file of that very name, through a link.
    mkdirSync(join(directory, 'two'));
    writeFileSync(join(directory, 'two/table (deleted)'), 'not ours');
    rmSync(join(directory, 'one'), { recursive: true });
    symlinkSync(join(directory, 'two'), join(directory, 'one'));
    await refused(shell('cat <&3', [file]), path);
  });

  void test('because it is none, or can be written to', async (context) => {
    const memory = memoryFile(context);
    const directory = openForReading(context, temporaryDirectory(context));
    const device = openForReading(context, '/dev/zero');
    for (const descriptor of [memory, directory, device]) {
      await refused(shell('exit 0', [{ kind: 'readOnlyFile', descriptor }]));
    }
    for (const descriptor of [directory, device]) await refused(shell('exit 0', [{ kind: 'file', descriptor }]));
  });
});

for (const runtime of ['python', 'node'] as const) {
  const tools = runtime === 'python' ? (['python3'] as const) : [];
  const FORMS: readonly (readonly [what: string, options: Partial<ZygoteOptions>])[] = [
    ['forked on demand', { parked: 0 }],
    ['forked ahead', { parked: 1 }],
    ['that boots', { mode: 'parked', parked: 1 }],
  ];
  for (const [what, options] of FORMS) {
    testWith(tools, `a ${runtime} step ${what} is told their numbers`, async (context) => {
      const zygote = await createZygote({ runtime, ...options, ...ANY_FORM });
      context.after(() => zygote.destroy());
      const { descriptor } = tableFile(context);
      const job = encodeJob({ code: USE_ALL[runtime] });
      for (let round = 0; round < 3; round++) {
        const pipe = new Collected();
        const memory = memoryFile(context);
        const further: Further[] = [
          pipe.further,
          { kind: 'file', descriptor: memory },
          { kind: 'readOnlyFile', descriptor },
        ];
        const said = await saidBy(spawnInZygote(zygote, job, { limits: { openFiles: 64 } }, further));
        assert.equal(said, 'a table\n30', 'the second is EROFS');
        assert.deepEqual([pipe.text, pipe.ends], ['by pipe', 1]);
        assert.equal(contentOf(memory), 'in memory');
      }
      assert.equal(
        await saidBy(spawnInZygote(zygote, encodeJob({ code: runtime === 'python' ? 'print(1)' : 'console.log(1)' }))),
        '1',
      );
    });
  }
}

testWith(COMPILERS, 'a step of a program that is a zygote by itself has them in its job', async (context) => {
  const zygote = await createZygote({ runtime: 'native', interpreter: nativeRuntime(context), ...ANY_FORM });
  context.after(() => zygote.destroy());
  const pipe = new Collected();
  const job = encodeJob({ code: 'descriptors' });
  assert.equal(await saidBy(spawnInZygote(zygote, job, {}, [pipe.further, pipe.further])), '2');
  assert.deepEqual([pipe.text.length, pipe.ends], ['descriptor 0\ndescriptor 1\n'.length, 2]);
});

void suite('nothing of them is left open', () => {
  async function everyWay(context: TestContext): Promise<void> {
    const { path, descriptor } = tableFile(context);
    const memory = memoryFile(context);
    const further = (): Further[] => [
      new Collected().further,
      { kind: 'file', descriptor: memory },
      { kind: 'readOnlyFile', descriptor },
    ];
    const zygote = await createZygote({ runtime: 'python', parked: 1, ...ANY_FORM });
    const booted = await createZygote({ runtime: 'python', mode: 'parked', ...ANY_FORM });
    const [spawner = 0] = spawnersOf(process.pid);
    const known = new Set(filesBelow(spawner)); // what the spawner and the zygotes have as stdout and stderr
    const code = encodeJob({ code: 'print(1)' });
    const endless = encodeJob({ code: 'import time; time.sleep(1000)' });
    const steps = [
      shell('exit 0', further()),
      shell('exit 3', further()),
      shell('kill -9 $$', further()),
      spawnWith('/usr/bin/no-such-program', [], ANY_FORM, further()),
      shell('exit 0', further(), { cwd: '/nowhere' }),
      shell('exit 0', further(), { signal: AbortSignal.abort() }),
      shell('exit 0', [...further(), { kind: 'readOnlyFile', descriptor: memory }]),
      shell('sleep 1000', further(), { limits: { wallTime: 100 } }),
      ...[zygote, booted].flatMap((one) => [
        spawnInZygote(one, code, {}, further()),
        spawnInZygote(one, endless, { limits: { wallTime: 100 } }, further()),
        spawnInZygote(one, code, { cwd: '/nowhere' }, further()),
      ]),
    ];
    for (let count = 0; count < 20; count++) {
      const step = shell('sleep 1000', further());
      steps.push(step);
      if (count % 2 === 0) step.kill();
      else
        setTimeout(() => {
          step.kill();
        }, count * 5);
    }
    const left = (): readonly string[] => filesBelow(spawner).filter((file) => !known.has(file));
    await until('the control: they are seen while there are steps', () =>
      left().some((file) => file.includes('memfd:')),
    );
    await Promise.allSettled(steps.map((step) => step.result));
    // Whoever is being forked has a copy of everything for a moment: it is enough to have seen none once.
    let found = left();
    await until('no other process has one', () => (found = left()).length === 0).catch(() => undefined);
    assert.deepEqual(found, []);
    await Promise.all([zygote.destroy(), booted.destroy()]);
    rmSync(path);
  }

  testWith(['python3'], 'in the app, the spawner, the makers, zygotes and steps that wait', async (context) => {
    await closeSpawner();
    await saidBy(shell('exit 0', []));
    const before = ownDescriptors();
    await everyWay(context);
    // What the test itself has opened: one file, one in memory.
    await until('the app has no more than before', () => ownDescriptors() <= before + 2);
  });
});
