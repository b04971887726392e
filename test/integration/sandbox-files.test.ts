import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createSandbox, type FileEntry, type Sandbox, type SandboxOptions } from 'spawn-sandbox';
import { countDescriptors } from '../helpers/marked-processes.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { umask } from '../helpers/umask.js';
import { until } from '../helpers/until.js';

const MEBIBYTE = 2 ** 20;

async function made(context: TestContext, options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await createSandbox(options);
  context.after(() => sandbox.destroy());
  return sandbox;
}

async function sh(sandbox: Sandbox, script: string, options: SandboxOptions = {}): Promise<string> {
  const { ok, stdout, stderr, detail } = await sandbox.spawn('sh', ['-c', script], options);
  assert.ok(ok, `${detail} ${String(stderr)}`);
  return String(stdout);
}

const names = (entries: readonly FileEntry[]): unknown[] => entries.map(({ path }) => path);

function* pieces(count: number, size: number): Generator<Buffer> {
  for (let index = 0; index < count; index++) yield Buffer.alloc(size, index % 251);
}

void suite('files of a sandbox', () => {
  void test('what is written is read by commands, and what they write is read', async (context) => {
    const { files, all } = await parts(context);
    await files.write('text', 'one\n');
    await files.write('/tmp/bytes', Buffer.from([0, 255, 10]));
    assert.equal(await sh(all, 'cat ~/text; od -An -tu1 /tmp/bytes'), 'one\n   0 255  10\n');
    await sh(all, 'printf "two" > /tmp/other');
    assert.deepEqual(await files.read('/tmp/other'), Buffer.from('two'));
    assert.equal(await files.read('text', { encoding: 'utf8' }), 'one\n');
    assert.equal(await files.read(Buffer.from('text'), { encoding: 'utf8' }), 'one\n');
  });

  void test('content may come as an iterable, an async one or a stream, and be nothing at all', async (context) => {
    const { files } = await parts(context);
    async function* later(): AsyncGenerator<string | Uint8Array> {
      yield 'a';
      await delay(5);
      yield Buffer.from('b');
    }
    const given = { iterable: ['a', Buffer.from('b')], later: later(), stream: Readable.from(['a', 'b']) };
    for (const [name, content] of Object.entries(given)) {
      await files.write(name, content);
      assert.equal(await files.read(name, { encoding: 'utf8' }), 'ab', name);
    }
    for (const [index, nothing] of ['', [], Buffer.alloc(0), Readable.from([])].entries()) {
      await files.write(`nothing${index}`, nothing);
      assert.deepEqual(await files.read(`nothing${index}`), Buffer.alloc(0));
    }
  });

  void test('100 MiB pass through it both ways, and the app holds little of them', async (context) => {
    const { files } = await parts(context, { limits: { memory: '512MiB', scratch: '200MiB' } });
    const size = 100 * MEBIBYTE;
    const wrote = createHash('sha256');
    const rss = new Peak();
    function* content(): Generator<Buffer> {
      for (const piece of pieces(100, MEBIBYTE)) {
        wrote.update(piece);
        rss.look();
        yield piece;
      }
    }
    await files.write('/tmp/large', content());
    assert.equal((await files.stat('/tmp/large')).size, size);
    const read = createHash('sha256');
    let bytes = 0;
    for await (const chunk of files.readStream('/tmp/large') as AsyncIterable<Buffer>) {
      read.update(chunk);
      bytes += chunk.length;
      rss.look();
    }
    assert.equal(bytes, size);
    assert.equal(read.digest('hex'), wrote.digest('hex'));
    assert.ok(rss.grown < 80 * MEBIBYTE, `grew by ${rss.grown / MEBIBYTE} MiB`);
  });

  void test('a stream that nobody reads holds the file back, and one that is left ends its command', async (context) => {
    const { files, all } = await parts(context);
    await files.write('/tmp/file', pieces(16, MEBIBYTE));
    const stream = files.readStream('/tmp/file');
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      assert.ok(chunk.length > 0);
      break;
    }
    assert.equal(stream.destroyed, true);
    await until('it has ended', async () => (await sh(all, 'grep -l sandbox-files /proc/[0-9]*/comm || true')) === '');
    assert.equal((await buffer(files.readStream('/tmp/file'))).length, 16 * MEBIBYTE);
    assert.equal((await files.readStream('/tmp/file', { encoding: 'utf8' }).toArray()).join('').length > 0, true);
  });

  void test('names may hold quotes, newlines, spaces and bytes that are no text', async (context) => {
    const { files, all } = await parts(context);
    const odd = [`'"$(x)\`;`, 'new\nline', ' ', '-rf', '\u{1f980}', '\\', '...', 'x'.repeat(255)];
    await sh(all, 'mkdir /tmp/odd');
    for (const name of odd) await files.write(`/tmp/odd/${name}`, name);
    const bytes = Buffer.from('\xff\xfe', 'latin1');
    await files.write(Buffer.concat([Buffer.from('/tmp/odd/'), bytes]), 'bytes');
    assert.equal(await sh(all, 'ls -A /tmp/odd | wc -l'), '10\n', 'one of the names has two lines');
    const entries = await files.list('/tmp/odd');
    assert.deepEqual(new Set(entries.map(({ name }) => name.toString())), new Set([...odd, bytes.toString()]));
    assert.deepEqual(entries.find(({ name }) => typeof name !== 'string')?.path, bytes);
    for (const name of odd) assert.equal(await files.read(`/tmp/odd/${name}`, { encoding: 'utf8' }), name);
    const copy = join(temporaryDirectory(context), 'odd');
    assert.equal((await files.copyOut('/tmp/odd', copy)).files, odd.length + 1);
    assert.equal((await files.copyIn(copy, '/tmp/again')).files, odd.length + 1);
    assert.equal(await sh(all, 'diff -r /tmp/odd /tmp/again && echo same'), 'same\n');
    for (const { path } of entries) {
      await files.remove(Buffer.concat([Buffer.from('/tmp/odd/'), Buffer.from(path as string)]));
    }
    assert.deepEqual(await files.list('/tmp/odd'), []);
  });

  void test('a path is absolute or below the directory of the sandbox', async (context) => {
    const { files, all } = await parts(context, { cwd: '/tmp' });
    await files.write('file', 'x');
    assert.equal(await sh(all, 'cat /tmp/file'), 'x');
    await files.write('/tmp/../tmp/./other', 'y');
    assert.deepEqual(names(await files.list('.')), ['file', 'other']);
  });

  void test('a file is replaced at once, keeps its mode unless another is asked for, and may be refused to be', async (context) => {
    const { files, all } = await parts(context);
    await files.write('/tmp/f', 'one', { mode: 0o640 });
    await sh(all, 'ln /tmp/f /tmp/same');
    await files.write('/tmp/f', 'two');
    assert.equal(await sh(all, 'stat -c %a /tmp/f; cat /tmp/same /tmp/f'), '640\nonetwo');
    await files.write('/tmp/f', '3', { mode: 0o755 });
    assert.equal((await files.stat('/tmp/f')).mode, 0o755);
    await files.write('/tmp/new', '3');
    assert.equal((await files.stat('/tmp/new')).mode, 0o644);
    await assert.rejects(files.write('/tmp/f', '4', { overwrite: false }), { code: 'ERR_FILES', errno: 17 });
    await files.write('/tmp/g', '4', { overwrite: false });
    assert.equal(await sh(all, 'cat /tmp/f /tmp/g'), '34');
    await assert.rejects(files.write('/tmp/a/b/c', 'x'), { code: 'ERR_FILES', errno: 2, path: '/tmp/a/b/c' });
    await files.write('/tmp/a/b/c', 'x', { parents: true });
    assert.equal(await sh(all, 'cat /tmp/a/b/c; ls -A /tmp'), 'xa\nf\ng\nnew\nsame\n');
  });

  void test('of content that fails, is too long or is given up nothing is left', async (context) => {
    const { files } = await parts(context);
    await files.write('/tmp/f', 'old');
    const failure = new Error('no more');
    function* failing(): Generator<string> {
      yield 'begun';
      throw failure;
    }
    await assert.rejects(files.write('/tmp/f', failing()), { code: 'ERR_FILES', cause: failure });
    await assert.rejects(files.write('/tmp/f', pieces(4, 1000), { limit: 3999 }), { code: 'ERR_FILES', errno: 27 });
    await assert.rejects(files.write('/tmp/f', [1] as never), { code: 'ERR_FILES' });
    async function* never(): AsyncGenerator<string> {
      yield 'begun';
      await new Promise(() => undefined);
    }
    await assert.rejects(files.write('/tmp/f', never(), { timeout: 200 }), /took too long/);
    const reason = new Error('stop');
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort(reason);
    }, 200);
    await assert.rejects(files.write('/tmp/f', never(), { signal: controller.signal }), {
      code: 'ERR_FILES',
      cause: reason,
    });
    await assert.rejects(files.write('/tmp/f', 'x', { signal: AbortSignal.abort(reason) }), { cause: reason });
    assert.equal(await files.read('/tmp/f', { encoding: 'utf8' }), 'old');
    assert.deepEqual(names(await files.list('/tmp')), ['f']);
    await files.write('/tmp/f', pieces(4, 1000), { limit: 4000 });
    assert.equal((await files.stat('/tmp/f')).size, 4000, 'control');
  });

  void test('more than the limit is an error, and not cut off', async (context) => {
    const { files, all } = await parts(context);
    await files.write('/tmp/f', Buffer.alloc(1000));
    await assert.rejects(files.read('/tmp/f', { limit: 999 }), { code: 'ERR_FILES', errno: 27 });
    assert.equal((await files.read('/tmp/f', { limit: 1000 })).length, 1000);
    await sh(all, 'truncate -s 65M /tmp/sparse');
    await assert.rejects(files.read('/tmp/sparse'), { code: 'ERR_FILES', errno: 27 });
    assert.equal((await files.read('/proc/self/status', { encoding: 'utf8' })).includes('sandbox-files'), true);
    await assert.rejects(files.read('/proc/self/status', { limit: 10 }), { code: 'ERR_FILES', errno: 27 });
    await sh(all, 'mkdir /tmp/d; cd /tmp/d; for i in 1 2 3 4 5; do echo > $i; done');
    await assert.rejects(files.list('/tmp/d', { limit: 4 }), { code: 'ERR_FILES', errno: 7 });
    assert.equal((await files.list('/tmp/d', { limit: 5 })).length, 5);
    const host = temporaryDirectory(context);
    await assert.rejects(files.copyOut('/tmp/d', join(host, 'd'), { limit: 4 }), { errno: 27 });
    await assert.rejects(files.copyOut('/tmp/d', join(host, 'd'), { entries: 5 }), { errno: 7 });
    assert.deepEqual(readdirSync(host), []);
    assert.equal((await files.copyOut('/tmp/d', join(host, 'd'), { limit: 5, entries: 6 })).bytes, 5);
    await assert.rejects(files.copyIn(join(host, 'd'), '/tmp/e', { limit: 4 }), { errno: 27 });
    await assert.rejects(files.copyIn(join(host, 'd'), '/tmp/e', { entries: 5 }), { code: 'ERR_FILES' });
    assert.deepEqual(names(await files.list('/tmp')), ['d', 'f', 'sparse']);
    await files.copyIn(join(host, 'd'), '/tmp/e', { limit: 5, entries: 6 });
  });

  void test('lists what is there, also a big directory and what is below it', async (context) => {
    const { files, all } = await parts(context);
    await sh(
      all,
      'mkdir -p /tmp/d/sub/deep; cd /tmp/d; echo 1 > sub/deep/file; ln -s /nowhere sub/link; mkfifo fifo; chmod 600 fifo',
    );
    const flat = await files.list('/tmp/d');
    assert.deepEqual(
      flat.map(({ name, type }) => [name, type]),
      [
        ['fifo', 'fifo'],
        ['sub', 'directory'],
      ],
    );
    assert.equal(flat[0]?.mode, 0o600);
    const deep = await files.list('/tmp/d', { recursive: true });
    assert.deepEqual(names(deep), ['fifo', 'sub', 'sub/deep', 'sub/deep/file', 'sub/link']);
    assert.equal(deep[4]?.target, '/nowhere');
    assert.ok(Math.abs((deep[3]?.mtimeMs ?? 0) - Date.now()) < 60_000);
    await sh(all, 'mkdir /tmp/big; cd /tmp/big; seq 9000 | xargs touch');
    assert.equal((await files.list('/tmp/big')).length, 9000);
    await files.remove('/tmp/big', { recursive: true });
    await assert.rejects(files.list('/tmp/big'), { errno: 2 });
  });

  void test('says what a path is, and does not follow a link', async (context) => {
    const { files, all } = await parts(context);
    await sh(all, 'cd /tmp; echo 12345 > file; chmod 751 file; ln -s file link; touch -d @1000.5 file');
    const { mtimeMs, ...rest } = await files.stat('/tmp/file');
    assert.deepEqual(rest, { type: 'file', size: 6, mode: 0o751 });
    assert.equal(mtimeMs, 1_000_500);
    assert.deepEqual((({ type, target }) => [type, target])(await files.stat('/tmp/link')), ['link', 'file']);
    assert.deepEqual((await files.stat('/')).type, 'directory');
    assert.equal((await files.stat('/dev/null')).type, 'device');
    await assert.rejects(files.stat('/tmp/none'), { code: 'ERR_FILES', errno: 2, syscall: 'stat', path: '/tmp/none' });
  });

  void test('removes files, links, empty directories, and others when asked to', async (context) => {
    const { files, all } = await parts(context);
    await sh(
      all,
      'cd /tmp; echo > file; ln -s file link; mkdir -p empty full/a/b; echo > full/a/b/c; ln -s / full/a/root; mkdir full/none; chmod 0 full/none full/a/b',
    );
    await files.remove('/tmp/link');
    await files.remove('/tmp/empty');
    await assert.rejects(files.remove('/tmp/full'), { code: 'ERR_FILES', errno: 39 });
    await files.remove('/tmp/full', { recursive: true });
    await files.remove('/tmp/file', { recursive: true });
    await assert.rejects(files.remove('/tmp/file'), { code: 'ERR_FILES', errno: 2 });
    await files.remove('/tmp/file', { force: true });
    await files.remove('/tmp/no/such/thing', { force: true, recursive: true });
    assert.equal(await sh(all, 'ls -A /tmp; test -e /usr/bin/env && echo there'), 'there\n');
  });

  void test('removes a tree that is deeper than there are descriptors', async (context) => {
    const { files, all } = await parts(context);
    await sh(
      all,
      "mkdir /tmp/deep; cd /tmp/deep; python3 -c \"import os\nfor i in range(3000): os.mkdir('d'); open('f', 'w').close(); os.chdir('d')\"",
    );
    await assert.rejects(files.list('/tmp/deep', { recursive: true }), { code: 'ERR_FILES', errno: 40 });
    await assert.rejects(files.copyOut('/tmp/deep', join(temporaryDirectory(context), 'x')), { errno: 40 });
    await files.remove('/tmp/deep', { recursive: true });
    assert.equal(await sh(all, 'ls -A /tmp'), '');
  });

  void test('copies a tree in and out as it is', async (context) => {
    const { files, all } = await parts(context);
    const host = temporaryDirectory(context, {
      'tree/a/b/file': 'content',
      'tree/empty': '',
      'tree/run': '#!/bin/sh\n',
    });
    const tree = join(host, 'tree');
    symlinkSync('a/b/file', join(tree, 'link'));
    mkdirSync(join(tree, 'private'));
    chmodSync(join(tree, 'private'), 0o500);
    chmodSync(join(tree, 'a/b/file'), 0o4640);
    writeFileSync(join(tree, 'large'), Buffer.concat([...pieces(20, 100_001)]));
    const counts = { files: 4, directories: 4, links: 1, bytes: 2_000_020 + 17, skipped: 0 };
    assert.deepEqual(await files.copyIn(tree, 'tree'), counts);
    assert.equal(
      await sh(
        all,
        'cd ~/tree; stat -c "%a %F %n" . a a/b/file empty private run; readlink link; cat link; sha256sum < large',
      ),
      `755 directory .
755 directory a
640 regular file a/b/file
644 regular empty file empty
500 directory private
755 regular file run
a/b/file
content${createHash('sha256')
        .update(readFileSync(join(tree, 'large')))
        .digest('hex')}  -
`,
    );
    const back = join(host, 'back');
    assert.deepEqual(await files.copyOut('tree', back), counts);
    const { status, stdout } = spawnSync('diff', ['-r', '--no-dereference', tree, back], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
    assert.equal(statSync(join(back, 'a/b/file')).mode & 0o7777, 0o640 & ~umask());
    assert.equal(statSync(join(back, 'private')).mode & 0o7777, 0o700);
    assert.equal(readlinkSync(join(back, 'link')), 'a/b/file');
    assert.deepEqual(readdirSync(host).sort(), ['back', 'tree']);
    chmodSync(join(tree, 'private'), 0o700);
  });

  void test('copies single files, and a link as what it is', async (context) => {
    const { files, all } = await parts(context);
    const host = temporaryDirectory(context, { file: 'one' });
    symlinkSync('/etc/passwd', join(host, 'link'));
    assert.equal((await files.copyIn(join(host, 'file'), '/tmp/a/file', { parents: true })).files, 1);
    assert.equal((await files.copyIn(join(host, 'link'), '/tmp/link')).links, 1);
    assert.equal(await sh(all, 'cat /tmp/a/file; readlink /tmp/link'), 'one/etc/passwd\n');
    assert.equal((await files.copyOut('/tmp/a/file', join(host, 'out'))).bytes, 3);
    assert.equal(readFileSync(join(host, 'out'), 'utf8'), 'one');
    await assert.rejects(files.copyOut('/tmp/link', join(host, 'passwd')), { code: 'ERR_FILES', errno: 22 });
    await assert.rejects(files.copyOut('/tmp/none', join(host, 'none')), { code: 'ERR_FILES', errno: 2 });
    await assert.rejects(files.copyIn(join(host, 'none'), '/tmp/none'), {
      code: 'ERR_FILES',
      errno: 2,
      syscall: 'lstat',
    });
    assert.deepEqual(readdirSync(host).sort(), ['file', 'link', 'out']);
  });

  void test('a copy takes the place of what is there only when asked to, and then as a whole', async (context) => {
    const { files, all } = await parts(context);
    const host = temporaryDirectory(context, { 'one/a': '1', 'two/b': '2', file: 'f' });
    const at = (name: string): string => join(host, name);
    await files.copyIn(at('one'), '/tmp/d');
    await assert.rejects(files.copyIn(at('two'), '/tmp/d'), { code: 'ERR_FILES', errno: 17 });
    await files.copyIn(at('two'), '/tmp/d', { overwrite: true });
    assert.deepEqual(names(await files.list('/tmp', { recursive: true })), ['d', 'd/b']);
    await files.copyIn(at('file'), '/tmp/d', { overwrite: true });
    assert.equal(await sh(all, 'cat /tmp/d; ls -A /tmp'), 'fd\n');
    await files.copyIn(at('one'), '/tmp/d', { overwrite: true });
    await assert.rejects(files.copyOut('/tmp/d', at('two')), { code: 'ERR_FILES', errno: 17 });
    await assert.rejects(files.copyOut('/tmp/d', at('file')), { code: 'ERR_FILES', errno: 17 });
    await files.copyOut('/tmp/d', at('two'), { overwrite: true });
    await files.copyOut('/tmp/d', at('file'), { overwrite: true });
    await files.copyOut('/tmp/d/a', at('one'), { overwrite: true });
    assert.deepEqual([readdirSync(at('two')), readdirSync(at('file'))], [['a'], ['a']]);
    assert.equal(readFileSync(at('one'), 'utf8'), '1');
    assert.deepEqual(readdirSync(host).sort(), ['file', 'one', 'two']);
  });

  void test('works on what is mounted, with the rights that commands have there', async (context) => {
    const host = temporaryDirectory(context, { 'read/file': 'r', 'write/file': 'w' });
    const { files } = await parts(context, {
      filesystem: { readOnly: [join(host, 'read')], writable: [join(host, 'write')] },
    });
    await files.write(join(host, 'write/new'), 'new');
    assert.equal(readFileSync(join(host, 'write/new'), 'utf8'), 'new');
    assert.equal(lstatSync(join(host, 'write/new')).uid, process.getuid?.());
    await assert.rejects(files.write(join(host, 'read/new'), 'x'), { code: 'ERR_FILES', errno: 30 });
    await assert.rejects(files.remove(join(host, 'read/file')), { code: 'ERR_FILES', errno: 30 });
    await assert.rejects(files.remove(join(host, 'write'), { recursive: true }), { syscall: 'unlink' });
    assert.deepEqual(readdirSync(join(host, 'write')), [], 'but what it held');
    await assert.rejects(files.read(join(host, 'other')), { code: 'ERR_FILES', errno: 2 });
  });

  void test('many at once, while commands run, under any policy', async (context) => {
    for (const syscalls of ['default', 'strict', 'build'] as const) {
      const { files, all } = await parts(context, {
        syscalls,
        limits: { openFiles: 16, wallTime: '40s' },
        env: { A: 'b' },
      });
      const step = all.spawn('sleep', ['1000']);
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          await files.write(`/tmp/${index}`, String(index));
          assert.equal(await files.read(`/tmp/${index}`, { encoding: 'utf8' }), String(index));
        }),
      );
      const host = join(temporaryDirectory(context), 'out');
      await files.copyOut('/tmp', host);
      assert.equal(readdirSync(host).length, 20);
      step.kill();
      await step;
    }
  });

  void test('a policy that refuses what it needs is told, and one that has no renameat2 is enough', async (context) => {
    const policy = (name: string, verdict: 'kill' | 'errno', errno?: 'ENOSYS'): SandboxOptions => ({
      syscalls: { extends: 'default', rules: [{ name, verdict, reason: 'test', ...(errno ? { errno } : {}) }] },
    });
    const killed = await parts(context, policy('fchmod', 'kill'));
    await assert.rejects(killed.files.write('/tmp/f', 'x'), { code: 'ERR_FILES', message: /the system call fchmod/ });
    assert.deepEqual(await killed.files.list('/tmp'), [], 'nor is anything left');
    const { files } = await parts(context, policy('renameat2', 'errno', 'ENOSYS'));
    const host = temporaryDirectory(context, { 'one/a': '1', 'two/b': '2' });
    await files.copyIn(join(host, 'one'), '/tmp/d');
    await assert.rejects(files.copyIn(join(host, 'two'), '/tmp/d'), { code: 'ERR_FILES', errno: 17 });
    await files.copyIn(join(host, 'two'), '/tmp/d', { overwrite: true });
    assert.deepEqual(names(await files.list('/tmp', { recursive: true })), ['d', 'd/b']);
    await assert.rejects(files.write('/tmp/d/b', 'x', { overwrite: false }), { code: 'ERR_FILES', errno: 17 });
    await files.write('/tmp/d/c', 'x', { overwrite: false });
  });

  void test('a sandbox that is over, or that ends meanwhile, is told', async (context) => {
    const sandbox = await made(context);
    async function* never(): AsyncGenerator<string> {
      yield 'begun';
      await new Promise(() => undefined);
    }
    const writing = sandbox.files.write('/tmp/f', never());
    const told = assert.rejects(writing, { code: 'ERR_SANDBOX_CLOSED' });
    await delay(100);
    await sandbox.destroy();
    await told;
    await assert.rejects(sandbox.files.read('/tmp/f'), { code: 'ERR_SANDBOX_CLOSED' });
    await assert.rejects(sandbox.files.copyIn(import.meta.dirname, '/tmp/f'), { code: 'ERR_SANDBOX_CLOSED' });
    await assert.rejects(buffer(sandbox.files.readStream('/tmp/f')), { code: 'ERR_SANDBOX_CLOSED' });
  });

  void test('of a copy whose sandbox ends meanwhile nothing is left, nor of one that is given up', async (context) => {
    const host = temporaryDirectory(context);
    const sandbox = await made(context);
    await sandbox.files.write('/tmp/d/file', pieces(40, MEBIBYTE), { parents: true });
    await assert.rejects(sandbox.files.copyOut('/tmp/d', join(host, 'd'), { signal: AbortSignal.timeout(15) }), {
      code: 'ERR_FILES',
      message: /aborted/,
    });
    assert.deepEqual(readdirSync(host), []);
    const copying = sandbox.files.copyOut('/tmp/d', join(host, 'd'));
    const told = assert.rejects(copying, { code: 'ERR_SANDBOX_CLOSED' });
    await until('it has begun', () => readdirSync(host).length > 0, { every: 1 });
    await sandbox.destroy();
    await told;
    assert.deepEqual(readdirSync(host), []);
  });

  void test('nothing stays open of hundreds of them', async (context) => {
    const { files } = await parts(context);
    const host = temporaryDirectory(context, { 'tree/a/b/file': 'x' });
    const all = async (round: number): Promise<void> => {
      await files.copyIn(join(host, 'tree'), `/tmp/${round}`);
      await files.copyOut(`/tmp/${round}`, join(host, String(round)));
      await files.copyOut('/tmp/none', join(host, 'none')).catch(() => undefined);
      await files.copyIn(join(host, 'none'), '/tmp/none').catch(() => undefined);
      await files.copyIn(join(host, 'tree'), '/usr/none').catch(() => undefined);
      await files.write(`/tmp/${round}/file`, Readable.from(['x', 'y']));
      await once(files.readStream(`/tmp/${round}/file`).resume(), 'close');
      await files.remove(`/tmp/${round}`, { recursive: true });
    };
    await all(0);
    const before = countDescriptors(process.pid);
    for (let round = 1; round < 40; round++) await all(round);
    await until('it is as it was', () => countDescriptors(process.pid) <= before + 3);
    assert.deepEqual(await files.list('/tmp'), []);
  });

  void test('limits of the sandbox hold for it: no space, a file that is too long, no memory, no processes', async (context) => {
    const { files, all } = await parts(context, { limits: { scratch: '1MiB', fileSize: '512KiB', processes: 8 } });
    await assert.rejects(files.write('/tmp/f', Buffer.alloc(600 * 1024)), { code: 'ERR_FILES', errno: 27 });
    await files.write('/tmp/f', Buffer.alloc(500 * 1024));
    await files.write('/tmp/g', Buffer.alloc(500 * 1024));
    await assert.rejects(files.write('/tmp/h', Buffer.alloc(500 * 1024)), { code: 'ERR_FILES', errno: 28 });
    assert.deepEqual(names(await files.list('/tmp')), ['f', 'g']);
    const full = all.spawn('sh', ['-c', 'for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo full; wait']);
    for await (const line of full) {
      assert.equal(line, 'full');
      break;
    }
    assert.equal((await files.read('/tmp/f')).length, 500 * 1024, 'it takes no process of theirs');
    full.kill();
    await full;
  });

  void test('what cannot be asked for is refused before anything is started', async (context) => {
    const { files } = await parts(context);
    const refused: (() => Promise<unknown>)[] = [
      () => files.read(''),
      () => files.read('a\0b'),
      () => files.read(7 as never),
      () => files.read('x'.repeat(5000)),
      () => files.read('x', { limit: 'much' }),
      () => files.read('x', { encoding: 'latin1' as never }),
      () => files.read('x', { timeout: 0 }),
      () => files.write('x', 7 as never),
      () => files.write('x', '', { mode: 0o4755 }),
      () => files.write('x', '', { parent: true } as never),
      () => files.list('x', { limit: -1 }),
      () => files.copyIn('', 'x'),
      () => files.copyIn('/', 'x'),
      () => files.copyOut('x', '/tmp/x', { links: 'keep' as never }),
      () => files.copyOut('x', '/tmp/x', { depth: 65 }),
    ];
    for (const one of refused) await assert.rejects(one(), { code: 'ERR_INVALID_OPTION' }, String(one));
  });
});

async function parts(
  context: TestContext,
  options: SandboxOptions = {},
): Promise<{ readonly files: Sandbox['files']; readonly all: Sandbox }> {
  const all = await made(context, options);
  return { files: all.files, all };
}

/** How much the app's memory has grown at most. */
class Peak {
  readonly #before = process.memoryUsage.rss();
  #peak = 0;

  look(): void {
    this.#peak = Math.max(this.#peak, process.memoryUsage.rss());
  }

  get grown(): number {
    return this.#peak - this.#before;
  }
}
