import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Line, LineSplitter, LONGEST_LINE } from '#src/step/line-splitter.js';

function split(...chunks: readonly (string | Buffer)[]): readonly Line[] {
  const splitter = new LineSplitter();
  const lines = chunks.flatMap((chunk) => [...splitter.push(Buffer.from(chunk as Buffer))]);
  return [...lines, ...splitter.end()];
}

function texts(...chunks: readonly (string | Buffer)[]): readonly string[] {
  return split(...chunks).map(({ text }) => text);
}

void describe('lines', () => {
  void test('come without their newline', () => {
    assert.deepEqual(texts('a\nb\r\n\nc'), ['a', 'b', '', 'c']);
  });
  void test('are none when there are no bytes', () => {
    assert.deepEqual(texts(), []);
    assert.deepEqual(texts(''), []);
  });
  void test('are not one more when the last newline is there', () => {
    assert.deepEqual(texts('a\n'), ['a']);
  });
  void test('keep a carriage return that is not part of a newline', () => {
    assert.deepEqual(texts('a\rb\n'), ['a\rb']);
  });
  void test('do not depend on where the chunks were cut', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => text.replace(/[\r\n]/g, '.'));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1 }), fc.array(fc.nat()), (expected, cuts) => {
        const bytes = Buffer.from(expected.map((text) => `${text}\n`).join(''));
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        assert.deepEqual(texts(...chunks), expected);
      }),
    );
  });
  void test('longer than the limit come in flagged pieces, and no character is torn', () => {
    const long = '\u20ac'.repeat(LONGEST_LINE);
    const pieces = split(`${long}\nshort\n`);
    assert.deepEqual(
      pieces.map(({ partial }) => partial),
      [true, true, true, false, false].slice(-pieces.length),
    );
    assert.equal(pieces.at(-1)?.text, 'short');
    assert.equal(
      pieces
        .slice(0, -1)
        .map(({ text }) => text)
        .join(''),
      long,
    );
    assert.ok(pieces.every(({ text }) => Buffer.byteLength(text) <= LONGEST_LINE));
  });
  void test('of exactly the limit are whole', () => {
    const line = 'x'.repeat(LONGEST_LINE);
    assert.deepEqual(split(`${line}\n`), [{ text: line, partial: false }]);
  });
});
