import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { isPrefixSafe } from '#src/policy/prefix.js';
import { type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { hasOwnIds } from '../helpers/privileges.js';
import { compileProbe } from '../helpers/probe.js';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** Asks for blocks behind the end of each file by all the ways there are, and prints how many bytes the files have taken. */
const RESERVE = `
import fcntl, os, struct, sys
for index, request in enumerate((0x40305828, 0x4030582a, 0x40305839)):
    file = open(f'{sys.argv[1]}/{index}', 'wb')
    try: fcntl.ioctl(file, request, struct.pack('=hhiqqiI4i', 0, 0, 0, 0, 8 << 20, 0, 0, 0, 0, 0, 0))
    except OSError: pass
    print(os.fstat(file.fileno()).st_blocks * 512)`;

void suite('directories of the host', () => {
  const program = compileProbe('linger');
  const skip = program === undefined ? 'gcc not found: apt-get install -y gcc libc6-dev' : false;

  void test('what a step makes belongs to the directory’s owner and carries no rights', async (context) => {
    const { directory, options } = shared(context);
    const script =
      'cd /shared; echo x > plain; mkdir sub; ln -s plain link; mkfifo pipe; install -m 755 plain tool; chmod 4755 tool 2>&1 || true; chmod 755 tool; chmod u+s sub 2>&1 || true; setfattr -n user.a -v b plain 2>/dev/null; true';
    await run('sh', ['-c', script], options);
    const owner = statSync(directory).uid;
    for (const name of readdirSync(directory)) {
      const status = lstatSync(join(directory, name));
      assert.deepEqual([status.uid, status.mode & 0o6000], [owner, 0], name);
    }
    assert.equal(statSync(join(directory, 'tool')).mode & 0o777, 0o755, 'the control: ordinary bits are kept');
  });

  void test('no request takes more room in them than the largest file may have', async (context) => {
    const { directory, options } = shared(context);
    const taken = await stdoutOf('python3', ['-c', RESERVE, '/shared'], { ...options, limits: { fileSize: '1MiB' } });
    assert.equal(taken, '0\n0\n0');
    const here = execFileSync('python3', ['-c', RESERVE, directory], { encoding: 'utf8' });
    assert.match(here, /^8388608$/m, 'the control: on the host');
  });

  void test('a link that a step plants leads nowhere outside, in its own sandbox and the next', async (context) => {
    const { directory, options } = shared(context);
    const secret = temporaryDirectory(context, { secret: 'hunter2' });
    await run('sh', ['-c', `ln -s ${secret}/secret /shared/link; ln -s / /shared/root`], options);
    const read = `cat /shared/link 2>/dev/null || echo nothing; ls /shared/root/${secret} 2>/dev/null || echo nothing`;
    assert.equal(await stdoutOf('sh', ['-c', read], options), 'nothing\nnothing');
    const readOnly = { filesystem: { readOnly: [{ source: directory, target: '/shared' }, secret] } };
    assert.match(await stdoutOf('sh', ['-c', read], readOnly), /^hunter2/, 'the control: with the target mounted');
  });

  void test('a mount is not placed outside by a link that a step has planted at its target', async (context) => {
    const { directory, options } = shared(context);
    const elsewhere = temporaryDirectory(context, { 'victim/file': 'untouched' });
    await run('ln', ['-s', elsewhere, '/shared/in'], options);
    const filesystem = {
      writable: [{ source: directory, target: '/shared' }],
      readOnly: [{ source: elsewhere, target: '/shared/in/victim' }],
    };
    await spawnSandbox('true', [], { filesystem }).result.catch(() => undefined); // it may be refused
    assert.deepEqual(readdirSync(elsewhere), ['victim']);
    assert.deepEqual(readdirSync(directory), ['in']);
  });

  void test('a read-only mount and the system cannot be written', async (context) => {
    const directory = temporaryDirectory(context, { file: 'x' });
    chmodSync(directory, 0o777);
    chmodSync(join(directory, 'file'), 0o666);
    const script = `for f in ${directory}/file ${directory}/new /usr/new /etc/passwd /new /dev/new /proc/new /.covers/new; do (echo x > $f) 2>/dev/null && echo $f; done; touch ${directory} 2>/dev/null && echo times; true`;
    assert.equal(await stdoutOf('sh', ['-c', script], { filesystem: { readOnly: [directory] } }), '');
    const writable = { filesystem: { writable: [directory] } };
    assert.match(await stdoutOf('sh', ['-c', script], writable), /file\n.*new\ntimes$/, 'the control');
  });

  void test('the app opens what a step has open without waiting', { skip: skip || findPython() }, async (context) => {
    const { directory, options } = shared(context);
    writeFileSync(join(directory, 'file'), 'x');
    chmodSync(join(directory, 'file'), 0o666);
    const code = `
import fcntl, sys, time
for flags, kind in (('r', fcntl.F_RDLCK), ('r+', fcntl.F_WRLCK)):
  f = open('/shared/file', flags)
  try: fcntl.fcntl(f, 1024, kind); print('leased')
  except OSError: print('refused')
fcntl.flock(f, fcntl.LOCK_EX); print('locked', flush=True); time.sleep(1)`;
    const step = spawnSandbox('python3', ['-c', code], options);
    const said: string[] = [];
    for await (const line of step) {
      said.push(line);
      if (line === 'locked') break; // the control: descriptors and locks work
    }
    const started = performance.now();
    closeSync(openSync(join(directory, 'file'), 'r+'));
    assert.ok(performance.now() - started < 500);
    assert.deepEqual(said, ['refused', 'refused', 'locked']);
    await step;
  });

  void test('what one sandbox hands to another opens nothing of it', { skip, timeout: 30_000 }, async (context) => {
    const { options } = shared(context, 0o777);
    const giver = spawnSandbox(program ?? '', ['give', '/shared/socket'], options);
    const taker = await spawnSandbox(program ?? '', ['take', '/shared/socket'], options);
    assert.equal(taker.stdout, 'signal -1, environ -1, root -1, join -1\n');
    assert.equal(taker.status, 0, 'the control: the descriptors came through');
    assert.equal((await giver).stdout, 'still here\n');
  });

  void test('directories that only others may enter stay closed to the step', async (context) => {
    const directory = temporaryDirectory(context, { 'closed/secret': 'hunter2', 'open/text': 'x' });
    chmodSync(join(directory, 'closed'), 0o700);
    const script = `cat ${directory}/open/text; cat ${directory}/closed/secret 2>/dev/null || echo ' closed'`;
    const output = await stdoutOf('sh', ['-c', script], { filesystem: { readOnly: [directory] } });
    // An ordinary user's step has its user's id: what the app may read of a mount, it may read, too (weaker).
    assert.equal(output, hasOwnIds ? 'x closed' : 'xhunter2');
  });

  void test('running a program beside the app’s main script does not show the app', (context) => {
    const directory = temporaryDirectory(context);
    for (const name of ['lib', 'bin']) mkdirSync(join(directory, name));
    assert.equal(isPrefixSafe(directory), true, 'the control: an installation elsewhere');
    const script = process.argv[1];
    context.after(() => {
      process.argv[1] = script ?? '';
    });
    writeFileSync(join(directory, 'server.js'), '');
    process.argv[1] = join(directory, 'server.js');
    assert.equal(isPrefixSafe(directory), false);
    mkdirSync(join(directory, 'lib/node_modules/tool'), { recursive: true });
    process.argv[1] = join(directory, 'lib/node_modules/tool');
    assert.equal(isPrefixSafe(directory), true, 'a command that was installed with the interpreter is part of it');
  });
});

function shared(context: TestContext, mode = 0o755): { directory: string; options: SandboxOptions } {
  const directory = temporaryDirectory(context);
  chmodSync(directory, mode);
  return { directory, options: { filesystem: { writable: [{ source: directory, target: '/shared' }] } } };
}

function findPython(): string | false {
  return (process.env['PATH'] ?? '').includes('bin') ? false : 'python3 not found';
}
