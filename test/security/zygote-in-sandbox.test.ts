// Jobs of a zygote in a sandbox that lives are kept apart from its commands no more than those from each other. What the app is told of
// their ends comes from the kernel and the keepers all the same.
import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  closeSpawner,
  createSandbox,
  type Sandbox,
  type SandboxOptions,
  spawnSandbox,
  type Zygote,
} from 'spawn-sandbox';
import {
  boots,
  copies,
  countingPython,
  living,
  parentOf,
  said,
  untilBooted,
  untilEnded,
} from '../helpers/living-zygotes.js';
import { reportOf } from '../helpers/reports.js';
import { countDescriptors, descendantsOf, spawnersOf } from '../helpers/marked-processes.js';
import { until } from '../helpers/until.js';
import { readProc, warmProcesses } from '../helpers/zygote-processes.js';

const LIMITS = { wallTime: '20s' } as const;

/** With a copy that waits. */
async function warm(context: TestContext, preloadCode = ''): Promise<{ sandbox: Sandbox; zygote: Zygote }> {
  const zygote = await countingPython(context, { preloadCode });
  const sandbox = await living(context);
  await said(zygote.spawn({ code: '' }, { sandbox }));
  await untilBooted(sandbox, 2);
  return { sandbox, zygote };
}

function theCopy(): number {
  const [copy = 0, ...others] = copies();
  assert.ok(copy > 0 && others.length === 0, `${copy}, ${others.join()}`);
  return copy;
}

