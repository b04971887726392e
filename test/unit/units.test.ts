import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SandboxError } from '#src/errors.js';
import { formatDuration, formatSize, parseDuration, parseSize } from '#src/units.js';

const SIZES: readonly (readonly [text: unknown, bytes: number])[] = [
  [0, 0],
  [1024, 1024],
  ['10', 10],
  ['10B', 10],
  ['64MiB', 64 * 2 ** 20],
  ['64 MiB', 64 * 2 ** 20],
  ['1.5GiB', 1.5 * 2 ** 30],
  ['10MB', 10_000_000],
  ['2kB', 2000],
  ['1TiB', 2 ** 40],
  ['0.3B', 1],
  [Infinity, Infinity],
  ['Infinity', Infinity],
];

const DURATIONS: readonly (readonly [text: unknown, milliseconds: number])[] = [
  [250, 250],
  ['500ms', 500],
  ['2s', 2000],
  ['1.5s', 1500],
  ['1m', 60_000],
  ['2min', 120_000],
  ['1h', 3_600_000],
  [0.4, 1],
];

const REFUSED: readonly (readonly [value: unknown, message: RegExp])[] = [
  ['64 megs', /limits\.memory must be a number of bytes, or text such as '64MiB'/],
  ['64M', /has no unit 'M'; did you mean '64MiB'\?/],
  ['64g', /must be/],
  ['', /must be/],
  ['-1', /must be/],
  ['1e3', /must be/],
  ['constructor', /must be/],
  ['1constructor', /must be/],
  [-1, /must not be negative/],
  [NaN, /must be.*Got: NaN/],
  [null, /must be.*Got: null/],
  [true, /must be/],
  [2 ** 60, /too large/],
];

void describe('sizes', () => {
  for (const [text, bytes] of SIZES) {
    void test(`${String(text)} is ${bytes} bytes`, () => {
      assert.equal(parseSize(text, 'limits.memory'), bytes);
    });
  }
  for (const [value, message] of REFUSED) {
    void test(`${JSON.stringify(value)} is refused`, () => {
      assert.throws(
        () => parseSize(value, 'limits.memory'),
        (error) => {
          assert.ok(error instanceof SandboxError);
          assert.equal(error.code, 'ERR_INVALID_OPTION');
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
  void test('any text is a size or refused with ERR_INVALID_OPTION', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{1,4}\.?\d{0,3} ?[A-Za-z]{0,3}$/)), (text) => {
        try {
          const bytes = parseSize(text, 'x');
          assert.ok(bytes === Infinity || (Number.isSafeInteger(bytes) && bytes >= 0));
        } catch (error) {
          assert.ok(error instanceof SandboxError && error.code === 'ERR_INVALID_OPTION');
        }
      }),
    );
  });
  void test('a whole number of bytes is itself', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => parseSize(bytes, 'x') === bytes && parseSize(`${bytes}B`, 'x') === bytes),
    );
  });
});

void describe('durations', () => {
  for (const [text, milliseconds] of DURATIONS) {
    void test(`${String(text)} is ${milliseconds} ms`, () => {
      assert.equal(parseDuration(text, 'limits.wallTime'), milliseconds);
    });
  }
  void test('a size is not a duration', () => {
    assert.throws(() => parseDuration('1MiB', 'limits.wallTime'), /limits\.wallTime must be a number of milliseconds/);
  });
});

void test('sizes and durations are shown in the largest fitting unit', () => {
  assert.deepEqual([512 * 2 ** 20, 1.5 * 2 ** 30, 1000, 1, 0].map(formatSize), [
    '512 MiB',
    '1.5 GiB',
    '1000 bytes',
    '1 byte',
    '0 bytes',
  ]);
  assert.deepEqual([250, 1500, 60_000].map(formatDuration), ['250 ms', '1.5 s', '1 min']);

  void test('an object that cannot be made a text is refused like any other', () => {
    const value = { toString: [] } as unknown as number;
    assert.throws(() => parseSize(value, 'limits.memory'), {
      code: 'ERR_INVALID_OPTION',
      message: /Got: an object\.$/,
    });
  });
});
