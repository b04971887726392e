import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { SandboxError } from '#src/errors.js';
import { codecOf } from '#src/typed/messages/codec.js';
import type { PlainValue } from '#src/typed/messages/types.js';
import { plainRoot } from '../../helpers/message-types.js';

const BOUNDS = { maxDepth: 32, maxElements: 100_000 };
const codec = codecOf(undefined, 'params', BOUNDS);
const value = plainRoot.lookupType('google.protobuf.Value');

function roundTrip(plain: unknown): unknown {
  const payload = codec.encode(plain);
  assert.equal(payload.kind, 'value');
  assert.equal(codec.check(payload), undefined);
  return codec.decode(payload);
}

/** The same without prototypes. */
function bare(plain: unknown): unknown {
  if (Array.isArray(plain)) return plain.map(bare);
  if (typeof plain !== 'object' || plain === null) return plain;
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, member] of Object.entries(plain)) copy[key] = bare(member);
  return copy;
}

function invalid(plain: unknown, why: RegExp): void {
  assert.throws(
    () => codec.encode(plain),
    (error) => {
      assert.ok(error instanceof SandboxError, String(error));
      assert.equal(error.code, 'ERR_INVALID_OPTION');
      assert.match(error.message, why);
      return true;
    },
  );
}

class Money {
  amount = 1;
}

