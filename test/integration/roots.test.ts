import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { createSandbox, type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { findInPath } from '#src/policy/lookup.js';
import { hidesDirectories } from '../helpers/hides-directories.js';
import { isRoot } from '../helpers/privileges.js';
import { stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';

const DEBIAN = process.env['SPAWN_SANDBOX_DEBIAN_ROOT'];

/** The least that can be called a system: one program under many names. */
function busyboxRoot(context: TestContext): string {
  const root = temporaryDirectory(context, {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\ngames:x:5:60:games:/usr/games:/bin/sh\nsandbox:x:7:7::/:/bin/sh\n',
    'etc/motd': 'hello\n',
    'opt/tool/data': 'data\n',
    'top-file': 'top\n',
    'proc/fake': 'fake\n',
    'dev/fake': 'fake\n',
  });
  mkdirSync(join(root, 'bin'));
  copyFileSync(findInPath('busybox', process.env['PATH'] ?? '') ?? '', join(root, 'bin/busybox'));
  for (const name of ['sh', 'ls', 'cat', 'id', 'mkdir', 'rm', 'whoami', 'touch', 'head', 'ln', 'stat', 'find'])
    symlinkSync('busybox', join(root, 'bin', name));
  symlinkSync('bin', join(root, 'sbin'));
  return root;
}

function listing(directory: string): string {
  return execFileSync('find', [directory, '-printf', '%P %y %m %U:%G %s %l %T@\\n'], { encoding: 'latin1' });
}

const inRoot = (root: string, more: SandboxOptions['filesystem'] = {}): SandboxOptions => ({
  filesystem: { root, ...more },
});
const sh = (script: string, options: SandboxOptions): Promise<string> => stdoutOf('sh', ['-c', script], options);

void suite('a whole root', () => {
  testWith(['busybox'], 'is all that a step sees, with the sandbox’s own kernel tree and accounts', async (context) => {
    const options = inRoot(busyboxRoot(context));
    assert.equal(
      await sh('cat /etc/motd /top-file; whoami; id -u; ls /opt/tool', options),
      'hello\ntop\nsandbox\n1000\ndata',
    );
    assert.equal(
      await sh('cat /etc/passwd', options),
      'root:x:0:0:root:/root:/bin/sh\nsandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh\ngames:x:5:60:games:/usr/games:/bin/sh',
    );
    assert.equal(
      await sh('ls -d /usr /lib /proc/fake /dev/fake 2>/dev/null; ls /dev/null /proc/self/status', options),
      '/dev/null\n/proc/self/status',
    );
    assert.equal(
      await sh('pwd; touch ~/x /tmp/y && ls -A ~ /.root', options),
      '/home/sandbox\n/.root:\n\n/home/sandbox:\nx',
    );
    assert.match(await sh('ls -d /usr/bin', {}), /\/usr\/bin/, 'the control: without a root');
  });

  testWith(['busybox'], 'can be written to, and is the same for the next', async (context) => {
    const root = busyboxRoot(context);
    const before = listing(root);
    const script = `echo x >> /etc/motd; rm -r /opt/tool${hidesDirectories ? '' : '/data'}; touch /bin/new; rm /bin/cat; ls /bin/new /opt; cat /etc/motd 2>/dev/null || busybox cat /etc/motd`;
    const shown = `/bin/new\n\n/opt:\n${hidesDirectories ? '' : 'tool\n'}hello\nx`;
    for (let round = 0; round < 2; round++) assert.equal(await sh(script, inRoot(root)), shown);
    assert.equal(listing(root), before);
    const full = await spawnSandbox('sh', ['-c', 'head -c 3000000 /dev/zero > /opt/big'], {
      ...inRoot(root),
      limits: { scratch: '2MiB' },
    });
    assert.deepEqual(full.limitsHit, ['scratch']);
  });

  testWith(['busybox'], 'lives as long as its sandbox does', async (context) => {
    const sandbox = await createSandbox(inRoot(busyboxRoot(context)));
    try {
      await sandbox.spawn('sh', ['-c', 'echo kept > /opt/kept']);
      assert.equal((await sandbox.spawn('cat', ['/opt/kept'])).stdout, 'kept\n');
      assert.deepEqual(await sandbox.changes(), [], 'what is written to a root is thrown away, and is no change');
    } finally {
      await sandbox.destroy();
    }
  });

  testWith(['busybox'], 'has mounts and rules where there is no place for them', async (context) => {
    const root = busyboxRoot(context);
    const shared = temporaryDirectory(context, { file: 'shared\n', secret: 'SECRET' });
    const before = listing(root);
    for (const [target, access] of [
      ['/opt/new/deep', 'readOnly'],
      ['/srv/x', 'overlay'],
      ['/opt/tool', 'writable'],
    ] as const) {
      const options = inRoot(root, { [access]: [{ source: shared, target }], hide: ['secret', '/etc/motd'] });
      assert.equal(await sh(`cat ${target}/file ${target}/secret /etc/motd`, options), 'shared', target);
    }
    assert.equal(listing(root), before);
  });

  testWith(['busybox'], 'that is hostile leads to nothing of the host’s', async (context) => {
    const secret = temporaryDirectory(context, { passwd: 'secret:x:1:1::/:/bin/sh\n', file: 'SECRET' });
    const root = busyboxRoot(context);
    execFileSync('rm', ['-r', join(root, 'etc')]);
    symlinkSync(secret, join(root, 'etc'));
    symlinkSync(secret, join(root, 'srv'));
    symlinkSync('/', join(root, 'out'));
    symlinkSync('/proc/1/root', join(root, 'magic'));
    execFileSync('mkfifo', [join(root, 'fifo')]);
    const options = inRoot(root, { readOnly: [{ source: join(root, 'opt'), target: '/data' }] });
    const said = await spawnSandbox(
      'sh',
      ['-c', `cat /etc/passwd /etc/file /srv/file /out${secret}/file /magic${secret}/file; ls /data`],
      options,
    ).result.catch((error: unknown) => error as Error);
    if (said instanceof Error) assert.equal((said as { code?: string }).code, 'ERR_MOUNT_TARGET');
    else assert.doesNotMatch(String(said.stdout), /SECRET|secret/);
    assert.deepEqual(readdirSync(secret), ['file', 'passwd']);
  });

  testWith(['busybox'], 'that is hostile does not lift what is covered', async (context) => {
    const root = busyboxRoot(context);
    const covered = 'wc -c < /proc/kallsyms; ls -A /.covers /.root; touch /.covers/file 2>&1';
    const expected = '0\n/.covers:\ndirectory\nfile\n\n/.root:\ntouch: /.covers/file: Read-only file system';
    const attempt = async (): Promise<string> =>
      await sh(`ln -s busybox /bin/wc 2>/dev/null; ${covered}; true`, inRoot(root));
    assert.equal(await attempt(), expected, 'the control: without anything hostile');
    mkdirSync(join(root, '.covers/directory'), { recursive: true });
    for (const make of [
      () => {
        writeFileSync(join(root, '.covers/file'), 'HOSTILE');
      },
      () => {
        execFileSync('rm', [join(root, '.covers/file')]);
        symlinkSync('/proc/kallsyms', join(root, '.covers/file'));
      },
      () => {
        execFileSync('rm', ['-r', join(root, '.covers')]);
        symlinkSync('bin', join(root, '.covers'));
        symlinkSync('bin', join(root, '.root'));
      },
    ]) {
      make();
      assert.equal(await attempt(), expected);
    }
  });

  testWith(['busybox'], 'needs its own programs, and must be there', async (context) => {
    const root = busyboxRoot(context);
    await assert.rejects(spawnSandbox('python3', [], inRoot(root)).result, { code: 'ERR_COMMAND_NOT_FOUND' });
    await assert.rejects(spawnSandbox('sh', [], inRoot(join(root, 'nothing'))).result, { code: 'ERR_MOUNT_SOURCE' });
    await assert.rejects(spawnSandbox('sh', [], inRoot(join(root, 'top-file'))).result, { code: 'ERR_MOUNT_TARGET' });
    writeFileSync(join(root, 'etc/passwd'), 'x'.repeat(2 << 20));
    assert.equal(await sh('whoami', inRoot(root)), 'sandbox');
  });

  if (DEBIAN !== undefined) {
    void test('of Debian runs its programs', async () => {
      const options = inRoot(DEBIAN);
      assert.match(
        await sh('cat /etc/debian_version; python3 -c "print(6 * 7)"; perl -e "print 5 * 5"', options),
        /^12\.\d+\n42\n25$/,
      );
      assert.match(await sh('dpkg -l | wc -l; getent passwd games | cut -d: -f1', options), /^\d\d\d?\ngames$/);
      const before = listing(join(DEBIAN, 'var/lib/dpkg'));
      const { status } = await spawnSandbox('sh', ['-c', 'rm -rf /var/lib/dpkg; ls /var/lib/dpkg'], options);
      assert.equal(status, isRoot ? 2 : 0, 'who does not own the root may not change it');
      assert.equal(listing(join(DEBIAN, 'var/lib/dpkg')), before);
      assert.ok(existsSync(join(DEBIAN, 'var/lib/dpkg')));
    });
  }
});
