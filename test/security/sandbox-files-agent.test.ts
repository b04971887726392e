// What if the command that works on a sandbox's files is not ours any more? Here another program answers in its place.
import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { suite, test, type TestContext } from 'node:test';
import { createSandbox, type Sandbox, type SandboxFiles } from 'spawn-sandbox';
import { LivingFiles } from '#src/sandbox/files/living-files.js';
import type { FilesCommand } from '#src/sandbox/files/operation.js';
import { data, directory, end, entry, file, frame, KIND, link, problem, root } from '../helpers/file-frames.js';
import { umask } from '../helpers/umask.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const EPROTO = 71;

interface Answering {
  readonly host: string;
  /** Operations that are answered by what a script in the sandbox prints; `stream` is what it finds at `/tmp/stream`. */
  readonly answeredBy: (stream: readonly Buffer[], script?: string) => Promise<SandboxFiles>;
}

async function answering(context: TestContext): Promise<Answering> {
  const sandbox = await createSandbox();
  context.after(() => sandbox.destroy());
  const host = join(temporaryDirectory(context, { 'victim/there': 'untouched' }), 'host');
  mkdirSync(host);
  return {
    host,
    answeredBy: async (stream, script = 'exec cat /tmp/stream') => {
      await sandbox.files.write('/tmp/stream', stream);
      return new LivingFiles((request, _source, signal) => impostor(sandbox, script, request.timeout, signal), '/tmp');
    },
  };
}

function impostor(sandbox: Sandbox, script: string, timeout: number, signal: AbortSignal | undefined): FilesCommand {
  const limits = { output: Infinity, wallTime: timeout };
  return sandbox.spawn('sh', ['-c', script], {
    limits,
    ...(signal === undefined ? {} : { signal }),
  }) as unknown as FilesCommand;
}

