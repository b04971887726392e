// What the addon does with descriptors that JavaScript has as numbers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fstatSync, ftruncateSync, readdirSync, readFileSync, symlinkSync, writeSync, mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join, relative as relativePath } from 'node:path';
import { suite, test } from 'node:test';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { answerOf } from '../helpers/app.js';
import { addon, memoryFile } from '../helpers/further.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

const ETOOMANYREFS = 109; // not in Node's list
const { EBADF, EINVAL, ELOOP, ENOENT, ENAMETOOLONG, EPERM, EBUSY } = constants.errno;

/** A module from memory has no package whose names it could use. */
const DIST = import.meta.resolve('#src/index.js').replace(/index\.js$/, '');

function open(): readonly string[] {
  return readdirSync('/proc/self/fd');
}

void suite('files in memory', () => {
  void test('are empty, can be written, and then sealed for everybody', (context) => {
    const memory = memoryFile(context);
    assert.equal(fstatSync(memory).size, 0);
    assert.equal(writeSync(memory, 'content'), 7);
    assert.equal(addon.seal(memory), 0);
    assert.throws(() => writeSync(memory, 'more'), { code: 'EPERM' });
    assert.throws(
      () => {
        ftruncateSync(memory, 0);
      },
      { code: 'EPERM' },
    );
    assert.equal(addon.seal(memory), -EPERM, 'nor can seals be changed');
    assert.equal(fstatSync(memory).mode & 0o111, 0, 'and it is not executed');
  });

  void test('are no pipes to be sealed, and neither is nothing', (context) => {
    const [one, other] = addon.channel();
    context.after(() => {
      addon.close(one);
      addon.close(other);
    });
    assert.equal(addon.seal(one), -EINVAL);
    assert.equal(addon.seal(-1), -EBADF);
  });

  void test('are not sealed while somebody has one mapped for writing', (context) => {
    const memory = memoryFile(context);
    ftruncateSync(memory, 4096);
    const map =
      'import mmap, sys; memory = mmap.mmap(0, 4096); print("mapped", flush=True); sys.stdin = open("/dev/null")';
    const code = `${map}\nimport ctypes, fcntl\ntry: fcntl.fcntl(0, 1033, 15); print("sealed")\nexcept OSError as error: print(error.errno)`;
    const said = execFileSync('python3', ['-c', code], { stdio: [memory, 'pipe', 'inherit'], encoding: 'utf8' });
    assert.equal(said, `mapped\n${EBUSY}\n`, 'the system says so');
    assert.equal(addon.seal(memory), 0, 'and no longer when that has gone');
  });

  for (const size of [100, 256 * 1024, 5_000_000]) {
    void test(`of ${size} bytes can be mapped, sealed or not`, (context) => {
      for (const sealed of [false, true]) {
        const memory = memoryFile(context);
        writeSync(memory, Buffer.alloc(size, 'ab'));
        if (sealed) assert.equal(addon.seal(memory), 0);
        const mapped = addon.map(memory, size);
        assert.ok(typeof mapped !== 'number');
        const bytes = Buffer.from(mapped);
        assert.equal(bytes.length, size);
        assert.equal(bytes.toString('latin1', size - 4), 'abab');
        bytes.fill('c'); // private: it reaches no file, and sealing is no hindrance
        const again = addon.map(memory, size);
        assert.ok(typeof again !== 'number');
        assert.equal(Buffer.from(again).toString('latin1', 0, 4), 'abab');
        assert.equal(addon.seal(memory), sealed ? -EPERM : 0, 'no mapping of ours can write');
      }
    });
  }

  for (const size of [100, 300_000, 20_000_000]) {
    void test(`of ${size} bytes are unmapped when that is asked for, and not when they are collected`, async (context) => {
      const memory = memoryFile(context);
      writeSync(memory, Buffer.alloc(size, 'ab'));
      const mapped = addon.map(memory, size);
      assert.ok(typeof mapped !== 'number');
      const bytes = new Uint8Array(mapped);
      const { ino } = fstatSync(memory);
      assert.equal(isMapped(ino), size > 1000, 'what is small is read');
      addon.unmap(mapped);
      assert.deepEqual([mapped.byteLength, bytes.length, bytes[0]], [0, 0, undefined]);
      await until('it is unmapped', () => !isMapped(ino));
      addon.unmap(mapped); // has no effect
      addon.unmap(new ArrayBuffer(8));
    });
  }
});

