// A hostile command beside the operations on a sandbox's files, in the sandbox and where both it and the app can write.
import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createSandbox, type Sandbox, type SandboxError, type SandboxOptions } from 'spawn-sandbox';
import { planStep } from '#src/plan.js';
import { encodeStartSettings } from '#src/spawner/codec.js';
import { loadAddon } from '#src/spawner/locate.js';
import { sharedConnection } from '#src/spawner/shared.js';
import { startSettings } from '#src/policy/start-settings.js';
import { RunningStep } from '#src/step/running-step.js';
import { isRoot } from '../helpers/privileges.js';
import { scopesSignals } from '../helpers/scopes-signals.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

async function made(context: TestContext, options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await createSandbox(options);
  context.after(() => sandbox.destroy());
  return sandbox;
}

async function sh(sandbox: Sandbox, script: string): Promise<string> {
  const { ok, stdout, stderr, detail } = await sandbox.spawn('sh', ['-c', script]);
  assert.ok(ok, `${detail} ${String(stderr)}`);
  return String(stdout);
}

/** A command that goes on until it is ended; resolves when it has begun. */
async function attack(sandbox: Sandbox, code: string): Promise<() => Promise<void>> {
  const limits = { wallTime: '10m' }; // a slow machine takes some for what it is attacked at
  const step = sandbox.spawn('python3', ['-c', `${RENAME}\nprint("begun", flush=True)\n${code}`], { limits });
  for await (const line of step) {
    assert.equal(line, 'begun');
    break;
  }
  return async () => {
    step.kill();
    const { cause, stderr } = await step;
    assert.equal(cause, 'killed', String(stderr));
  };
}

/** exchange(one, other): two names change places at once. */
const RENAME = `
import ctypes, os, glob, shutil, time
libc = ctypes.CDLL(None, use_errno=True)
def exchange(one, other): return libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)`;

const codeOf = (error: unknown): string => (error as SandboxError).code;

