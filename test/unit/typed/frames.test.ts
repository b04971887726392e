import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { frame, FrameReader } from '#src/typed/messages/frames.js';
import { cpuTime } from '../../helpers/cpu-time.js';

/** All frames that are whole after each chunk. */
function readAll(reader: FrameReader, chunks: readonly Uint8Array[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let next = reader.next(); next !== undefined; next = reader.next()) frames.push(Uint8Array.from(next));
  }
  return frames;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[index % sizes.length] ?? 1);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

void describe('frames', () => {
  void test('come out of chunks of any size as they went in', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 5 });
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 })), sizes, (messages, chunkSizes) => {
        const reader = new FrameReader({ maxFrameBytes: 400 });
        const stream = Uint8Array.from(Buffer.concat(messages.map(frame)));
        assert.deepEqual(readAll(reader, cut(stream, chunkSizes)), messages);
        assert.equal(reader.partial, undefined);
        assert.equal(reader.refusal, undefined);
      }),
    );
  });

  void test('may wait to be taken', () => {
    const reader = new FrameReader({ maxFrameBytes: 10 });
    for (const chunk of cut(Buffer.concat([frame(Buffer.from('ab')), frame(Buffer.from('c'))]), [1]))
      reader.push(chunk);
    assert.equal(Buffer.from(reader.next() ?? []).toString(), 'ab');
    assert.equal(Buffer.from(reader.next() ?? []).toString(), 'c');
    assert.equal(reader.next(), undefined);
  });

  void test('of a MiB are collected byte by byte in time that grows with their length', () => {
    const message = new Uint8Array(2 ** 20).fill(7);
    const reader = new FrameReader({ maxFrameBytes: message.length });
    let frames: Uint8Array[] = [];
    const time = cpuTime(() => {
      frames = readAll(reader, cut(frame(message), [1]));
    });
    assert.equal(frames.length, 1);
    assert.ok(Buffer.from(message).equals(frames[0] ?? Buffer.alloc(0)));
    // If each byte moved those before it, this would be half a TB.
    assert.ok(time < 15_000, `${time} ms`);
  });

  void test('that are small come by the hundred thousand in one chunk, and many chunks may wait', () => {
    const count = 100_000;
    const one = frame(Buffer.from('x'));
    const reader = new FrameReader({ maxFrameBytes: 16 });
    const time = cpuTime(() => {
      assert.equal(readAll(reader, [Buffer.concat(Array.from({ length: count }, () => one))]).length, count);
      for (let index = 0; index < count; index++) reader.push(one);
      assert.equal(readAll(reader, [one]).length, count + 1);
    });
    assert.ok(time < 15_000, `${time} ms`);
  });

  void test('take memory for what has arrived, not for what was announced', () => {
    const reader = new FrameReader({ maxFrameBytes: 2 ** 32 });
    const before = process.memoryUsage();
    reader.push(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3));
    const after = process.memoryUsage();
    assert.equal(reader.next(), undefined);
    assert.deepEqual(reader.partial, { have: 3, of: 2 ** 32 - 1 });
    assert.ok(after.arrayBuffers - before.arrayBuffers < 2 ** 20);
  });

  void test('that are too long are refused once their length is there, for good', () => {
    const reader = new FrameReader({ maxFrameBytes: 100 });
    reader.push(frame(new Uint8Array(3)));
    reader.push(Uint8Array.of(101));
    assert.equal(reader.next()?.length, 3, 'what came before is still there');
    assert.equal(reader.next(), undefined);
    assert.equal(reader.refusal, 'A frame of 101 bytes was announced; 100 are allowed.');
    reader.push(frame(new Uint8Array(3)));
    assert.equal(reader.next(), undefined);
    assert.equal(reader.partial, undefined);
  });

  void test('whose length has no end are refused', () => {
    const reader = new FrameReader({ maxFrameBytes: 100 });
    for (let index = 0; index < 5; index++) reader.push(Uint8Array.of(0x80));
    assert.equal(reader.next(), undefined);
    assert.equal(reader.refusal, 'The length of a frame does not end within 5 bytes.');
  });

  void test('that end too early are told', () => {
    const reader = new FrameReader({ maxFrameBytes: 1000 });
    assert.equal(reader.partial, undefined);
    reader.push(Uint8Array.of(0x90));
    assert.deepEqual(reader.partial, { have: 1, of: undefined });
    reader.push(Uint8Array.of(0x01));
    assert.deepEqual(reader.partial, { have: 0, of: 144 });
    reader.push(new Uint8Array(140));
    assert.deepEqual(reader.partial, { have: 140, of: 144 });
    reader.push(new Uint8Array(5));
    assert.equal(reader.partial, undefined, 'a whole one is there to be taken');
    assert.equal(reader.next()?.length, 144);
    assert.equal(reader.next()?.length, 0);
    assert.equal(reader.partial, undefined);
  });
});
