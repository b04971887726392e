// Commands of one sandbox are not kept apart from each other; from its init, from the keepers, and from all else they are.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  closeSpawner,
  createSandbox,
  type Sandbox,
  type SandboxError,
  type SandboxOptions,
  type StepResult,
} from 'spawn-sandbox';
import { startApp } from '../helpers/app.js';
import {
  countDescriptors,
  descendantsOf,
  processesWith,
  spawnersOf,
  uniqueMarker,
  untilGone,
  untilRunning,
} from '../helpers/marked-processes.js';
import { until } from '../helpers/until.js';

async function made(context: TestContext, options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await createSandbox(options);
  context.after(() => sandbox.destroy());
  return sandbox;
}

function python(sandbox: Sandbox, code: string, options: SandboxOptions = {}): PromiseLike<StepResult> {
  return sandbox.spawn('python3', ['-c', code], options);
}

async function stdoutOf(step: PromiseLike<StepResult>): Promise<string> {
  const { ok, stdout, stderr, detail } = await step;
  assert.ok(ok, `${detail} ${String(stderr)}`);
  return String(stdout).trim();
}

void suite('commands of a sandbox, and what is not theirs', () => {
  void test('they can neither signal nor trace init and the keepers', async (context) => {
    const sandbox = await made(context);
    const { enforced } = await sandbox.spawn('true');
    if (enforced.uid.by !== 'leased id' && !hasScopes()) {
      context.skip('one id for all, and no scopes of Landlock: then who ends a keeper ends the sandbox');
      return;
    }
    const code = `
import ctypes, os, signal, subprocess
libc = ctypes.CDLL(None, use_errno=True)
own = subprocess.Popen(["sleep", "100"])
def outcomes(pid):
  said = []
  for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL, signal.SIGCHLD):
    try: os.kill(pid, number); said.append("sent")
    except OSError as error: said.append(error.errno)
  said.append(libc.ptrace(16, pid, 0, 0))
  for file in ("mem", "environ", "maps", "fd/0", "root", "cwd"):
    try: os.readlink(f"/proc/{pid}/{file}") if file in ("root", "cwd", "fd/0") else open(f"/proc/{pid}/{file}", "rb").read(1); said.append(file)
    except OSError: pass
  return said
def is_ours(pid):  # what waits for its job is a command's already, and has another parent
  parent = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1]
  return open(f"/proc/{pid}/comm").read() == "sandbox-maker\\n" and parent in ("0", "1")
ours = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_ours(pid)]
for pid in ours: print(pid == 1, outcomes(pid))
print("own", outcomes(own.pid)[:3])
print(len(ours))
`;
    const said = (await stdoutOf(python(sandbox, code))).split('\n');
    assert.equal(said.pop(), String(said.length - 1));
    assert.equal(said.pop(), "own ['sent', 'sent', 'sent']", 'control');
    assert.ok(said.length >= 2, 'init and a keeper');
    for (const line of said) {
      assert.match(line, /^(True|False) \[(1|3|'sent'), (1|3|'sent'), (1|3|'sent'), (1|3|'sent'), -1\]$/);
      assert.doesNotMatch(line, /'sent'/, line);
    }
    assert.equal(await stdoutOf(sandbox.spawn('echo', ['well'])), 'well');
  });

  void test('who ends all that it can ends no more than commands', async (context) => {
    const sandbox = await made(context);
    await sandbox.spawn('sh', ['-c', 'kill -9 -1']);
    await python(sandbox, 'import os, signal\nos.kill(-1, signal.SIGSTOP)', { limits: { wallTime: 300 } });
    assert.equal(await stdoutOf(sandbox.spawn('echo', ['well'])), 'well');
  });

  void test('they have no descriptor, no variable, no key of anybody else', async (context) => {
    const sandbox = await made(context, { env: { ONE: '1' } });
    await stdoutOf(sandbox.spawn('sh', ['-c', 'exec 9> /tmp/file; sleep 0'], { env: { TWO: '2' } }));
    const listed = await stdoutOf(sandbox.spawn('sh', ['-c', 'ls /proc/self/fd; env | grep -E "ONE|TWO|SPAWN"']));
    assert.equal(listed, '0\n1\n2\n3\nONE=1', '3 is the directory itself');
  });

  void test('no signal is blocked or ignored in them, and the scratch space is told when it is full', async (context) => {
    const sandbox = await made(context, { limits: { scratch: '1MiB' } });
    const masks = await stdoutOf(sandbox.spawn('grep', ['-E', '^Sig(Blk|Ign)', '/proc/self/status']));
    assert.match(masks, /^SigBlk:\t0+\nSigIgn:\t0+$/);
    const full = await sandbox.spawn('sh', ['-c', 'cat /dev/zero > /tmp/file; true']);
    assert.deepEqual(full.limitsHit, ['scratch']);
    await stdoutOf(sandbox.spawn('rm', ['/tmp/file']));
    assert.deepEqual((await sandbox.spawn('true')).limitsHit, []);
  });

  void test('they are as confined as any step', async (context) => {
    const sandbox = await made(context);
    const status = await stdoutOf(sandbox.spawn('grep', ['-E', '^(Cap|NoNewPrivs|Seccomp)', '/proc/self/status']));
    assert.equal((status.match(/^Cap\w+:\t0+$/gm) ?? []).length, 5, status);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    const { enforced } = await sandbox.spawn('true');
    for (const layer of ['user', 'pid', 'mount', 'net', 'capabilities', 'seccomp'] as const) {
      assert.equal(enforced[layer].state, 'enforced', layer);
    }
  });

  void test('what another writes to the stdout of one that has ended is not read', async (context) => {
    const sandbox = await made(context);
    const other = python(
      sandbox,
      `
import array, os, socket
there = socket.socket(socket.AF_UNIX)
there.bind("/tmp/socket")
there.listen(1)
step, _ = there.accept()
_, [(_, _, data)], _, _ = step.recvmsg(2, socket.CMSG_SPACE(4))
stdout = array.array("i", data)[0]
step.recv(2)
for _ in range(4): os.fork()
while True: os.write(stdout, b"late" * 1024)`,
    );
    const one = sandbox.spawn('python3', [
      '-c',
      `
import array, fcntl, os, socket, time
def connected():
  step = socket.socket(socket.AF_UNIX)
  while True:
    try: step.connect("/tmp/socket"); return step
    except OSError: time.sleep(0.01)
step = connected()
step.sendmsg([b"1"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))])
fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20)
os.set_blocking(1, False)
full = 0
while full < 30:
  try: os.write(1, b"x" * 4096); full = 0
  except BlockingIOError: full += 1; time.sleep(0.01)
os.set_blocking(1, True)
step.send(b"2")
time.sleep(0.5)
os._exit(0)`,
    ]);
    one.stdout.pause();
    const { ok, stdout } = await one;
    assert.equal(ok, true);
    assert.match(String(stdout), /^x+$/);
    const { ok: well, stderr } = await other;
    assert.equal(well, false);
    assert.match(String(stderr), /BrokenPipeError/);
  });

  void test('400 of them leave nothing', async (context) => {
    const sandbox = await made(context);
    const burst = (): Promise<unknown> => Promise.all(Array.from({ length: 8 }, () => sandbox.spawn('true').result));
    for (let round = 0; round < 5; round++) await burst();
    const [spawner = 0] = spawnersOf(process.pid);
    const count = (): number[] => [
      countDescriptors(process.pid),
      countDescriptors(spawner),
      descendantsOf(spawner).length,
    ];
    await until('all have ended', () => descendantsOf(spawner).length < 20);
    const before = count();
    for (let round = 0; round < 45; round++) await burst();
    await until('it is as it was', () => count().every((now, index) => now <= (before[index] ?? 0) + 40));
  });

  void test('a keeper that does not end its command takes the sandbox along', async (context) => {
    const marker = uniqueMarker();
    const sandbox = await made(context);
    const other = sandbox.spawn('sh', ['-c', 'sleep 1000; true', uniqueMarker()]);
    const step = sandbox.spawn('sh', ['-c', 'sleep 1000; true', marker]);
    await untilRunning(marker);
    const [command = 0] = processesWith(marker);
    const keeper = parentOf(command);
    process.kill(keeper, 'SIGSTOP');
    step.kill();
    const results = [await step, await other];
    assert.deepEqual(
      results.map(({ cause, scope, status }) => [cause, scope, status]),
      [
        ['killed', 'step', -9],
        ['destroyed', 'sandbox', -9],
      ],
    );
    await untilGone(marker, 2000);
    await until('it is known to be over', () => isOver(sandbox));
  });

  void test('one that waits for its job and is stopped goes on', async (context) => {
    const sandbox = await made(context, { limits: { wallTime: '20s' } });
    const marker = uniqueMarker();
    const step = sandbox.spawn('sh', ['-c', 'sleep 1000; true', marker]);
    await untilRunning(marker);
    const [command = 0] = processesWith(marker);
    const init = parentOf(parentOf(command));
    const waiting = (): number[] =>
      descendantsOf(init)
        .map(({ pid }) => pid)
        .filter((pid) => parentOf(parentOf(pid)) === init && pid !== command);
    await until('one waits', () => waiting().length > 0);
    for (const pid of waiting()) process.kill(pid, 'SIGSTOP');
    const { cause } = await sandbox.spawn('true', [], { limits: { wallTime: '3s' } });
    assert.equal(cause, 'exit');
    step.kill();
    assert.equal((await step).cause, 'killed');
  });

  void test('a keeper that somebody else ends takes the sandbox along', async (context) => {
    const marker = uniqueMarker();
    const sandbox = await made(context);
    const step = sandbox.spawn('sh', ['-c', 'sleep 1000; true', marker]);
    await untilRunning(marker);
    const [command = 0] = processesWith(marker);
    process.kill(parentOf(command), 'SIGKILL');
    await assert.rejects(step.result, { code: 'ERR_STEP_LOST' });
    await untilGone(marker, 2000);
    await until('it is known to be over', () => isOver(sandbox));
  });

  const APP = `
import { createSandbox } from 'spawn-sandbox';
const sandbox = await createSandbox();
sandbox.spawn('sh', ['-c', 'setsid sleep 1000 & exec sleep 1000', process.env.MARKER]).result.catch(() => undefined);
const step = sandbox.spawn('sh', ['-c', 'sleep 1000; true', process.env.MARKER]);
step.result.catch(() => undefined);
console.log('ready');
setInterval(() => undefined, 1000);`;

  for (const who of ['app', 'spawner'] as const) {
    void test(`nothing of them is left when the ${who} is killed`, async (context) => {
      const marker = uniqueMarker();
      const app = startApp(context, APP, { env: { MARKER: marker } });
      assert.equal(await app.line(), 'ready');
      await untilRunning(marker, 1).catch(() => undefined);
      await until('they run', () => processesWith(marker).length > 0);
      const [spawner = 0] = spawnersOf(app.pid);
      const all = descendantsOf(spawner);
      assert.ok(all.length >= 5);
      process.kill(who === 'app' ? app.pid : spawner, 'SIGKILL');
      await untilGone(marker, 2000);
      await until('none of them is left', () =>
        all.every(
          ({ pid }) =>
            !descendantsOf(1).some((one) => one.pid === pid && all.some((each) => each.startTime === one.startTime)),
        ),
      );
    });
  }

  void test('a command that it was destroyed before is told that, whenever it was', async () => {
    const causes = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const sandbox = await createSandbox();
      const results = Array.from({ length: 10 }, () => sandbox.spawn('true').result);
      await delay(round % 20);
      const over = sandbox.destroy();
      for (const { cause } of await Promise.all(results)) causes.add(cause);
      await over;
    }
    assert.deepEqual([...causes].sort(), ['destroyed', 'exit']);
  });

  void test('more than there are descriptors for are refused, and those that there are can be used and destroyed', async (context) => {
    const code = `
import { createSandbox } from 'spawn-sandbox';
const made = await Promise.allSettled(Array.from({ length: 24 }, () => createSandbox()));
const sandboxes = made.filter(({ value }) => value !== undefined).map(({ value }) => value);
const codes = new Set(made.filter(({ reason }) => reason).map(({ reason }) => reason.code));
console.log(sandboxes.length > 2, [...codes].join());
await sandboxes[0].destroy();
console.log((await sandboxes[1].spawn('true')).ok);
await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()));
console.log('destroyed');`;
    const app = startApp(context, code, { command: ['prlimit', '--nofile=160:160', process.execPath] });
    assert.equal(await app.line(), 'true ERR_RESOURCES');
    assert.equal(await app.line(), 'true');
    assert.equal(await app.line(), 'destroyed');
    assert.equal((await app.ended).status, 0);
  });

  void test('one can be made while commands have all places', async (context) => {
    const code = `
import { configureSpawner, createSandbox } from 'spawn-sandbox';
configureSpawner({ maxConcurrent: 1, queueTimeout: '3s' });
const first = await createSandbox();
const step = first.spawn('sh', ['-c', 'echo runs; sleep 1000']);
for await (const line of step) break;
const second = await createSandbox();
console.log('made');
await first.destroy();
console.log((await second.spawn('true')).cause);
await second.destroy();`;
    const app = startApp(context, code);
    assert.equal(await app.line(), 'made');
    assert.equal(await app.line(), 'exit');
  });

  void test('closeSpawner() ends it', async () => {
    const sandbox = await createSandbox();
    const step = sandbox.spawn('sleep', ['1000']);
    await closeSpawner();
    const { cause, status } = await step;
    assert.deepEqual([cause, status], ['destroyed', -9]);
    assert.throws(() => sandbox.spawn('true'), { code: 'ERR_SANDBOX_CLOSED' });
  });
});

function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function isOver(sandbox: Sandbox): boolean {
  try {
    sandbox.spawn('true').result.catch(() => undefined);
    return false;
  } catch (error) {
    return (error as SandboxError).code === 'ERR_SANDBOX_CLOSED';
  }
}

/** From Linux 6.12 on Landlock keeps signals within a command. */
function hasScopes(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 12);
}
