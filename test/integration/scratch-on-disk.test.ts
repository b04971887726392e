import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createSandbox,
  createZygote,
  type Sandbox,
  type SandboxOptions,
  spawnSandbox,
  type StepResult,
} from 'spawn-sandbox';
import { answerOf, PACKAGE, startApp } from '../helpers/app.js';
import { isRoot } from '../helpers/privileges.js';
import { stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { ANY_FORM } from '../helpers/weaker.js';

const MEBIBYTE = 2 ** 20;
/** What a file system on a disk has beyond what was asked for, with room for our own directories. */
const SLACK = 4 * MEBIBYTE + 64 * 1024;
const ON_DISK = { scratchOn: 'disk' } as const;
const skip = !isRoot ? 'needs an app with root' : !existsSync('/dev/loop-control') && 'there are no loop devices';

function onDisk(limits: SandboxOptions['limits'], more: SandboxOptions = {}): SandboxOptions {
  return { ...more, limits: { ...limits }, filesystem: { ...more.filesystem, ...ON_DISK } };
}

function shell(script: string, options: SandboxOptions): Promise<StepResult> {
  return spawnSandbox('sh', ['-c', script], options).result;
}

async function overlaid(context: TestContext, source: string, limits: SandboxOptions['limits']): Promise<Sandbox> {
  const filesystem = { overlay: [{ source, target: '/project' }] };
  const sandbox = await createSandbox(onDisk(limits, { filesystem }));
  context.after(() => sandbox.destroy());
  return sandbox;
}

/** What loop devices have files without a name of a directory. */
function imagesIn(directory: string): readonly string[] {
  const devices = readdirSync('/sys/block').filter((name) => name.startsWith('loop'));
  return devices.filter((device) => {
    try {
      return readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8').startsWith(`${directory}/`);
    } catch {
      return false; // it has no file
    }
  });
}

/** An app in a mount namespace of its own, in which `before` was done. */
function unshared(before: string): readonly string[] {
  return ['unshare', '--mount', 'sh', '-ec', `${before}; exec "$@"`, 'sh', process.execPath];
}

const SAYS_WHY = `
  import { spawnSandbox, configureSpawner, closeSpawner } from 'spawn-sandbox';
  configureSpawner({ stateDirectory: process.env.STATE, ...(process.env.SCRATCH ? { scratchDirectory: process.env.SCRATCH } : {}) });
  const limits = { scratch: '64MiB' };
  const steps = ['disk', 'memory'].map((scratchOn) => spawnSandbox('true', [], { limits, filesystem: { scratchOn } }));
  const told = await Promise.all(steps.map((step) => step.then(({ cause }) => cause, ({ code, path, message }) => ({ code, path, message }))));
  console.log(JSON.stringify(told));
  await closeSpawner();`;

interface Refusal {
  readonly code: string;
  readonly path: string;
  readonly message: string;
}

/** Why there is no scratch space on a disk; without it the same app can work. */
async function refusal(
  context: TestContext,
  { before, scratch = '' }: { readonly before?: string; readonly scratch?: string },
): Promise<Refusal> {
  const env = { STATE: join(temporaryDirectory(context), 'state'), SCRATCH: scratch };
  const answer = await answerOf(context, SAYS_WHY, {
    env,
    ...(before === undefined ? {} : { command: unshared(before) }),
  });
  const [onDiskEnd, control] = answer as readonly [Refusal, string];
  assert.equal(control, 'exit');
  assert.equal(onDiskEnd.code, 'ERR_SCRATCH');
  return onDiskEnd;
}

void suite('scratch space on a disk', { skip }, () => {
  void test('holds more than the memory of the step', async () => {
    const script = 'head -c 200M /dev/zero > /tmp/a; head -c 100M /dev/zero > ~/b; cat /tmp/a ~/b | wc -c';
    const limits = { memory: '64MiB', scratch: '400MiB' };
    assert.equal(await stdoutOf('sh', ['-c', script], onDisk(limits)), String(300 * MEBIBYTE));
    assert.equal((await shell(script, { limits })).cause, 'oom', 'the control: in memory');
  });

  for (const size of ['1MiB', '8MiB', '300MiB'] as const) {
    void test(`of ${size} is as large as was asked for, /tmp, /dev/shm and home together`, async () => {
      const bytes = parseInt(size, 10) * MEBIBYTE;
      const third = Math.floor(bytes / 3);
      const fits = `for place in /tmp/a ~/b /dev/shm/c; do head -c ${third} /dev/zero > $place || exit; done`;
      // A block of each directory and of what tells where a file lies is a part of it.
      const little = await shell(fits, onDisk({ scratch: bytes + 64 * 1024 }));
      assert.deepEqual([little.ok, little.limitsHit], [true, []], String(little.stderr));
      const fills = `${fits.replaceAll(String(third), String(third * 3 + 2 * SLACK))}; true`;
      const { limitsHit, stdout, stderr } = await shell(
        `(${fills}); cat /tmp/a ~/b /dev/shm/c | wc -c`,
        onDisk({ scratch: bytes, fileSize: Infinity }),
      );
      assert.match(String(stderr), /No space left on device/);
      assert.ok(Number(stdout) >= bytes - 64 * 1024 && Number(stdout) <= bytes + SLACK, String(stdout));
      assert.deepEqual(limitsHit, ['scratch']);
    });
  }

  void test('is not said to be full where nothing was written, however small it is', async () => {
    for (const scratch of [1, '4KiB', '64KiB'] as const) {
      const { ok, limitsHit } = await spawnSandbox('true', [], onDisk({ scratch }));
      assert.deepEqual([ok, limitsHit], [true, []], String(scratch));
    }
  });

  void test('has as many inodes as it says, and tells when they are used up', async () => {
    const script = 'i=0; while true > /tmp/$i; do i=$((i+1)); done 2>/dev/null; ls /tmp | wc -l';
    const { stdout, limitsHit } = await shell(script, onDisk({ scratch: '16MiB' }));
    assert.ok(Number(stdout) > 900 && Number(stdout) <= 1100, String(stdout));
    assert.deepEqual(limitsHit, ['scratch']);
  });

  void test('is told to be full when a step is ended there, too', async () => {
    const waits = 'head -c 20M /dev/zero > /tmp/a; echo; sleep 1000';
    for (const [scratch, hit] of [
      ['8MiB', ['scratch']],
      ['64MiB', []],
    ] as const) {
      const step = spawnSandbox('sh', ['-c', waits], onDisk({ scratch, fileSize: Infinity }));
      for await (const line of step) if (line === '') step.kill();
      const { cause, limitsHit } = await step;
      assert.deepEqual([cause, limitsHit], ['killed', hit]);
    }
  });

  void test('bounds one file by all of it, unless a step asks for more', async () => {
    const script = 'truncate -s 9M /tmp/sparse && stat -c %s /tmp/sparse';
    const refused = await shell(script, onDisk({ scratch: '8MiB' }));
    assert.match(String(refused.stderr), /File size limit exceeded/);
    const asked = await shell(script, onDisk({ scratch: '8MiB', fileSize: '10MiB' }));
    assert.equal(Number(asked.stdout), 9 * MEBIBYTE);
  });

  void test('is empty for each step, and shows none of the host', async () => {
    const options = onDisk({ scratch: '8MiB' });
    const look =
      'find /tmp /var/tmp ~ /dev/shm -mindepth 1 | wc -l; echo x > /tmp/left; ls /dev; ls -l /proc/self/fd | wc -l';
    const memory = await stdoutOf('sh', ['-c', look]);
    for (const round of [1, 2]) assert.equal(await stdoutOf('sh', ['-c', look], options), memory, String(round));
  });

  void test('carries no set-id bit, no device and, where it is to be shared memory, no program', async () => {
    const script = `cp /bin/true /dev/shm/true; /dev/shm/true && echo executed
      cp /bin/true /tmp/true && /tmp/true && echo control
      chmod 4755 /tmp/true 2>/dev/null && echo set-id
      mknod /tmp/null c 1 3 2>/dev/null && echo device
      grep -c ' ext4 .*loop' /proc/self/mountinfo`;
    const { stdout } = await shell(script, onDisk({ scratch: '8MiB' }));
    assert.equal(stdout, 'control\n5\n');
    const mounts = await stdoutOf('grep', [' - ext4 loop', '/proc/self/mountinfo'], onDisk({ scratch: '8MiB' }));
    for (const mount of mounts.split('\n')) assert.match(mount, / rw,nosuid,nodev/);
  });

  void test('is the place where a sandbox that lives keeps the changes of its overlays', async (context) => {
    const directory = temporaryDirectory(context, { kept: 'old', gone: 'x', 'd/deep': 'x' });
    const sandbox = await overlaid(context, directory, { memory: '64MiB', scratch: '200MiB' });
    const script = 'cd /project; echo new > kept; rm gone; mv d e; head -c 100M /dev/zero > large';
    const { ok, stderr } = await sandbox.spawn('sh', ['-ec', script]);
    assert.ok(ok, String(stderr));
    const seen = (await sandbox.changes()).map(({ kind, path }) => `${kind} ${path}`).toSorted();
    assert.ok(seen.includes('modified /project/kept') && seen.includes('deleted /project/gone'), seen.join());
    await sandbox.commit();
    assert.equal(readFileSync(join(directory, 'kept'), 'utf8'), 'new\n');
    assert.ok(!existsSync(join(directory, 'gone')) && existsSync(join(directory, 'e/deep')));
    assert.equal(statSync(join(directory, 'large')).size, 100 * MEBIBYTE);
    assert.equal(statSync(join(directory, 'large')).uid, statSync(directory).uid);
    await sandbox.files.write('/tmp/by-the-app', 'text');
    assert.equal(Buffer.from(await sandbox.files.read('/tmp/by-the-app')).toString(), 'text');
  });

  void test('is no longer than commit() takes', async (context) => {
    const directory = temporaryDirectory(context);
    const sandbox = await overlaid(context, directory, { scratch: '8MiB', fileSize: Infinity });
    const { ok, stderr } = await sandbox.spawn('sh', ['-c', 'head -c 9M /dev/zero > /project/nine']);
    assert.ok(ok, String(stderr));
    await sandbox.commit();
    assert.equal(statSync(join(directory, 'nine')).size, 9 * MEBIBYTE);
  });

  void test('is there for steps of a zygote', async (context) => {
    const zygote = await createZygote({
      runtime: 'python',
      ...onDisk({ memory: '128MiB', scratch: '300MiB' }),
    });
    context.after(() => zygote.destroy());
    const code = `
with open('/tmp/large', 'wb') as file:
    for _ in range(200): file.write(bytes(1 << 20))
import os
print(os.stat('/tmp/large').st_size, len(os.listdir('/proc/self/fd')))`;
    const { stdout, detail } = await zygote.spawn({ code });
    assert.match(String(stdout), new RegExp(`^${200 * MEBIBYTE} \\d\\n$`), detail);
    const again = await zygote.spawn({ code: "import os; print(os.listdir('/tmp'))" });
    assert.equal(again.stdout, '[]\n');
  });

  void test('can be asked for on the command line', () => {
    const script = 'head -c 300M /dev/zero > /tmp/a && wc -c < /tmp/a';
    const flags = ['--memory', '64MiB', '--scratch', '400MiB', '--scratch-on', 'disk'];
    const args = [join(PACKAGE, 'dist/cli/main.js'), 'run', ...flags, '--', 'sh', '-c', script];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
    assert.deepEqual([status, stdout], [0, `${300 * MEBIBYTE}\n`], stderr);
  });

  for (const victim of ['app', 'nobody'] as const) {
    void test(`leaves nothing where it lay when ${victim} is killed`, async (context) => {
      const scratch = temporaryDirectory(context);
      const app = startApp(
        context,
        `import { spawnSandbox, configureSpawner, closeSpawner } from 'spawn-sandbox';
        configureSpawner({ stateDirectory: process.env.STATE, scratchDirectory: process.env.SCRATCH, pool: 2 });
        const step = spawnSandbox('sh', ['-c', 'head -c 50M /dev/zero > /tmp/a; echo up; sleep 1000'], {
          filesystem: { scratchOn: 'disk' },
        });
        process.stdin.resume().on('end', () => closeSpawner());
        for await (const line of step) console.log(line);`,
        { env: { STATE: join(temporaryDirectory(context), 'state'), SCRATCH: scratch } },
      );
      assert.equal(await app.line(), 'up');
      assert.notDeepEqual(imagesIn(scratch), [], 'the control: there is something to be left');
      assert.deepEqual(readdirSync(scratch), [], 'it has no name');
      if (victim === 'app') app.child.kill('SIGKILL');
      else app.child.stdin?.end();
      assert.equal((await app.ended).status, victim === 'app' ? null : 0);
      await until('the devices are free', () => imagesIn(scratch).length === 0, { within: 30_000 });
      assert.deepEqual(readdirSync(scratch), []);
    });
  }

  void test('is refused where only the devices themselves are missing', async (context) => {
    const before = `mount -t tmpfs tmpfs /mnt; (cd /mnt; mknod null c 1 3; mknod zero c 1 5; mknod full c 1 7; mknod random c 1 8
      mknod urandom c 1 9; mknod tty c 5 0; mknod loop-control c 10 237; mkdir pts shm; chmod 666 *); chmod 755 /mnt/pts /mnt/shm
      mount --move /mnt /dev`;
    const { path, message } = await refusal(context, { before });
    assert.match(path, /^\/dev\/loop\d+$/);
    assert.match(message, /is given loop devices/);
  });

  void test('is refused where the app may not write so much', async (context) => {
    const { message } = await refusal(context, { before: 'ulimit -f 20000' });
    assert.match(message, /file too large/i);
  });

  void test('is refused where there are no loop devices', async (context) => {
    const before = `mount -t tmpfs tmpfs /dev; (cd /dev; mkdir pts shm
      mknod -m 666 null c 1 3; mknod -m 666 zero c 1 5; mknod -m 666 full c 1 7
      mknod -m 666 random c 1 8; mknod -m 666 urandom c 1 9; mknod -m 666 tty c 5 0)`;
    const { path, message } = await refusal(context, { before });
    assert.equal(path, '/dev/loop-control');
    assert.match(message, /no such file.*loop devices/i);
  });

  void test('is refused where there is no mke2fs', async (context) => {
    const before = 'for program in /sbin/mke2fs /usr/sbin/mke2fs; do mount --bind /dev/null $program; done';
    assert.match((await refusal(context, { before })).message, /mke2fs of e2fsprogs .* Install e2fsprogs/);
  });

  void test('is refused in a directory that lies in memory, is missing, or has no room', async (context) => {
    const place = temporaryDirectory(context, { small: '' });
    for (const [before, scratch, message] of [
      [`mount -t tmpfs tmpfs ${place}`, place, /lies in memory.*scratchDirectory/],
      ['true', join(place, 'missing'), /no such file.*scratchDirectory/i],
      [
        `truncate -s 32M ${place}/small; PATH=/usr/sbin:/sbin:$PATH mke2fs -q -F -t ext4 -b 4096 ${place}/small >&2; mount -o loop ${place}/small /mnt`,
        '/mnt',
        /has no room for limits\.scratch/,
      ],
    ] as const) {
      assert.match((await refusal(context, { before, scratch })).message, message);
    }
  });
});

/** Programs that leave as many parts of a file as they can, each of which has to be given up. */
const SCATTER = `
import os
fd = os.open('/tmp/scattered', os.O_RDWR | os.O_CREAT)
for index in range(30000): os.pwrite(fd, b'x', index * 12288)
print('up', flush=True)`;

void suite('what a step can do with its scratch space on a disk', { skip }, () => {
  void test('is to take no room of the host but its own, and it has that from the beginning', async (context) => {
    const place = temporaryDirectory(context, { small: '' });
    const code = `
      import { createSandbox, configureSpawner, closeSpawner } from 'spawn-sandbox';
      configureSpawner({ stateDirectory: process.env.STATE, scratchDirectory: '/mnt' });
      const options = { filesystem: { scratchOn: 'disk' }, limits: { scratch: '64MiB' } };
      const first = await createSandbox(options);
      const second = await createSandbox(options).then(() => 'made', ({ code }) => code);
      const { ok } = await first.spawn('sh', ['-c', 'head -c 64M /dev/urandom > /tmp/a && sync /tmp/a && cat /tmp/a | wc -c']);
      await first.destroy();
      let third;
      for (let left = 100; left > 0 && third !== 'made'; left--) {
        third = await createSandbox(options).then(() => 'made', ({ code }) => code);
        if (third !== 'made') await new Promise((resolve) => setTimeout(resolve, 100));
      }
      console.log(JSON.stringify([second, ok, third]));
      await closeSpawner();`;
    const before = `truncate -s 120M ${place}/small; PATH=/usr/sbin:/sbin:$PATH mke2fs -q -F -t ext4 -b 4096 -m 0 ${place}/small; mount -o loop ${place}/small /mnt`;
    const answer = await answerOf(context, code, {
      env: { STATE: join(temporaryDirectory(context), 'state') },
      command: unshared(before),
    });
    assert.deepEqual(answer, ['ERR_SCRATCH', true, 'made']);
  });

  void test('is not to take what is reserved, whatever its id on the host', async (context) => {
    const code = `
      import { spawnSandbox, configureSpawner, closeSpawner } from 'spawn-sandbox';
      configureSpawner({ stateDirectory: process.env.STATE, uidRange: { start: 65533, count: 2 } });
      const { stdout } = await spawnSandbox('sh', ['-c', 'cat /proc/self/uid_map; cat /dev/zero > /tmp/a; wc -c < /tmp/a'], {
        filesystem: { scratchOn: 'disk' }, limits: { scratch: '8MiB', fileSize: Infinity },
      });
      console.log(JSON.stringify(stdout.trim().split('\\n').at(-1)));
      await closeSpawner();`;
    const written = await answerOf(context, code, { env: { STATE: join(temporaryDirectory(context), 'state') } });
    assert.ok(Number(written) > 8 * MEBIBYTE && Number(written) <= 8 * MEBIBYTE + SLACK, String(written));
  });

  void test('is nothing that the host could take for another kind of disk, nor what stays set there', async (context) => {
    const scratch = temporaryDirectory(context);
    const app = startApp(
      context,
      `import { spawnSandbox, configureSpawner, closeSpawner } from 'spawn-sandbox';
      configureSpawner({ stateDirectory: process.env.STATE, scratchDirectory: process.env.SCRATCH, pool: 0 });
      const step = spawnSandbox('sh', ['-c', 'yes > /tmp/a; sync /tmp/a; echo up; read line'], {
        stdin: 'pipe', filesystem: { scratchOn: 'disk' }, limits: { scratch: '8MiB', fileSize: Infinity },
      });
      process.stdin.on('data', () => step.stdin.end());
      for await (const line of step) console.log(line);
      await step;
      console.log('over');
      process.stdin.on('end', () => closeSpawner());`,
      { env: { STATE: join(temporaryDirectory(context), 'state'), SCRATCH: scratch } },
    );
    assert.equal(await app.line(), 'up');
    const [device = ''] = imagesIn(scratch);
    const setting = (name: string): string => readFileSync(`/sys/block/${device}/${name}`, 'utf8').trim();
    const end = Number(setting('size')) * 512;
    const bytes = readFileSync(`/dev/${device}`);
    assert.equal(bytes.length, end);
    assert.ok(bytes.subarray(end - MEBIBYTE).every((byte) => byte === 0));
    assert.ok(bytes.includes('y\ny\ny\ny\n'), 'the control: it has written there');
    assert.equal(setting('loop/dio'), '1');
    const limited = existsSync(`/sys/block/${device}/bdi/strict_limit`);
    if (limited) assert.equal(setting('bdi/strict_limit'), '1', 'the control');
    app.child.stdin?.write('on');
    assert.equal(await app.line(), 'over');
    await until('the device is free', () => imagesIn(scratch).length === 0, { within: 30_000 });
    if (limited) assert.equal(setting('bdi/strict_limit'), '0');
    app.child.stdin?.end();
    assert.equal((await app.ended).status, 0);
  });

  void test('is not to keep the app from hearing of its end', async () => {
    const step = spawnSandbox(
      'python3',
      ['-c', `${SCATTER}\nimport time; time.sleep(1000)`],
      onDisk({ scratch: '500MiB' }),
    );
    let killed = 0;
    for await (const line of step) {
      assert.equal(line, 'up');
      killed = performance.now();
      step.kill();
    }
    assert.equal((await step).cause, 'killed');
    const took = performance.now() - killed;
    assert.ok(took < 2000, `${took} ms`);
  });

  void test('is not to make the app wait when it is destroyed', async (context) => {
    const sandbox = await overlaid(context, temporaryDirectory(context), { scratch: '500MiB' });
    const { ok, stderr } = await sandbox.spawn('python3', ['-c', SCATTER]);
    assert.ok(ok, String(stderr));
    const delays = monitorEventLoopDelay({ resolution: 5 });
    delays.enable();
    const begun = performance.now();
    await sandbox.destroy();
    const took = performance.now() - begun;
    await sleep(50);
    delays.disable();
    assert.ok(took < 2000 && delays.max < 1e9, `${took} ms, ${delays.max / 1e6} ms`);
  });
});

void suite('scratch space on a disk for an app without root', { skip: isRoot && 'needs an app without root' }, () => {
  void test('is refused, and not put into memory instead', async (context) => {
    const { path, message } = await refusal(context, {});
    assert.equal(path, '/dev/loop-control');
    assert.match(message, /takes an app with root/);
    await assert.rejects(createSandbox({ ...ANY_FORM, filesystem: ON_DISK }), { code: 'ERR_SCRATCH' });
  });
});
