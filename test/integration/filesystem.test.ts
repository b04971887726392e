import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { spawnSandbox, type SandboxOptions } from 'spawn-sandbox';
import { answerOf } from '../helpers/app.js';
import { isRoot } from '../helpers/privileges.js';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const SET_ID_BITS = 0o6000;

/** A directory that a step may write: of the app's own user, or of anybody when that is root. */
function writableDirectory(context: TestContext): string {
  const directory = temporaryDirectory(context);
  chmodSync(directory, 0o755);
  return directory;
}

function attempt(script: string, options: SandboxOptions = {}): Promise<string> {
  return stdoutOf('sh', ['-c', `{ ${script}; } 2>/dev/null && echo yes || echo no`], options);
}

void suite('what a step sees of the host', () => {
  void test('nothing of it but the system, unless asked for', async (context) => {
    const directory = temporaryDirectory(context, { secret: 'secret' });
    assert.equal(await attempt(`cat ${directory}/secret`), 'no');
    assert.equal(
      await stdoutOf('sh', ['-c', 'ls -A /home /root /srv /opt /mnt /run /sys 2>/dev/null | grep -v ":$" | grep .']),
      'sandbox',
    );
    assert.equal(
      await stdoutOf('cat', [`${directory}/secret`], { filesystem: { readOnly: [directory] } }),
      'secret',
      'the control',
    );
  });

  void test('/etc/shadow and other files of /etc are not there', async () => {
    for (const name of ['shadow', 'sudoers', 'machine-id', 'ssh'])
      assert.equal(await attempt(`ls -d /etc/${name}`), 'no');
  });

  void test('the system cannot be written, nor the root, nor /proc', async () => {
    for (const path of [
      '/usr/x',
      '/bin/x',
      '/etc/x',
      '/x',
      '/var/x',
      '/dev/x',
      '/proc/sys/kernel/hostname',
      '/proc/self/oom_score_adj',
      '/proc/self/comm',
    ]) {
      assert.equal(await attempt(`echo x > ${path}`), 'no', path);
    }
    for (const path of ['/tmp/x', '/dev/shm/x', '/var/tmp/x', '~/x'])
      assert.equal(await attempt(`echo x > ${path}`), 'yes', `the control: ${path}`);
  });

  void test('what one step wrote to its scratch is not seen by the next', async () => {
    await run('sh', ['-c', 'echo x > /tmp/left; echo x > ~/left; echo x > /dev/shm/left']);
    assert.equal(await stdoutOf('sh', ['-c', 'ls -A /tmp ~ /dev/shm | grep left || echo clean']), 'clean');
    assert.equal(existsSync('/tmp/left'), false);
  });
});