void suite('a hostile command and the files of its sandbox', () => {
  void test('what does it is confined as commands are, and has nothing else open', async (context) => {
    const { files, spawn } = bound(await made(context));
    const status = await files.read('/proc/self/status', { encoding: 'utf8' });
    assert.match(status, /^Name:\tsandbox-files$/m);
    const command = String((await spawn('cat', ['/proc/self/status'])).stdout);
    for (const name of [
      'Uid',
      'Gid',
      'Groups',
      'CapInh',
      'CapPrm',
      'CapEff',
      'CapBnd',
      'CapAmb',
      'NoNewPrivs',
      'Seccomp',
      'Seccomp_filters',
    ]) {
      const line = new RegExp(`^${name}:\t.*$`, 'm');
      assert.equal(line.exec(status)?.[0], line.exec(command)?.[0], name);
    }
    assert.match(status, /^CapEff:\t0+$/m);
    assert.deepEqual(
      (await files.list('/proc/self/fd')).map(({ name }) => name),
      ['0', '1', '2', '3'],
      '3 is the directory itself',
    );
    for (const name of ['net', 'mnt', 'pid', 'user', 'ipc', 'uts', 'cgroup']) {
      const { target } = await files.stat(`/proc/self/ns/${name}`);
      assert.equal(`${String(target)}\n`, String((await spawn('readlink', [`/proc/self/ns/${name}`])).stdout));
    }
  });

  void test('it is for sandboxes that live, and no other step can be it', async () => {
    const plan = planStep('true', [], {});
    const settings = encodeStartSettings({
      ...startSettings(plan.options, { file: '', key: '', mounts: [], bins: [] }, false),
      builtin: 1,
    });
    const start = (settings: Uint8Array): Pick<RunningStep, 'result'> => {
      const context = { addon: loadAddon(), connection: sharedConnection, onSettled: () => undefined };
      const step = new RunningStep({ ...plan, settings }, { kind: 'none' }, undefined, context);
      step.start();
      return step;
    };
    await assert.rejects(start(settings).result, { code: 'ERR_PROTOCOL' });
    assert.equal((await start(plan.settings).result).ok, true, 'control');
  });

  void test('links lead to nothing that commands cannot reach', async (context) => {
    const host = temporaryDirectory(context, { secret: 'secret of the host' });
    const { all, files } = bound(await made(context));
    await sh(
      all,
      `ln -s ${host} /tmp/out; ln -s ${host}/secret /tmp/secret; ln -s /proc/1/root /tmp/init; ln -s /proc/1/cwd /tmp/cwd; ln -s ../../../../../../../../etc/passwd /tmp/up`,
    );
    await assert.rejects(files.read('/tmp/out/secret'), { code: 'ERR_FILES', errno: 2 });
    await assert.rejects(files.read('/tmp/secret'), { code: 'ERR_FILES', errno: 2 });
    await assert.rejects(files.list('/tmp/out'), { code: 'ERR_FILES', errno: 2 });
    await assert.rejects(files.write('/tmp/out/new', 'x'), { code: 'ERR_FILES', errno: 2 });
    await assert.rejects(files.copyIn(join(host, 'secret'), '/tmp/out/new'), { code: 'ERR_FILES', errno: 2 });
    await assert.rejects(files.copyOut('/tmp/out/secret', join(host, 'x')), { code: 'ERR_FILES', errno: 2 });
    await assert.rejects(files.list('/tmp/init/'), { code: 'ERR_FILES', errno: 13 });
    await assert.rejects(files.read('/tmp/cwd/etc/passwd'), { code: 'ERR_FILES', errno: 13 });
    assert.equal(await files.read('/tmp/up', { encoding: 'utf8' }), await sh(all, 'cat /etc/passwd'));
    assert.notEqual(await files.read('/tmp/up', { encoding: 'utf8' }), readFileSync('/etc/passwd', 'utf8'));
    assert.equal(readFileSync(join(host, 'secret'), 'utf8'), 'secret of the host', 'control: the app itself can');
    assert.deepEqual(readdirSync(host), ['secret']);
  });

  void test('a link in the way is not written through', async (context) => {
    const { all, files } = bound(await made(context));
    const host = temporaryDirectory(context, { file: 'new' });
    await sh(all, 'cd /tmp; echo old > victim; for i in 1 2 3; do ln -s victim link$i; done');
    await files.write('/tmp/link1', 'new');
    await files.copyIn(join(host, 'file'), '/tmp/link2', { overwrite: true });
    await files.remove('/tmp/link3', { recursive: true });
    assert.equal(await sh(all, 'cd /tmp; cat victim; find . -type l'), 'old\n');
    await sh(all, 'cd /tmp; ln -s victim link; echo through > link');
    assert.equal(await sh(all, 'cat /tmp/victim'), 'through\n', 'control');
  });

  void test('fifos, sockets and devices are refused, and nobody waits for them', async (context) => {
    const { all, files, spawn } = bound(await made(context));
    const host = temporaryDirectory(context);
    await sh(
      all,
      'mkdir /tmp/d; mkfifo /tmp/d/fifo; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\'/tmp/d/socket\')"; ln -s fifo /tmp/d/link',
    );
    const begun = performance.now();
    for (const path of [
      '/tmp/d/fifo',
      '/tmp/d/socket',
      '/tmp/d/link',
      '/dev/zero',
      '/dev/full',
      '/proc/self/fd/0',
      '/proc/self/fd/1',
      '/tmp/d',
      '/proc/self/ns/net',
    ]) {
      await assert.rejects(files.read(path), { code: 'ERR_FILES' }, path);
    }
    for (const path of ['/tmp/d/fifo', '/tmp/d/socket', '/dev/null']) {
      await assert.rejects(files.write(path, 'x'), { code: 'ERR_FILES' }, path);
      await assert.rejects(files.copyOut(path, join(host, 'x')), { code: 'ERR_FILES' }, path);
    }
    const copied = await files.copyOut('/tmp/d', join(host, 'd'));
    assert.deepEqual([copied.links, copied.skipped, readdirSync(join(host, 'd'))], [1, 2, ['link']]);
    assert.ok(performance.now() - begun < 10_000);
    const { cause } = await spawn('cat', ['/tmp/d/fifo'], { limits: { wallTime: 300 } });
    assert.equal(cause, 'wallTimeout', 'control: who opens it waits');
  });

  void test('whoever exchanges a file for a link, a fifo or a directory gets no other file copied in its place', async (context) => {
    const { all, files } = bound(await made(context));
    const host = temporaryDirectory(context);
    await sh(
      all,
      'mkdir /tmp/d /tmp/away; echo hers > /tmp/d/f; echo precious > /tmp/away/f;  cd /tmp; ln -s /tmp/away/f link; mkfifo fifo; mkdir dir; ln -s /tmp/away linkdir; mkdir d/sub; echo hers > d/sub/f',
    );
    const endAttack = await attack(
      all,
      `
while True:
  for one, other in (("link", "d/f"), ("fifo", "d/f"), ("dir", "d/f"), ("linkdir", "d/sub")):
    exchange("/tmp/" + one, "/tmp/" + other); exchange("/tmp/" + one, "/tmp/" + other)`,
    );
    let copied = 0;
    const met = new Set<string>();
    for (let round = 0; round < 150; round++) {
      const target = join(host, String(round));
      try {
        await files.copyOut('/tmp/d', target, { links: 'skip', timeout: '5s' });
        copied++;
        for (const name of ['f', 'sub/f']) {
          const found = await readFile(join(target, name), 'utf8').catch(() => 'none');
          met.add(found.trim());
        }
      } catch (error) {
        assert.equal(codeOf(error), 'ERR_FILES', String(error));
      }
    }
    await endAttack();
    assert.ok(copied > 50, `${copied} copies`);
    assert.ok(met.has('hers'));
    assert.ok(!met.has('precious'), 'it was not followed');
    const control = await all.spawn('python3', [
      '-c',
      `${RENAME}
import threading
open("/tmp/c", "w").close()
os.symlink("/tmp/away/f", "/tmp/clink")
def swap():
  while True: exchange("/tmp/clink", "/tmp/c")
threading.Thread(target=swap, daemon=True).start()
print("precious" in "".join(open("/tmp/c").read() for _ in range(20000)))`,
    ]);
    assert.match(String(control.stdout), /True/, 'control: who follows reads the other');
  });

  void test('whoever exchanges a directory for a link while it is removed loses nothing else', async (context) => {
    const { all, files } = bound(await made(context));
    await sh(all, 'mkdir -p ~/precious; touch ~/precious/file; mkdir /tmp/d');
    const endAttack = await attack(
      all,
      `
n = 0
while True:
  n += 1
  try:
    os.makedirs("/tmp/d/a/b", exist_ok=True)
    for i in range(20): open(f"/tmp/d/a/b/{i}", "w").close()
    try: os.symlink("/home/sandbox/precious", "/tmp/link")
    except FileExistsError: pass
    for where in ("/tmp/d/a", "/tmp/d/a/b"):
      exchange("/tmp/link", where); exchange("/tmp/link", where)
  except OSError: pass`,
    );
    let removed = 0;
    for (let round = 0; round < 150; round++) {
      try {
        await files.remove('/tmp/d', { recursive: true, timeout: '5s' });
        removed++;
      } catch (error) {
        assert.equal(codeOf(error), 'ERR_FILES', String(error));
      }
    }
    await endAttack();
    assert.ok(removed > 10, `${removed} times`);
    assert.equal(await sh(all, 'ls ~/precious'), 'file\n');
    await sh(all, 'rm -rf /tmp/link; ln -s ~/precious /tmp/link; rm -rf /tmp/link/*');
    assert.equal(await sh(all, 'ls ~/precious'), '', 'control: by way of the link it could be removed');
  });

  void test('who adds to a directory without end keeps nobody longer than the deadline', async (context) => {
    const { all, files } = bound(await made(context));
    await sh(all, 'mkdir /tmp/d; truncate -s 1T /tmp/endless');
    const endAttack = await attack(
      all,
      `
n = 0
while True:
  n += 1
  try: open(f"/tmp/d/{n}", "w").close()
  except OSError: pass`,
    );
    const begun = performance.now();
    const outcomes = await Promise.allSettled([
      files.remove('/tmp/d', { recursive: true, timeout: '1s' }),
      files.read('/tmp/endless', { limit: Infinity, timeout: '1s' }).then(() => assert.fail()),
      files.copyOut('/tmp/endless', join(temporaryDirectory(context), 'x'), { timeout: '1s' }),
    ]);
    assert.ok(performance.now() - begun < 5000);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.equal(codeOf(outcome.reason), 'ERR_FILES', String(outcome.reason));
    }
    assert.deepEqual(
      outcomes.slice(1).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await endAttack();
  });

  void test('who ends and stops whatever it can keeps nobody waiting', async (context) => {
    const { all, files } = bound(await made(context));
    await files.write('/tmp/f', 'x');
    const endAttack = await attack(
      all,
      `
import signal
while True:
  for number in (signal.SIGSTOP, signal.SIGKILL):
    for pid in os.listdir("/proc"):
      try:
        if pid.isdigit() and int(pid) != os.getpid(): os.kill(int(pid), number)
      except OSError: pass
    time.sleep(0.001)`,
    );
    const begun = performance.now();
    // Where its keeper has the command's identity, and signals are not scoped, the sandbox is over when that is ended.
    const sandbox = { isOver: false };
    const mayBeOver = !isRoot && !scopesSignals;
    void all.ended.then(() => (sandbox.isOver = true));
    const codes = mayBeOver ? /^ERR_(FILES|STEP_LOST|SANDBOX_CLOSED)$/ : /^ERR_(FILES|STEP_LOST)$/;
    let done = 0;
    for (let round = 0; round < 40; round++) {
      const outcomes = await Promise.allSettled([
        files.read('/tmp/f', { timeout: '3s' }),
        files.write(`/tmp/${round}`, 'y', { timeout: '3s' }),
      ]);
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') done++;
        else assert.match(codeOf(outcome.reason), codes, String(outcome.reason));
      }
    }
    assert.ok(performance.now() - begun < 60_000);
    assert.ok(mayBeOver || !sandbox.isOver);
    if (sandbox.isOver) return;
    await endAttack();
    assert.ok(done > 0 || (await files.read('/tmp/f')).length === 1);
    assert.equal(await files.read('/tmp/f', { encoding: 'utf8' }), 'x', 'afterwards it is as before');
  });

  void test('a copy into a directory where the sandbox can write stays in it', async (context) => {
    const host = temporaryDirectory(context, { 'shared/there': '', 'victim/there': '' });
    const [shared, victim] = [join(host, 'shared'), join(host, 'victim')];
    const { all, files } = bound(await made(context, { filesystem: { writable: [shared] } }));
    await sh(
      all,
      'mkdir -p /tmp/d/a/b/c; for i in 1 2 3 4 5; do echo $i | tee /tmp/d/$i /tmp/d/a/$i /tmp/d/a/b/$i /tmp/d/a/b/c/$i; done',
    );
    const swap = `
n = 0
while True:
  found = [path for pattern in (".spawn-sandbox-*", ".spawn-sandbox-*/copy", ".spawn-sandbox-*/copy/a/b", "naive-??????") for path in glob.glob("${shared}/" + pattern)]
  for path in found:
    n += 1
    evil = f"${shared}/evil-{n}"
    os.symlink("${victim}", evil)
    if exchange(evil, path) == 0:
      time.sleep(0.0005)
      exchange(evil, path)
    try: os.unlink(evil)
    except OSError: shutil.rmtree(evil, ignore_errors=True)`;
    const endAttack = await attack(all, swap);
    let copied = 0;
    for (let round = 0; round < 100; round++) {
      try {
        await files.copyOut('/tmp/d', join(shared, `out${round}`), { timeout: '5s' });
        copied++;
      } catch (error) {
        assert.equal(codeOf(error), 'ERR_FILES', String(error));
      }
    }
    assert.deepEqual(readdirSync(victim), ['there']);
    const leaves = async (): Promise<boolean> => {
      await naiveCopy(shared);
      return readdirSync(victim).length > 1;
    };
    await until('a copy by paths leaves it, which is the control', leaves, { within: 60_000 });
    await endAttack();
    assert.ok(copied > 0, `${copied} copies`);
  });

  void test('a copy from a directory where the sandbox can write takes nothing else along', async (context) => {
    const host = temporaryDirectory(context, { 'shared/tree/a/file': 'hers', 'victim/file': 'secret' });
    const [shared, victim] = [join(host, 'shared'), join(host, 'victim')];
    if (process.getuid?.() === 0)
      for (const path of [shared, join(shared, 'tree'), join(shared, 'tree/a')]) chmodSync(path, 0o777);
    const { all, files } = bound(await made(context, { filesystem: { writable: [shared] } }));
    const endAttack = await attack(
      all,
      `
os.symlink("${victim}", "${shared}/evil")
os.symlink("${victim}/file", "${shared}/evilfile")
while True:
  exchange("${shared}/evil", "${shared}/tree/a"); exchange("${shared}/evil", "${shared}/tree/a")
  exchange("${shared}/evilfile", "${shared}/tree/a/file"); exchange("${shared}/evilfile", "${shared}/tree/a/file")`,
    );
    let copied = 0;
    for (let round = 0; round < 150; round++) {
      try {
        await files.copyIn(join(shared, 'tree'), `/tmp/${round}`, { timeout: '5s' });
        copied++;
      } catch (error) {
        assert.equal(codeOf(error), 'ERR_FILES', String(error));
      }
    }
    assert.equal(await sh(all, 'grep -rl secret /tmp || true'), '');
    assert.ok(copied > 20, `${copied} copies`);
    assert.ok((await sh(all, 'grep -rl hers /tmp | head -1')).length > 0);
    let leaked = false;
    for (let round = 0; round < 3000 && !leaked; round++) {
      const naive = await mkdtemp(join(host, 'naive-'));
      await cp(join(shared, 'tree'), naive, { recursive: true, dereference: true }).catch(() => undefined);
      leaked = (await readFile(join(naive, 'a/file'), 'utf8').catch(() => '')) === 'secret';
      rmSync(naive, { recursive: true });
    }
    assert.ok(leaked, 'control: by paths it is');
    await endAttack();
  });

  void test('set-id bits and modes that shut the app out do not come along', async (context) => {
    const host = temporaryDirectory(context);
    const { all, files } = bound(await made(context));
    await sh(all, 'mkdir -p /tmp/d/shut; touch /tmp/d/open /tmp/d/shut/f; chmod 0777 /tmp/d/open; chmod 1777 /tmp/d');
    await files.copyOut('/tmp/d', join(host, 'd'));
    rmSync(join(host, 'd'), { recursive: true });
    writeFileSync(join(host, 'set'), '');
    chmodSync(join(host, 'set'), 0o6755);
    await files.copyIn(join(host, 'set'), '/tmp/set');
    assert.equal((await files.stat('/tmp/set')).mode, 0o755);
  });
});

/** As one would write it who trusts paths. */
async function naiveCopy(shared: string): Promise<void> {
  try {
    // What is left of those before would keep the attack busy.
    for (const left of readdirSync(shared).filter((name) => /^(naive|evil)-/.test(name)))
      await rm(join(shared, left), { recursive: true, force: true }).catch(() => undefined);
    const staging = await mkdtemp(join(shared, 'naive-'));
    for (let index = 0; index < 20; index++) {
      await writeFile(join(staging, `f${index}`), 'x');
      await delay(1);
    }
    await rm(staging, { recursive: true, force: true });
  } catch {
    // It was in the way of what changes it.
  }
}

function bound(all: Sandbox): { all: Sandbox; files: Sandbox['files']; spawn: Sandbox['spawn'] } {
  return { all, files: all.files, spawn: all.spawn.bind(all) };
}