void suite('jobs of a zygote in a sandbox that lives', () => {
  void test('are as confined as its commands', async (context) => {
    const { sandbox, zygote } = await warm(context);
    const code =
      'import re; print(*re.findall("(?m)^(?:Cap|NoNewPrivs|Seccomp:|Uid|Groups).*$", open("/proc/self/status").read()), sep="\\n")';
    const commands = await sandbox
      .spawn('python3', ['-c', code])
      .then(({ stdout, ok }) => (ok ? String(stdout).trim() : ''));
    const job = await zygote.spawn({ code }, { sandbox });
    assert.match(String(job.stdout), /^NoNewPrivs:\t1$[^]*^Seccomp:\t2$/m);
    assert.equal((String(job.stdout).match(/^Cap\w+:\t0+$/gm) ?? []).length, 5);
    if (commands !== '') assert.equal(String(job.stdout).trim(), commands);
    const { enforced } = await sandbox.spawn('true');
    assert.deepEqual(job.enforced, enforced);
  });

  void test('have none of the sockets by which the job came', async (context) => {
    const { sandbox, zygote } = await warm(context);
    const code = 'import os; print(sorted(int(fd) for fd in os.listdir("/proc/self/fd")))';
    assert.equal(await said(zygote.spawn({ code }, { sandbox })), '[0, 1, 2, 3]', '3 is that of the listing');
  });

  void test('a preload cannot say how one ended, or that it was not run', async (context) => {
    // A process that was forked before the job came has the sockets of the step, and does what the step asks it for.
    const { sandbox, zygote } = await warm(
      context,
      `
import os, socket, struct, time
try: kept = os.dup(4)
except OSError: booted = False
else: booted = True
NAME = str(os.getpid())
if booted and os.fork() == 0:
    reports = socket.socket(fileno=kept)
    while not os.path.exists('/tmp/lie' + NAME): time.sleep(0.01)
    kind = int(open('/tmp/lie' + NAME).read())
    reports.send(${reportOf("struct.pack('IIIiiI', kind, 0, 0, 1, 77, 0)")})
    os.rename('/tmp/lie' + NAME, '/tmp/said' + NAME)
    time.sleep(100)
`,
    );
    for (const kind of [0, 1, 2, 3, 4]) {
      const code = `
import os, time
from __preload__ import NAME
open('/tmp/new', 'w').write('${kind}'); os.rename('/tmp/new', '/tmp/lie' + NAME)
while not os.path.exists('/tmp/said' + NAME): time.sleep(0.01)
time.sleep(0.3)
print('whole')
raise SystemExit(3)`;
      const { status, stdout, cause } = await zygote.spawn({ code }, { sandbox, limits: LIMITS });
      assert.deepEqual([status, stdout, cause], [3, 'whole\n', 'exit'], `a report of kind ${kind}`);
    }
  });

  void test('whoever ends or stops what waits keeps no later job from its end', async (context) => {
    const { sandbox, zygote } = await warm(context);
    await sandbox.spawn('sh', ['-c', 'kill -9 -1']);
    assert.equal(await said(zygote.spawn({ code: 'print("well")' }, { sandbox })), 'well');
    await until('one waits', () => copies().length === 1);
    const copy = theCopy();
    process.kill(copy, 'SIGKILL');
    await until('it has ended', () => !/^State:\t[^ZX]/m.test(readProc(copy, 'status')), { every: 0 });
    assert.equal(await said(zygote.spawn({ code: 'print("well")' }, { sandbox })), 'well');
    await until('another waits', () => copies().length === 1);
    const booted = await boots(sandbox);
    process.kill(theCopy(), 'SIGSTOP');
    assert.equal(await said(zygote.spawn({ code: 'print("well")' }, { sandbox, limits: LIMITS })), 'well');
    await until('the next boots', async () => (await boots(sandbox)) > booted);
  });

  void test('a job for which the copy has ended that has waited longest, is done by another', async (context) => {
    const zygote = await countingPython(context, { parked: 2 });
    const sandbox = await living(context);
    const spawner = spawnersOf(process.pid)[0] ?? 0;
    for (const oldest of [0, 1]) {
      await said(zygote.spawn({ code: '' }, { sandbox }));
      await until('two wait', () => copies().length === 2);
      const copy = copies().toSorted((a, b) => a - b)[oldest] ?? 0;
      process.kill(spawner, 'SIGSTOP');
      // The spawner finds the job first, and then that this copy has ended.
      const job = zygote.spawn({ code: 'print("well")' }, { sandbox, limits: LIMITS });
      process.kill(copy, 'SIGKILL');
      await until('it has ended', () => !/^State:\t[^ZX]/m.test(readProc(copy, 'status')), { every: 0 });
      process.kill(spawner, 'SIGCONT');
      assert.equal(await said(job), 'well');
    }
  });

  void test('a keeper that does not end what waits keeps no zygote from its end', async (context) => {
    const { sandbox, zygote } = await warm(context);
    const copy = theCopy();
    process.kill(parentOf(copy), 'SIGSTOP');
    const begun = performance.now();
    await zygote.destroy();
    const took = performance.now() - begun;
    assert.ok(took > 3000 && took < 9000, `${took} ms`);
    assert.equal(await untilEnded(sandbox), 'destroyed');
    assert.deepEqual(warmProcesses(), []);
  });

  void test('a hundred sandboxes in a row leave nothing', async (context) => {
    const zygote = await countingPython(context);
    const round = async () => {
      const sandbox = await createSandbox();
      assert.equal(await said(zygote.spawn({ code: 'print(1)' }, { sandbox })), '1');
      await sandbox.destroy();
    };
    for (let index = 0; index < 30; index++) await round();
    const [spawner = 0] = spawnersOf(process.pid);
    const facts = () => [
      countDescriptors(spawner),
      countDescriptors(process.pid),
      resident(spawner),
      descendantsOf(spawner).length,
    ];
    const before = facts();
    for (let index = 0; index < 100; index++) await round();
    const most = [40, 10, 512, 10]; // a sandbox more that is kept ready, and less than one for each
    const isAsBefore = () => facts().every((now, index) => now <= (before[index] ?? NaN) + (most[index] ?? NaN));
    await until('it is as it was', isAsBefore, { within: 3000 }).catch(() => {
      assert.deepEqual(facts(), before);
    });
    assert.deepEqual(copies(), []);
  });

  void test('what ends before it has a job keeps no processor busy', async (context) => {
    const zygote = await countingPython(context, {
      preloadCode: 'try: os.fstat(4)\nexcept OSError: pass\nelse: os._exit(1)',
      parked: 4,
    });
    const sandbox = await living(context);
    await assert.rejects(zygote.spawn({ code: '' }, { sandbox }).result, { code: 'ERR_ZYGOTE' });
    await delay(1500); // until the pauses have grown
    const before = await boots(sandbox);
    await delay(2000);
    const after = await boots(sandbox);
    assert.ok(before >= 1 && after - before < 60, `${before} -> ${after}`);
  });

  void test('a fork storm of a preload ends with its zygote', async (context) => {
    const { sandbox, zygote } = await warm(
      context,
      `
try: os.fstat(4)
except OSError: pass
else:
  if os.fork() == 0:
    while True:
      try:
        if os.fork(): os._exit(0)
      except OSError: pass
`,
    );
    await zygote.destroy();
    const over = await Promise.race([sandbox.ended, delay(100)]);
    if (over === undefined) assert.equal(await said(sandbox.spawn('echo', ['well'])), 'well');
    assert.equal((await spawnSandbox('true')).status, 0);
  });
});