void suite('readOnly', () => {
  void test('shows a directory with all below it, not writable', async (context) => {
    const directory = temporaryDirectory(context, { 'deep/file': 'content' });
    chmodSync(join(directory, 'deep/file'), 0o666);
    chmodSync(directory, 0o777);
    const options = { filesystem: { readOnly: [directory] } };
    assert.equal(await stdoutOf('cat', [`${directory}/deep/file`], options), 'content');
    assert.equal(await attempt(`echo x > ${directory}/deep/file`, options), 'no');
    assert.equal(await attempt(`touch ${directory}/new`, options), 'no');
    assert.equal(readFileSync(join(directory, 'deep/file'), 'utf8'), 'content');
  });

  void test('shows a single file, also at another place', async (context) => {
    const directory = temporaryDirectory(context, { file: 'content', other: 'hidden' });
    const source = join(directory, 'file');
    assert.equal(await stdoutOf('ls', [directory], { filesystem: { readOnly: [source] } }), 'file');
    assert.equal(
      await stdoutOf('cat', ['/data/here'], { filesystem: { readOnly: [{ source, target: '/data/here' }] } }),
      'content',
    );
  });

  void test('works below scratch directories, too', async (context) => {
    const source = temporaryDirectory(context, { file: 'content' });
    for (const target of ['/tmp/in/side', '/home/sandbox/inside', '/dev/../var/tmp/x'.replace('/dev/..', '')]) {
      const options = { filesystem: { readOnly: [{ source, target }] } };
      assert.equal(await stdoutOf('cat', [`${target}/file`], options), 'content');
      assert.equal(await attempt(`touch ${target}/new`, options), 'no');
      assert.equal(await attempt('touch ~/beside /tmp/beside', options), 'yes');
    }
  });

  void test('of a file that is replaced shows the new one to the next step that has other options', async (context) => {
    const directory = temporaryDirectory(context, { file: 'old' });
    const options = { filesystem: { readOnly: [directory] } };
    assert.equal(await stdoutOf('cat', [`${directory}/file`], options), 'old');
    writeFileSync(join(directory, 'file'), 'new');
    assert.equal(await stdoutOf('cat', [`${directory}/file`], options), 'new');
  });

  void test('programs in it can be executed, set-id bits in it count for nothing', async (context) => {
    const directory = temporaryDirectory(context, { program: '#!/bin/sh\nid -u\n' });
    const program = join(directory, 'program');
    chmodSync(program, 0o4755);
    assert.equal(await stdoutOf(program, [], { filesystem: { readOnly: [directory] } }), '1000');
    const mounts = await stdoutOf('cat', ['/proc/self/mounts'], { filesystem: { readOnly: [directory] } });
    // What is mounted later at the same place covers what is there.
    const flagsOf = new Map(mounts.split('\n').map((line) => [line.split(' ')[1], line.split(' ')[3] ?? '']));
    for (const [target = '', flags] of flagsOf) {
      assert.ok(flags.split(',').includes('nosuid'), `${target}: ${flags}`);
    }
  });

  void test('an optional source that is missing is skipped, one that exists is shown', async (context) => {
    const directory = temporaryDirectory(context, { file: 'content' });
    const missing = join(directory, 'missing');
    const options = {
      filesystem: {
        readOnly: [
          { source: missing, optional: true },
          { source: directory, target: '/shown', optional: true },
        ],
      },
    };
    assert.equal(await stdoutOf('cat', ['/shown/file'], options), 'content');
    assert.equal(await attempt(`ls ${missing}`, options), 'no');
  });

  void test('a source that is a link shows what it leads to', async (context) => {
    const directory = temporaryDirectory(context, { 'real/file': 'content' });
    symlinkSync('real', join(directory, 'link'));
    const source = join(directory, 'link');
    assert.equal(await stdoutOf('cat', [`${source}/file`], { filesystem: { readOnly: [source] } }), 'content');
    assert.equal(
      await stdoutOf('cat', ['/other/file'], { filesystem: { readOnly: [{ source, target: '/other' }] } }),
      'content',
    );
  });

  void test('a link inside does not lead out of what is shown', async (context) => {
    const directory = temporaryDirectory(context, { secret: 'secret', 'shown/file': 'x' });
    symlinkSync('../secret', join(directory, 'shown/link'));
    symlinkSync('/etc/shadow', join(directory, 'shown/absolute'));
    const options = { filesystem: { readOnly: [{ source: join(directory, 'shown'), target: '/shown' }] } };
    assert.equal(await attempt('cat /shown/link || cat /shown/absolute', options), 'no');
  });

  void test('~ and relative paths are those of the app', async (context) => {
    const directory = temporaryDirectory(context, { 'home/file': 'at home', 'here/file': 'here' });
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      process.chdir(process.env.DIRECTORY);
      const readOnly = [{ source: '~', target: '/a' }, { source: 'here', target: '/b' }];
      const { stdout } = await spawnSandbox('cat', ['/a/file', '/b/file'], { filesystem: { readOnly } });
      console.log(JSON.stringify(stdout));`;
    assert.equal(
      await answerOf(context, code, { env: { DIRECTORY: directory, HOME: join(directory, 'home') } }),
      'at homehere',
    );
  });
});

void suite('writable', () => {
  void test('what a step writes is there afterwards, and belongs to the owner of the directory', async (context) => {
    const directory = writableDirectory(context);
    const owner = statSync(directory);
    await run('sh', ['-c', 'echo text > file; mkdir -p sub/deep; echo x > sub/deep/file; ln -s file link'], {
      cwd: directory,
      filesystem: { writable: [directory] },
    });
    assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'text\n');
    for (const name of ['file', 'sub', 'sub/deep/file', 'link']) {
      const { uid, gid } = lstatSync(join(directory, name));
      assert.deepEqual([uid, gid], [owner.uid, owner.gid], name);
    }
  });

  void test(
    'in a directory of an ordinary user nothing belongs to root',
    { skip: !isRoot && 'needs an app with root' },
    async (context) => {
      const { chownSync } = await import('node:fs');
      const directory = writableDirectory(context);
      chownSync(directory, 4711, 4712);
      await run('sh', ['-c', 'touch file; mkdir sub; touch sub/file'], {
        cwd: directory,
        filesystem: { writable: [directory] },
      });
      for (const name of ['file', 'sub', 'sub/file']) {
        const { uid, gid } = lstatSync(join(directory, name));
        assert.deepEqual([uid, gid], [4711, 4712], name);
      }
    },
  );

  void test('inside, what is there belongs to the step', async (context) => {
    const directory = writableDirectory(context);
    writeFileSync(join(directory, 'file'), 'old', { mode: 0o600 });
    const options = { cwd: directory, filesystem: { writable: [directory] }, user: { uid: 2000, gid: 3000 } };
    assert.equal(
      await stdoutOf('sh', ['-c', 'stat -c %u:%g . file; cat file; echo new > file'], options),
      '2000:3000\n2000:3000\nold',
    );
    assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'new\n');
  });

  void test('a step can rename, remove and change modes in it', async (context) => {
    const directory = writableDirectory(context);
    const script = 'touch a b c; mv a d; rm b; chmod 640 c; mkdir e; mv c e/';
    await run('sh', ['-c', script], { cwd: directory, filesystem: { writable: [directory] } });
    assert.equal(statSync(join(directory, 'e/c')).mode & 0o7777, 0o640);
    assert.ok(existsSync(join(directory, 'd')) && !existsSync(join(directory, 'b')));
  });

  const SET_ID: readonly (readonly [how: string, script: string])[] = [
    ['chmod u+s', 'touch f && chmod u+s f'],
    ['chmod g+s', 'touch f && chmod g+s f'],
    ['chmod 6755 of a directory', 'mkdir f && chmod 6755 f'],
    ['mkdir -m 4755', 'mkdir -m 4755 f'],
    ['install -m 4755', 'install -m 4755 /bin/true f'],
    ['cp of a set-id file', 'cp -p /usr/bin/passwd f 2>/dev/null; chmod 4755 f'],
  ];
  for (const [how, script] of SET_ID) {
    void test(`set-id bits cannot be planted by ${how}`, async (context) => {
      const directory = writableDirectory(context);
      const options = { cwd: directory, filesystem: { writable: [directory] } };
      assert.equal(await attempt(script, options), 'no');
      const mode = existsSync(join(directory, 'f')) ? statSync(join(directory, 'f')).mode : 0;
      assert.equal(mode & SET_ID_BITS, 0);
    });
  }

  void test('the control: other modes can be set, and outside set-id bits can', async (context) => {
    const directory = writableDirectory(context);
    assert.equal(
      await attempt('touch f && chmod 1777 f && mkdir -m 1755 d', {
        cwd: directory,
        filesystem: { writable: [directory] },
      }),
      'yes',
    );
    writeFileSync(join(directory, 'g'), '');
    chmodSync(join(directory, 'g'), 0o4755);
    assert.equal(statSync(join(directory, 'g')).mode & SET_ID_BITS, 0o4000);
  });

  void test('file capabilities and devices cannot be planted', async (context) => {
    const directory = writableDirectory(context);
    const options = { cwd: directory, filesystem: { writable: [directory] } };
    assert.equal(await attempt('mknod null c 1 3', options), 'no');
    assert.equal(await attempt('mkfifo fifo', options), 'yes', 'the control: what is no device can');
    const python =
      'import os; open("f","w").close(); os.setxattr("f", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))';
    assert.equal(await attempt(`python3 -c '${python}'`, options), 'no');
  });

  void test('a single file can be writable while its directory is not shown', async (context) => {
    const directory = temporaryDirectory(context, { file: 'old', other: 'x' });
    const file = join(directory, 'file');
    assert.equal(
      await stdoutOf('sh', ['-c', `echo new > ${file}; ls ${directory}`], { filesystem: { writable: [file] } }),
      'file',
    );
    assert.equal(readFileSync(file, 'utf8'), 'new\n');
  });

  void test('in the place of a scratch directory takes it, and leaves the others', async (context) => {
    const directory = writableDirectory(context);
    for (const target of ['/tmp', '/var/tmp', '/home/sandbox']) {
      const filesystem = { writable: [{ source: directory, target }] };
      assert.equal(await attempt(`echo kept > ${target}/x && echo x > /dev/shm/x`, { filesystem }), 'yes', target);
      assert.equal(readFileSync(join(directory, 'x'), 'utf8'), 'kept\n', target);
    }
    assert.equal(await attempt('echo lost > /tmp/y', { filesystem: { writable: [directory] } }), 'yes');
    assert.equal(existsSync(join(directory, 'y')), false, 'the control: without it /tmp is scratch');
  });

  void test('two steps share what is writable for both', async (context) => {
    const directory = writableDirectory(context);
    const filesystem = { writable: [{ source: directory, target: '/shared' }] };
    await run('sh', ['-c', 'echo from the first > /shared/file'], { filesystem });
    assert.equal(
      await stdoutOf('sh', ['-c', 'cat /shared/file; echo more >> /shared/file'], { filesystem }),
      'from the first',
    );
    assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'from the first\nmore\n');
  });

  void test('a mount within another holds, whichever is read-only', async (context) => {
    const directory = temporaryDirectory(context, { 'inner/file': 'inner' });
    const outer = { source: directory, target: '/project' };
    const inner = { source: join(directory, 'inner'), target: '/project/inner' };
    const innerReadOnly = { filesystem: { writable: [outer], readOnly: [inner] } };
    assert.equal(await attempt('touch /project/new', innerReadOnly), 'yes');
    assert.equal(await attempt('touch /project/inner/new', innerReadOnly), 'no');
    const innerWritable = { filesystem: { writable: [inner], readOnly: [outer] } };
    assert.equal(await attempt('touch /project/other', innerWritable), 'no');
    assert.equal(await attempt('touch /project/inner/new', innerWritable), 'yes');
  });
});

void suite('the network', () => {
  const ROUTES = 'wc -l < /proc/net/route; cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d " "';

  void test('by default is a loopback device and nothing else', async () => {
    assert.equal(await stdoutOf('sh', ['-c', ROUTES]), '1\nlo');
  });

  void test("'host' is the app's own, by name and said in the result", async () => {
    const { stdout, enforced } = await run('cat', ['/proc/net/dev'], { network: 'host', allowMissing: ['net'] });
    const devices = (text: string): string[] =>
      text
        .split('\n')
        .slice(2)
        .map((line) => line.split(':')[0]?.trim() ?? '');
    assert.deepEqual(devices(stdout), devices(readFileSync('/proc/net/dev', 'utf8')));
    assert.equal(enforced.net.state, 'waived');
  });

  void test('loopback of the host is out of reach', async () => {
    const { createServer } = await import('node:net');
    const server = createServer((socket) => socket.end('reached'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { readonly port: number };
    const connect = `const s = require('net').connect(${port}, '127.0.0.1', () => console.log('reached')).on('error', (e) => console.log(e.code)).on('data', () => s.destroy());`;
    assert.equal(await stdoutOf('node', ['-e', connect]), 'ECONNREFUSED');
    assert.equal(
      await stdoutOf('node', ['-e', connect], { network: 'host', allowMissing: ['net'] }),
      'reached',
      'the control',
    );
    server.close();
  });
});

void test('a mount that no sandbox can have is told to every step that asks for it, and no other', async (context) => {
  const missing = join(temporaryDirectory(context), 'missing');
  const steps = [1, 2, 3].map(() => spawnSandbox('true', [], { filesystem: { readOnly: [missing] } }).result);
  const other = stdoutOf('echo', ['fine']);
  for (const one of await Promise.allSettled(steps)) assert.equal(one.status, 'rejected');
  assert.equal(await other, 'fine');
});

void test('a policy that lets set-id bits through is refused where a step could leave them on the host', (context) => {
  const directory = temporaryDirectory(context);
  const allow = { name: 'chmod', verdict: 'allow', reason: 'a test' } as const;
  const lenient = { extends: 'default', rules: [allow] } as const;
  const otherwise = { otherwise: { verdict: 'allow', reason: 'a test' } } as const;
  for (const syscalls of [lenient, otherwise]) {
    const options = { syscalls, filesystem: { writable: [directory] } };
    assert.throws(() => spawnSandbox('true', [], options), { code: 'ERR_INVALID_OPTION', message: /set-id bits/ });
  }
  const stricter = { name: 'chmod', verdict: 'errno', errno: 'EPERM', reason: 'a test' } as const;
  for (const options of [
    { syscalls: lenient, filesystem: { overlay: [directory] } },
    { syscalls: { extends: 'default', rules: [stricter] }, filesystem: { writable: [directory] } },
    { syscalls: 'build', filesystem: { writable: [directory] } },
  ] as const) {
    spawnSandbox('true', [], options).kill();
  }
});

void test('mounts in mounts are each their own owner’s', async (context) => {
  const directory = temporaryDirectory(context, { 'b/in': 'x', 'c/in': 'x' });
  if (isRoot)
    for (const [name, id] of Object.entries({ '': 1234, b: 4321, c: 777, 'c/in': 777 }))
      chownSync(join(directory, name), id, id);
  const mount = (name: string): { source: string; target: string } => ({
    source: join(directory, name),
    target: join('/a', name),
  });
  const filesystem = { writable: [mount('.'), mount('b')], overlay: [mount('c')] };
  const script = 'echo 1 > /a/new; echo 2 > /a/b/new; echo 3 > /a/c/in; cat /a/new /a/b/new /a/c/in';
  assert.equal(await stdoutOf('sh', ['-ec', script], { filesystem }), '1\n2\n3');
  const owners = ['', 'b'].map((name) => statSync(join(directory, name, 'new')).uid);
  assert.deepEqual(owners, isRoot ? [1234, 4321] : [process.getuid?.(), process.getuid?.()]);
  assert.equal(readFileSync(join(directory, 'c/in'), 'utf8'), 'x');
});