void suite('who answers for the command that works on files', () => {
  void test('can have a copy made of what it sends', async (context) => {
    const { answeredBy, host } = await answering(context);
    const stream = [root, directory('d'), file('f', 2), data('1'), data('2'), link('l', '../g', 2), file('g'), end];
    const copied = await (await answeredBy(stream)).copyOut('/x', join(host, 'x'));
    assert.deepEqual(copied, { files: 2, directories: 2, links: 1, bytes: 2, skipped: 0 });
    assert.equal(readFileSync(join(host, 'x/d/f'), 'utf8'), '12');
    assert.equal(readFileSync(join(host, 'x/d/l'), 'utf8'), '');
  });

  void test('can have nothing written anywhere else, nor twice, nor after an error', async (context) => {
    const { answeredBy, host } = await answering(context);
    const bad: Record<string, readonly Buffer[]> = {
      'a name that climbs': [root, file('..'), end],
      'a name that climbs far': [root, file('../../victim/x'), data('x'), end],
      'a name that is absolute': [root, file(join(host, '../victim/x')), end],
      'a name that is empty': [root, file(''), end],
      'a name with a NUL': [root, file('a\0b'), end],
      'a name for the top': [entry({ kind: KIND.directory, depth: 0, name: '../victim' }), end],
      'a directory that is this one': [root, directory('.'), file('x', 2), end],
      'a link to an absolute path': [root, link('l', join(host, '../victim')), end],
      'a link that climbs': [root, link('l', '../victim'), end],
      'a link that climbs by way of another': [root, directory('a'), link('b', '..', 2), link('c', 'a/b/../..'), end],
      'something in a link': [root, link('l', '.'), file('x', 2), end],
      'a directory where a link is': [root, directory('d'), link('l', 'd'), directory('l'), file('x', 2), end],
      'a file where a link is': [root, file('f'), link('l', 'f'), file('l'), data('x'), end],
      'a file twice': [root, file('f'), data('1'), file('f'), data('2'), end],
      'a link at the top': [link('', '/etc/passwd', 0), end],
      'two tops': [root, root, end],
      'a file, and a top': [root, file('f'), root, end],
      'something in a file': [entry({ depth: 0 }), file('x'), end],
      'something too deep': [root, file('x', 2), end],
      'something far too deep': [root, file('x', 65535), end],
      'no top': [file('x'), end],
      'data before all': [data('x'), root, end],
      'data of a directory': [root, data('x'), end],
      'data of a link': [root, file('f'), link('l', 'f'), data('x'), end],
      'no end': [root, file('f'), data('x')],
      'half a frame': [root, file('f').subarray(0, 20)],
      'half of its data': [root, file('f'), frame(1, 'x', 1000)],
      'an unknown frame': [root, frame(9, 'x'), end],
      'a frame that is too long': [root, file('f'), frame(1, '', 2 ** 31), end],
      'an entry of unknown kind': [root, entry({ kind: 99, name: 'x' }), end],
      nothing: [],
      'only an end': [end],
      'an error that is none': [root, problem(200, 0)],
      'an error in the end': [root, file('f'), data('x'), problem(3, 28, '\u001b]0;x')],
      'deeper than was asked for': [root, directory('a'), directory('b', 2), end],
      'more than was asked for': [root, file('a'), file('b'), file('c'), file('d'), end],
    };
    for (const [what, stream] of Object.entries(bad)) {
      const files = await answeredBy(stream);
      const copying = files.copyOut('/x', join(host, 'x'), { depth: 2, entries: 4 });
      await assert.rejects(copying, { code: 'ERR_FILES', path: '/x' }, what);
      assert.deepEqual(readdirSync(host), [], what);
      assert.deepEqual(readdirSync(join(host, '../victim')), ['there'], what);
    }
    assert.equal(readFileSync(join(host, '../victim/there'), 'utf8'), 'untouched');
    const good = [root, directory('a'), file('b', 2), file('c', 2), end];
    assert.equal((await (await answeredBy(good)).copyOut('/x', join(host, 'x'), { depth: 2, entries: 4 })).files, 2);
  });

  void test('can have no set-id bit, no fifo and no device made, and no directory that the app cannot remove', async (context) => {
    const { answeredBy, host } = await answering(context);
    const stream = [
      entry({ kind: KIND.directory, depth: 0, mode: 0o7000 }),
      entry({ name: 'f', mode: 0o7777 }),
      entry({ kind: KIND.directory, name: 'd', mode: 0 }),
      entry({ kind: KIND.fifo, name: 'fifo', depth: 2 }),
      entry({ kind: 6, name: 'device', depth: 2 }),
      entry({ name: 'shut', mode: 0, depth: 2 }),
      end,
    ];
    const copied = await (await answeredBy(stream)).copyOut('/x', join(host, 'x'));
    assert.equal(copied.skipped, 2);
    const modes = ['', 'f', 'd', 'd/shut'].map((name) => lstatSync(join(host, 'x', name)).mode & 0o7777);
    assert.deepEqual(modes, [0o700, 0o777 & ~umask(), 0o700, 0]);
    assert.deepEqual(readdirSync(join(host, 'x/d')), ['shut']);
    assert.equal(statSync(join(host, 'x/f')).uid, process.getuid?.());
  });

  void test('holds nobody up, and fills neither disk nor memory', async (context) => {
    const { answeredBy, host } = await answering(context);
    const endless =
      "cat /tmp/stream; exec python3 -c \"import sys\nwhile True: sys.stdout.buffer.write(open('/tmp/more', 'rb').read() * 64)\"";
    const more = async (piece: Buffer): Promise<string> => {
      await (await answeredBy([piece], 'exec cp /tmp/stream /tmp/more')).remove('/x').catch(() => undefined);
      return endless;
    };
    const begun = performance.now();
    const before = process.memoryUsage.rss();
    const script = await more(data('x'.repeat(1000)));
    const limited = { limit: '4MiB' } as const;
    await assert.rejects((await answeredBy([], script)).read('/x', limited), { code: 'ERR_FILES', errno: 27 });
    await assert.rejects(buffer((await answeredBy([], script)).readStream('/x', limited)), { errno: 27 });
    await assert.rejects((await answeredBy([root, file('f')], script)).copyOut('/x', join(host, 'x'), limited), {
      errno: 27,
    });
    await assert.rejects((await answeredBy([], script)).list('/x'), { errno: EPROTO });
    await more(Buffer.from(''));
    await more(file('x'));
    await assert.rejects((await answeredBy([], script)).list('/x'), { errno: EPROTO });
    await more(entry({ kind: KIND.fifo, name: 'x' }));
    const few = { entries: 10_000 };
    await assert.rejects((await answeredBy([root], script)).copyOut('/x', join(host, 'x'), few), { code: 'ERR_FILES' });
    await more(data(''));
    await assert.rejects((await answeredBy([], script)).read('/x', { timeout: '1s' }), /took too long/);
    await assert.rejects((await answeredBy([], 'sleep 1000')).stat('/x', { timeout: 300 }), /took too long/);
    await assert.rejects((await answeredBy([], 'sleep 1000')).write('/x', 'y', { timeout: 300 }), /took too long/);
    await (await answeredBy([end], endless)).remove('/x');
    assert.deepEqual(readdirSync(host), []);
    assert.ok(process.memoryUsage.rss() - before < 200 * 2 ** 20);
    // What waited in vain would fail by its timeout, or take five minutes: a slow machine takes one or two.
    assert.ok(performance.now() - begun < 200_000);
  });

  void test('is not believed where it answers something else than was asked', async (context) => {
    const { answeredBy } = await answering(context);
    const refused = { code: 'ERR_FILES', errno: EPROTO };
    await assert.rejects((await answeredBy([entry({ depth: 0 }), entry({ depth: 0 }), end])).stat('/x'), refused);
    await assert.rejects((await answeredBy([file('x'), end])).stat('/x'), refused);
    await assert.rejects((await answeredBy([end])).stat('/x'), refused);
    await assert.rejects((await answeredBy([root, end])).list('/x'), refused);
    await assert.rejects((await answeredBy([data('x'), end])).list('/x'), refused);
    await assert.rejects((await answeredBy([file('x'), end])).read('/x'), refused);
    await assert.rejects((await answeredBy([data('x'), end])).write('/x', 'y'), refused);
    await assert.rejects((await answeredBy([file('x'), end])).remove('/x'), refused);
    await assert.rejects((await answeredBy([], 'exit 0')).remove('/x'), { code: 'ERR_FILES' });
    await assert.rejects((await answeredBy([], 'kill -9 $$')).remove('/x'), { code: 'ERR_FILES' });
    await assert.rejects((await answeredBy([problem(1, 13, '/y')])).remove('/x'), { code: 'ERR_FILES', errno: 13 });
    const sparse = entry({ depth: 0, size: 2n ** 63n, seconds: -(2n ** 62n) });
    const { size, mtimeMs } = await (await answeredBy([sparse, end])).stat('/x');
    assert.ok(size === 2 ** 63 && Number.isFinite(mtimeMs));
  });
});
