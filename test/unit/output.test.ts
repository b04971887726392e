import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { Lines } from '#src/step/lines.js';
import { Output } from '#src/step/output.js';
import { OutputStream } from '#src/step/output-stream.js';

function opened(limit = 1000): { readonly output: Output; readonly calls: string[] } {
  const calls: string[] = [];
  const output = new Output('stdout', limit);
  output.open({ pause: () => calls.push('pause'), resume: () => calls.push('resume') });
  return { output, calls };
}

void describe('an output', () => {
  void test('that nobody reads flows and is collected', () => {
    const { output, calls } = opened();
    output.accept(Buffer.alloc(500));
    output.accept(Buffer.alloc(600_000));
    assert.deepEqual(calls, ['resume']);
    assert.equal(output.collected('buffer').length, 1000);
    assert.equal(output.truncated, true);
  });
  void test('is not truncated when nothing was to be kept', () => {
    const { output } = opened(0);
    output.accept(Buffer.from('x'));
    assert.equal(output.collected('utf8'), '');
    assert.equal(output.truncated, false);
  });
  void test('leaves out a character that the limit cuts through', () => {
    const { output } = opened(4);
    output.accept(Buffer.from('ab\u20ac'));
    assert.equal(output.collected('utf8'), 'ab');
  });
  void test('keeps bytes exactly', () => {
    const { output } = opened();
    output.accept(Buffer.from([0xff, 0x00]));
    output.accept(Buffer.from([0x0a]));
    assert.deepEqual(output.collected('buffer'), Buffer.from([0xff, 0x00, 0x0a]));
  });
  void test('is held back by a reader that does not keep up, and flows on when it leaves', () => {
    const { output, calls } = opened(0);
    const queue = output.attach();
    output.accept(Buffer.alloc(70_000));
    assert.deepEqual(calls, ['resume', 'pause']);
    assert.ok(output.paused);
    queue.detach();
    assert.deepEqual(calls, ['resume', 'pause', 'resume']);
  });
  void test('flows on when the reader has taken enough', () => {
    const { output, calls } = opened(0);
    const queue = output.attach();
    output.accept(Buffer.alloc(70_000));
    queue.take();
    assert.deepEqual(calls, ['resume', 'pause', 'resume']);
  });
  void test('does not wait for a reader once the step has ended', () => {
    const { output, calls } = opened(0);
    output.attach();
    output.accept(Buffer.alloc(70_000));
    output.finish();
    output.accept(Buffer.alloc(70_000));
    assert.deepEqual(calls, ['resume', 'pause', 'resume']);
  });
  void test('is read from its beginning by one who comes late', async () => {
    const { output } = opened();
    output.accept(Buffer.from('a\nb'));
    output.accept(Buffer.from('c\n'));
    output.end();
    assert.deepEqual(await Readable.from(new Lines(() => [output.attach()])).toArray(), ['a', 'bc']);
    assert.deepEqual(
      Buffer.concat((await new OutputStream(output.attach()).toArray()) as Buffer[]).toString(),
      'a\nbc\n',
    );
  });
  void test('is an error to one who comes when its beginning is gone', async () => {
    const { output } = opened(1);
    output.accept(Buffer.from('abc'));
    await assert.rejects(new Lines(() => [output.attach()]).next(), { code: 'ERR_OUTPUT_GONE' });
  });
  void test('ends a loop with the error of its step', async () => {
    const { output } = opened();
    const lines = new Lines(() => [output.attach()]);
    output.accept(Buffer.from('a\nb'));
    const first = await lines.next();
    const second = lines.next();
    output.fail(new Error('gone'));
    assert.equal(first.value, 'a');
    await assert.rejects(second, /gone/);
  });
});

void describe('a loop over lines', () => {
  void test('that is left lets the output flow', async () => {
    const { output, calls } = opened(0);
    const lines = new Lines(() => [output.attach()]);
    const first = lines.next();
    output.accept(Buffer.from(`x\n${'y'.repeat(100_000)}`));
    assert.equal((await first).value, 'x');
    await lines.return();
    output.accept(Buffer.alloc(200_000));
    assert.notEqual(calls.at(-1), 'pause');
    assert.deepEqual(await lines.next(), { done: true, value: undefined });
  });
  void test('says which lines are pieces', async () => {
    const { output } = opened();
    const lines = new Lines(() => [output.attach()]);
    const first = lines.next();
    output.accept(Buffer.from(`${'x'.repeat(2 ** 20 + 5)}\n`));
    await first;
    assert.equal(lines.partial, true);
    assert.equal((await lines.next()).value, 'xxxxx');
    assert.equal(lines.partial, false);
  });
});

void describe('a stream', () => {
  void test('that nobody listens to for errors is only destroyed by one', async () => {
    const { output } = opened();
    const stream = new OutputStream(output.attach());
    stream.resume();
    output.fail(new Error('gone'));
    await new Promise((resolve) => stream.once('close', resolve));
    assert.equal(stream.destroyed, true);
  });
  void test('passes an error on to one who listens', async () => {
    const { output } = opened();
    const stream = new OutputStream(output.attach());
    const heard = new Promise<Error>((resolve) => stream.once('error', resolve));
    output.fail(new Error('gone'));
    assert.equal((await heard).message, 'gone');
  });
});
