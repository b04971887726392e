// A file that a step is given for reading, and that others may change: it cannot, by whatever way.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { spawnWith } from '#src/spawn-sandbox.js';
import { spawnInZygote } from '#src/zygote/zygote.js';
import { encodeJob } from '#src/zygote/job.js';
import { openForReading } from '../helpers/further.js';
import { compileProbe } from '../helpers/probe.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { warmPython } from '../helpers/warm.js';

const CONTENT = 'a table\n'.repeat(1000);

/** Everybody may write to it; without a leased identity the step is its owner, too. */
function openFile(context: TestContext): { readonly path: string; readonly descriptor: number } {
  const path = join(temporaryDirectory(context), 'table');
  writeFileSync(path, CONTENT);
  chmodSync(path, 0o666);
  return { path, descriptor: openForReading(context, path) };
}

function stateOf(path: string): unknown {
  const { mode, uid, gid, size, nlink, mtimeNs, ctimeNs, atimeNs, blocks, ino } = statSync(path, { bigint: true });
  return { mode, uid, gid, size, nlink, mtimeNs, ctimeNs, atimeNs, blocks, ino };
}

type Answers = ReadonlyMap<string, number>;

function answersIn(output: string): Answers {
  const lines = output.trim().split('\n');
  return new Map(lines.map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]));
}

const program = compileProbe('change-file');
const skip = program === undefined ? 'gcc not found: apt-get install -y gcc libc6-dev' : false;

async function attack(descriptor: number, kind: 'file' | 'readOnlyFile'): Promise<Answers> {
  const result = await spawnWith(program ?? '', [], {}, [{ kind, descriptor }]).result;
  assert.ok(result.ok, `${result.detail}\n${String(result.stderr)}`);
  return answersIn(String(result.stdout));
}

/** What is done to the plain descriptor, as root's step and as an ordinary user's. */
const SUCCEED = ['open-proc', 'open-proc-append', 'open-proc-truncate', 'open-twice', 'open-path', 'truncate', 'touch'];

void suite('a file that is given for reading only', () => {
  void test('is changed by none of many attempts', { skip, timeout: 60_000 }, async (context) => {
    const { path, descriptor } = openFile(context);
    const before = stateOf(path);
    const answers = await attack(descriptor, 'readOnlyFile');
    assert.deepEqual(
      [...answers].filter(([, answer]) => answer === 0),
      [],
    );
    assert.ok(answers.size > 40);
    assert.deepEqual(stateOf(path), before, 'not even its times');
    assert.equal(readFileSync(path, 'utf8'), CONTENT);
  });

  void test('the control: given as it is, it is changed', { skip, timeout: 60_000 }, async (context) => {
    const { path, descriptor } = openFile(context);
    const answers = await attack(descriptor, 'file');
    assert.deepEqual(
      SUCCEED.map((name) => [name, answers.get(name)]),
      SUCCEED.map((name) => [name, 0]),
    );
    assert.notEqual(readFileSync(path, 'utf8'), CONTENT);
  });

  void test('cannot be changed by a step of a zygote', { timeout: 60_000 }, async (context) => {
    const { path, descriptor } = openFile(context);
    const before = stateOf(path);
    const zygote = await warmPython(context);
    const code = `
import ctypes, os
core = ctypes.PyDLL("/.zygote/zygote-python.so")
file = core.python_descriptor(ctypes.c_size_t(0))
name = f"/proc/self/fd/{file}"
for attempt in (
    lambda: os.open(name, os.O_RDWR), lambda: os.open(name, os.O_RDONLY | os.O_TRUNC), lambda: os.truncate(name, 0), lambda: os.fchmod(file, 0o777),
    lambda: os.utime(file), lambda: os.setxattr(file, "user.attempt", b"!"), lambda: os.link(name, "/tmp/link", follow_symlinks=True), lambda: os.write(file, b"!"),
):
    try: attempt(); print("done")
    except OSError: pass
print(len(os.read(file, 1 << 20)))
`;
    for (const [kind, expected] of [
      ['readOnlyFile', `${CONTENT.length}`],
      ['file', undefined],
    ] as const) {
      const result = await spawnInZygote(zygote, encodeJob({ code }), {}, [{ kind, descriptor }]).result;
      assert.ok(result.ok, String(result.stderr));
      const said = String(result.stdout).trim();
      if (expected === undefined) assert.match(said, /done/, 'the control');
      else {
        assert.equal(said, expected);
        assert.deepEqual(stateOf(path), before);
      }
    }
  });

  void test('is still the same file: what the app changes, the step sees', { timeout: 60_000 }, async (context) => {
    const { path, descriptor } = openFile(context);
    const step = spawnWith('sh', ['-c', 'echo begun; read line; cat <&3'], { stdin: 'pipe' }, [
      { kind: 'readOnlyFile', descriptor },
    ]);
    for await (const line of step) {
      assert.equal(line, 'begun');
      break;
    }
    writeFileSync(path, 'another');
    step.stdin?.end('go\n');
    assert.equal((await step.result).stdout, 'begun\nanother');
  });
});