/** KiB. */
function resident(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readProc(pid, 'status'))?.[1]);
}

/** What a copy preloads, and a command can put something else in its place. */
const PRELOADED = 'colorsys';

async function planted(context: TestContext, code: string, options: SandboxOptions): Promise<Sandbox> {
  const zygote = await countingPython(context, { preload: [PRELOADED] });
  const sandbox = await living(context, options);
  await said(sandbox.spawn('sh', ['-c', `cat > ~/${PRELOADED}.py`], { input: code }));
  // The one that is to run it ends by its deadline, and another waits.
  await zygote.spawn({ code: '' }, { sandbox, limits: { wallTime: 300 } });
  return sandbox;
}

void suite('what a command has left for those that are to wait', () => {
  void test('has no more memory than the sandbox', async (context) => {
    const code = 'import time\nx = bytearray(300 << 20)\ntime.sleep(1000)';
    const large = () =>
      copies().filter((pid) => Number(/^VmRSS:\s*(\d+)/m.exec(readProc(pid, 'status'))?.[1]) > 290_000);
    await planted(context, code, { limits: { memory: '1GiB' } });
    await until('one has it', () => large().length > 0);
    await closeSpawner();
    const sandbox = await planted(context, code, { limits: { memory: '128MiB' } });
    await delay(1000);
    await until('none has it', () => large().length === 0, { within: 1000 });
    assert.equal(await said(sandbox.spawn('echo', ['well'])), 'well');
  });

  void test('has about as many processes as the sandbox may have', async (context) => {
    const code = `
import os, time
for _ in range(500):
  try:
    if os.fork() == 0: time.sleep(1000)
  except OSError: break
time.sleep(1000)`;
    await planted(context, code, { limits: { processes: 1000, memory: '4GiB' } });
    await until('all are there', () => copies().length >= 500);
    await closeSpawner();
    await planted(context, code, { limits: { processes: 20, memory: '4GiB' } });
    await delay(1500);
    assert.ok(copies().length < 320, `${copies().length}`);
  });

  void test('fails a job by nothing that is for others to say', async (context) => {
    const lie = (stage: number) => `
import os, socket, struct, threading, time
try: kept = socket.socket(fileno=os.dup(4))
except OSError: pass
else:
  report = ${reportOf("struct.pack('IIIiiI', 3, 0, 0, 0, 0, 0)", `struct.pack('iiii', ${stage}, 1, 2, 0)`)}
  def lie():
    while True:
      kept.send(report)
      time.sleep(0.01)
  threading.Thread(target=lie, daemon=True).start()
`;
    const code = 'import time; time.sleep(0.5); print("whole")';
    const [WORK_DIRECTORY, LAYER] = [8, 7];
    const limited = await countingPython(context, { preloadCode: lie(WORK_DIRECTORY) });
    const sandbox = await living(context);
    await assert.rejects(limited.spawn({ code }, { sandbox }).result, { code: 'ERR_WORK_DIRECTORY' }, 'the control');
    const zygote = await countingPython(context, { preloadCode: lie(LAYER) });
    assert.equal(await said(zygote.spawn({ code }, { sandbox })), 'whole');
  });
});