void suite('files that are opened', () => {
  void test('by a path, absolute or not, as text or as bytes', (context) => {
    const directory = temporaryDirectory(context, { täble: 'content' });
    const path = join(directory, 'täble');
    for (const name of [path, Buffer.from(path)]) {
      const descriptor = addon.openFile(name);
      assert.ok(descriptor >= 0, String(descriptor));
      assert.equal(fstatSync(descriptor).size, 7);
      addon.close(descriptor);
    }
    const relative = addon.openFile(`${relativePath(process.cwd(), directory)}/täble`);
    assert.ok(relative >= 0, String(relative));
    addon.close(relative);
  });

  void test('never through a symbolic link, at the end or on the way', (context) => {
    const directory = temporaryDirectory(context, { 'real/table': 'content' });
    symlinkSync(join(directory, 'real'), join(directory, 'link'));
    symlinkSync('table', join(directory, 'real/name'));
    assert.equal(addon.openFile(join(directory, 'link/table')), -ELOOP);
    assert.equal(addon.openFile(join(directory, 'real/name')), -ELOOP);
    assert.equal(addon.openFile('/proc/self/fd/0'), -ELOOP);
    assert.equal(addon.openFile(join(directory, 'real/none')), -ENOENT);
  });

  void test('without waiting for the other end of a FIFO', (context) => {
    const directory = temporaryDirectory(context);
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    mkdirSync(join(directory, 'directory'));
    for (const name of ['fifo', 'directory']) {
      const descriptor = addon.openFile(join(directory, name));
      assert.ok(descriptor >= 0, 'of what kind it is, the caller looks');
      addon.close(descriptor);
    }
  });

  void test('are not what nonsense names', () => {
    assert.equal(addon.openFile(''), -EINVAL);
    assert.equal(addon.openFile(new Uint8Array()), -EINVAL);
    assert.equal(addon.openFile('a\0b'), -EINVAL);
    assert.equal(addon.openFile('x'.repeat(4096)), -ENAMETOOLONG);
    assert.equal(addon.openFile(Buffer.alloc(10_000, 'x')), -ENAMETOOLONG);
    assert.equal(addon.openFile(undefined as unknown as string), -EINVAL);
    assert.equal(addon.openFile(7 as unknown as string), -EINVAL);
  });
});

void test('a thread that ends in the middle leaves nothing open that it was given', async (context) => {
  const directory = temporaryDirectory(context, { table: 'content' });
  const code = `
    import { workerData } from 'node:worker_threads';
    import { loadAddon } from '#src/spawner/locate.js';
    const addon = loadAddon();
    for (let count = 0; count < 50; count++) if (addon.memory() < 0 || addon.openFile(workerData) < 0) throw new Error('none');
    (await import('node:worker_threads')).parentPort.postMessage('open');
    setInterval(() => undefined, 1000);`;
  const before = open().length;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code.replace('#src/', DIST))}`), {
    workerData: join(directory, 'table'),
  });
  await once(worker, 'message');
  assert.ok(open().length >= before + 100, 'the control');
  await worker.terminate();
  await until('it has given them back', () => open().length <= before + 5);
});

void suite('further descriptors of a message', () => {
  const PACKET = Buffer.from('packet');

  void test('that are nonsense send nothing and leave nothing open', (context) => {
    const [near, far] = addon.channel();
    const nothing = (): void => undefined;
    const reactor = addon.createReactor(near, {
      message: nothing,
      data: nothing,
      room: nothing,
      writable: nothing,
      closed: nothing,
    });
    context.after(() => {
      reactor.close();
      addon.close(far);
    });
    const before = open();
    for (const further of [
      [-1],
      [false],
      ['1'],
      [null],
      [1.5e10],
      Array.from({ length: 33 }, () => true),
      7,
      [true, 99_999],
    ]) {
      const answer = reactor.send(PACKET, true, true, true, further as number[]);
      assert.ok(answer === -EINVAL || answer === -EBADF, `${JSON.stringify(further)}: ${String(answer)}`);
      assert.deepEqual(open(), before);
    }
    const good = reactor.send(PACKET, true, false, true, [true, far, true]);
    assert.ok(typeof good !== 'number');
    assert.deepEqual(
      good.map((one) => one >= 0),
      [true, false, true, true, false, true],
    );
    addon.close(good[0]);
  });

  void test('leave nothing open when descriptors run out in the middle', { timeout: 60_000 }, async (context) => {
    const app = `
      import { readdirSync } from 'node:fs';
      import { loadAddon } from '#src/spawner/locate.js';
      const addon = loadAddon(), [near, far] = addon.channel(), nothing = () => undefined;
      const reactor = addon.createReactor(near, { message: nothing, data: nothing, room: nothing, writable: nothing, closed: nothing });
      const count = () => readdirSync('/proc/self/fd').length, before = count(), answers = [];
      for (let further = 0; further <= 32; further++) {
        const answer = reactor.send(Buffer.from('x'), false, true, true, Array.from({ length: further }, () => true));
        if (typeof answer !== 'number') { for (const stream of answer.slice(1)) if (stream >= 0) reactor.drop(stream); }
        answers.push([typeof answer === 'number' ? answer : 0, count() - before]);
      }
      console.log(JSON.stringify(answers)); reactor.close();`;
    const command = ['prlimit', '--nofile=50', process.execPath];
    const answers = (await answerOf(context, app, { command })) as readonly (readonly [number, number])[];
    // An ordinary user may have but so many on their way, too.
    const kinds = new Set(answers.map(([answer]) => (answer === -ETOOMANYREFS ? -constants.errno.EMFILE : answer)));
    assert.deepEqual(kinds, new Set([0, -constants.errno.EMFILE]));
    // What has been sent and is not received yet is not open here.
    assert.deepEqual(new Set(answers.map(([, more]) => more)), new Set([0]));
  });
});

/** By this process. */
function isMapped(inode: number): boolean {
  return readFileSync('/proc/self/maps', 'utf8').includes(` ${inode} `);
}