void describe('plain values', () => {
  void test('come back as they were', () => {
    const any = fc.jsonValue({ maxDepth: 6, noNullPrototype: true } as fc.JsonSharedConstraints);
    fc.assert(
      fc.property(any, (plain) => {
        assert.deepEqual(roundTrip(plain), bare(plain));
      }),
      { numRuns: 500 },
    );
    for (const number of [Number.NaN, Infinity, -Infinity, -0, 5e-324, Number.MAX_VALUE]) {
      assert.ok(Object.is(roundTrip(number), number), String(number));
    }
    for (const text of ['', 'x'.repeat(31), 'x'.repeat(1000), 'ü😀', '\0', '\ufeffbom', 'ä'.repeat(100)]) {
      assert.equal(roundTrip(text), text);
    }
  });

  void test('mean to protobufjs what they mean here', () => {
    const toPlain = (message: Record<string, unknown>): unknown => {
      if ('structValue' in message) {
        const { fields } = message['structValue'] as { fields?: Record<string, Record<string, unknown>> };
        return Object.fromEntries(Object.entries(fields ?? {}).map(([key, member]) => [key, toPlain(member)]));
      }
      if ('listValue' in message) {
        return ((message['listValue'] as { values?: Record<string, unknown>[] }).values ?? []).map(toPlain);
      }
      const [member] = Object.entries(message);
      return member?.[0] === 'nullValue' ? null : member?.[1];
    };
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (plain) => {
        assert.deepEqual(bare(toPlain(value.toObject(value.decode(codec.encode(plain).bytes)))), bare(plain));
      }),
    );
  });

  void test('leave out what is undefined, as JSON does', () => {
    assert.deepEqual(roundTrip({ a: undefined, b: [1, undefined], [Symbol('c')]: 1 }), bare({ b: [1, null] }));
    assert.equal(roundTrip(undefined), null);
    assert.deepEqual(roundTrip(new Array(2)), [null, null]);
  });

  void test('may be objects without a prototype, or of another realm', () => {
    assert.deepEqual(roundTrip(Object.assign(Object.create(null) as object, { a: 1 })), bare({ a: 1 }));
    assert.deepEqual(roundTrip(runInNewContext('({ a: [1] })')), bare({ a: [1] }));
  });

  void test('have keys that mean nothing', () => {
    const hostile = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 1, "toString": 2, "": 3}') as object;
    const read = roundTrip(hostile) as Record<string, unknown>;
    assert.deepEqual(Object.keys(read), ['__proto__', 'constructor', 'toString', '']);
    assert.equal(Object.getPrototypeOf(read), null);
    assert.deepEqual(read['__proto__'], bare({ polluted: 1 }));
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });

  const REFUSED: readonly (readonly [unknown, RegExp])[] = [
    [{ rows: [1, 2, 3, { when: new Date() }] }, /^params\.rows\[3\]\.when is a Date\. Pass when\.getTime\(\)/],
    [{ a: 1n }, /^params\.a is the bigint 1\. Pass a number/],
    [{ data: new Uint8Array(1) }, /^params\.data is an? Uint8Array\. .*base64/],
    [{ data: Buffer.from('a') }, /^params\.data is a Buffer\. .*base64/],
    [new Map(), /^params is a Map\. Pass Object\.fromEntries/],
    [{ 'a b': () => 1 }, /^params\["a b"\] is a function\. Plain values are/],
    [[Symbol('x')], /^params\[0\] is a symbol/],
    [{ price: new Money() }, /^params\.price is a Money/],
    [{ price: Object.create({ a: 1 }) as object }, /^params\.price is an Object/],
    [{ a: 'x\ud800' }, /^params\.a has half of a surrogate pair/],
    [{ ['\udc00']: 1 }, /half of a surrogate pair/],
  ];
  for (const [plain, why] of REFUSED) {
    void test(`are refused: ${why.source}`, () => {
      invalid(plain, why);
    });
  }

  void test('contain themselves not, and are nested to a bound', () => {
    const cyclic: unknown[] = [];
    cyclic.push({ again: cyclic });
    invalid(cyclic, /contains itself/);
    const nested = (levels: number): PlainValue =>
      levels === 0 ? 1 : levels % 2 === 0 ? [nested(levels - 1)] : { a: nested(levels - 1) };
    assert.deepEqual(roundTrip(nested(32)), bare(nested(32)));
    invalid(nested(33), /is nested deeper than 32 levels/);
    const deeper = codecOf(undefined, 'x', { ...BOUNDS, maxDepth: 64 }).encode(nested(33));
    assert.match(codec.check(deeper) ?? '', /nested deeper than 32 levels/);
  });

  void test('whose getters fail are an error of the option', () => {
    const cause = new Error('mine');
    const plain = {
      get a(): number {
        throw cause;
      },
    };
    assert.throws(() => codec.encode(plain), { code: 'ERR_INVALID_OPTION', cause });
  });

  void test('in parts are put together, and of several kinds the last one counts', () => {
    const parts = (...messages: object[]): unknown => {
      const bytes = Buffer.concat(messages.map((message) => value.encode(value.fromObject(message)).finish()));
      assert.equal(codec.check({ kind: 'value', bytes }), undefined);
      return codec.decode({ kind: 'value', bytes });
    };
    const one = { structValue: { fields: { a: { numberValue: 1 } } } };
    const two = { structValue: { fields: { b: { numberValue: 2 } } } };
    assert.deepEqual(parts(one, two), bare({ a: 1, b: 2 }));
    assert.deepEqual(parts(one, { nullValue: 0 }, two), bare({ b: 2 }));
    assert.deepEqual(
      parts({ listValue: { values: [{ boolValue: true }] } }, { listValue: { values: [{ nullValue: 0 }] } }),
      [true, null],
    );
    assert.equal(parts(one, { stringValue: 'x' }), 'x');
  });

  void test('of no kind, and messages, are refused', () => {
    const refusal = (kind: 'message' | 'value', ...bytes: number[]): string =>
      codec.check({ kind, bytes: Uint8Array.from(bytes) }) ?? '';
    assert.match(refusal('value'), /^A plain value cannot be taken: .*says of no kind/);
    assert.match(refusal('value', 0x32, 2, 0x0a, 0), /says of no kind/);
    assert.match(refusal('value', 0x38, 0), /says of no kind/);
    assert.match(refusal('message', 0x08, 0), /A message came where a plain value is due/);
    assert.match(refusal('value', 0x10, 0), /field 2, 'numberValue', has the wire type 0/);
    assert.match(refusal('value', 0x1a, 1, 0xff), /not UTF-8/);
  });
});
