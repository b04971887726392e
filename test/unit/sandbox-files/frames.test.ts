import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decodeEntry } from '#src/sandbox/files/entry.js';
import { encodeData, encodeFrame, type Frame, FrameReader, Malformed } from '#src/sandbox/files/frames.js';
import { Listing } from '#src/sandbox/files/look.js';
import { problemOf } from '#src/sandbox/files/problem.js';
import { SandboxError } from 'spawn-sandbox';
import { data, directory, end, entry, file, frame, KIND, link, problem, root } from '../../helpers/file-frames.js';

const HEADER = 5;

function read(bytes: Buffer, step: number): readonly Frame[] {
  const reader = new FrameReader();
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += step) frames.push(...reader.push(bytes.subarray(at, at + step)));
  return frames;
}

/** Frames of data in parts are one again. */
function joined(frames: readonly Frame[]): string {
  return frames.map(({ kind, payload }) => (kind === 1 ? payload.toString('latin1') : `[${kind}]`)).join('');
}

/** The same numbers in each run. */
function* random(seed: number): Generator<number, never> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    yield state >>> 8;
  }
}

void suite('frames of sandbox.files', () => {
  const stream = Buffer.concat([
    root,
    directory('d'),
    file('f', 2),
    data('some'),
    data(''),
    data('thing'),
    link('l', 'd/f'),
    end,
  ]);

  void test('are the same however they are cut', () => {
    const whole = joined(read(stream, stream.length));
    assert.equal(whole, '[2][2][2]something[2][3]');
    for (const step of [1, 2, 3, 7, 34, 35]) assert.equal(joined(read(stream, step)), whole, String(step));
  });

  void test('large data are encoded as several', () => {
    const bytes = Buffer.alloc(200_000, 7);
    const frames = [...encodeData(bytes)];
    assert.equal(frames.length, 4);
    assert.deepEqual(Buffer.concat(read(Buffer.concat(frames), 65_536).map(({ payload }) => payload)), bytes);
    assert.deepEqual(encodeFrame(3, Buffer.alloc(0)), end);
  });

  void test('of an unknown kind or of more bytes than can be are refused before these have come', () => {
    for (const bad of [
      frame(0),
      frame(5),
      frame(255),
      frame(1, '', 65_537),
      frame(2, '', 5000),
      frame(3, '', 1),
      frame(4, '', 5000),
      frame(1, '', 2 ** 32 - 1),
    ]) {
      assert.throws(() => read(bad.subarray(0, HEADER), HEADER), Malformed);
    }
    assert.equal(read(frame(1, '', 65_536), HEADER).length, 0, 'control');
  });

  void test('an entry says what cannot mislead, or is refused', () => {
    const refused = [
      frame(2, 'short'),
      entry({ name: '' }),
      entry({ name: '.' }),
      entry({ name: '..' }),
      entry({ name: 'a/b' }),
      entry({ name: '/' }),
      entry({ name: '../x' }),
      entry({ name: 'a\0b' }),
      entry({ name: 'x'.repeat(256) }),
      entry({ depth: 0, name: 'x' }),
      entry({ kind: 0, name: 'x' }),
      entry({ kind: 8, name: 'x' }),
      entry({ kind: KIND.link, name: 'x' }),
      entry({ kind: KIND.link, name: 'x', target: 'a\0b' }),
      entry({ kind: KIND.link, name: 'x', target: 'x'.repeat(4096) }),
      entry({ kind: KIND.file, name: 'x', target: 'y' }),
    ];
    for (const [index, one] of refused.entries()) {
      assert.throws(() => decodeEntry(one.subarray(HEADER)), Malformed, String(index));
    }
    const long = entry({ name: 'x' }).subarray(HEADER);
    long.writeUInt16LE(2, 27);
    assert.throws(() => decodeEntry(long), Malformed, 'a name beyond the end');
    const good = decodeEntry(entry({ name: 'a\n', mode: 0xffffffff, size: 2n ** 63n, seconds: -1n }).subarray(HEADER));
    assert.deepEqual([good.name.toString(), good.mode, good.mtimeMs], ['a\n', 0o7777, -1000]);
  });

  void test('a list takes entries that are in a directory which came before, and no more than were asked for', () => {
    const add = (listing: Listing, ...all: Buffer[]): Listing => {
      for (const one of all) listing.add(decodeEntry(one.subarray(HEADER)));
      return listing;
    };
    for (const bad of [
      [root],
      [file('f', 2)],
      [file('f'), file('g', 2)],
      [directory('d'), file('f', 2), file('g', 3)],
      [directory('d'), file('f'), file('g', 2)],
      [link('l', '/'), file('f', 2)],
    ]) {
      assert.throws(() => add(new Listing(10, 64), ...bad), Malformed);
    }
    assert.throws(() => add(new Listing(1, 64), file('a'), file('b')), Malformed);
    assert.throws(() => add(new Listing(9, 1), directory('a'), file('b', 2)), Malformed);
    const paths = add(
      new Listing(9, 64),
      directory('d'),
      directory('e', 2),
      file('f', 3),
      file('g', 2),
      file('h'),
    ).sorted();
    assert.deepEqual(
      paths.map(({ path }) => path),
      ['d', 'd/e', 'd/e/f', 'd/g', 'h'],
    );
  });

  void test('a list holds no more bytes than it may', () => {
    const listing = new Listing(1_000_000, 64);
    const long = 'x'.repeat(255);
    for (let depth = 1; depth < 64; depth++) listing.add(decodeEntry(directory(long, depth).subarray(HEADER)));
    const last = decodeEntry(file(long, 64).subarray(HEADER));
    assert.throws(() => {
      for (let count = 0; count < 10_000; count++) listing.add(last);
    }, Malformed);
  });

  void test('a problem is a sentence on one line, or refused', () => {
    const deed = { verb: 'read', path: '/tmp/f' };
    const said = problemOf(deed, problem(1, 2, '/tmp/\u001b[31m\nf').subarray(HEADER));
    assert.deepEqual([said.code, said.errno, said.syscall, said.path], ['ERR_FILES', 2, 'open', '/tmp/f']);
    assert.doesNotMatch(said.message, /[\p{C}]/u);
    for (const bad of [
      frame(4, 'x'),
      problem(0, 2),
      problem(17, 2),
      problem(255, 2),
      problem(1, 0),
      problem(1, 4096),
    ]) {
      assert.throws(() => problemOf(deed, bad.subarray(HEADER)), Malformed);
    }
  });

  void test('20,000 streams that were changed at random are read or refused, and nothing else', () => {
    const numbers = random(7);
    const next = (below: number): number => numbers.next().value % below;
    const original = Buffer.concat([stream, problem(3, 28, 'f')]);
    let refused = 0;
    let taken = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(original);
      for (let change = 0; change <= next(4); change++) bytes[next(bytes.length)] = next(256);
      try {
        const listing = new Listing(100, 64);
        for (const { kind, payload } of read(bytes.subarray(0, 1 + next(bytes.length)), 1 + next(200))) {
          assert.ok(payload.length <= 65_536);
          if (kind === 2) {
            const one = decodeEntry(payload);
            if (one.depth > 0) listing.add(one);
          }
          if (kind === 4) assert.ok(problemOf({ verb: 'read', path: 'f' }, payload) instanceof SandboxError);
        }
        for (const { path } of listing.sorted()) {
          for (const part of path.toString('latin1').split('/')) assert.ok(!['', '.', '..'].includes(part));
        }
        taken++;
      } catch (error) {
        assert.ok(error instanceof Malformed, String(error));
        refused++;
      }
    }
    assert.ok(refused > 2000 && taken > 2000, `${refused} refused, ${taken} taken`);
  });
});
