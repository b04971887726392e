import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import protobuf from 'protobufjs';
import { SandboxError } from '#src/errors.js';
import { codecOf, type MessageCodec, readPayload } from '#src/typed/messages/codec.js';
import {
  FIXTURES,
  generatedClasses,
  plainRoot,
  read,
  root,
  type TypeName,
  TYPES,
  VALUES,
} from '../../helpers/message-types.js';

const BOUNDS = { maxDepth: 32, maxElements: 100_000 };
const reflected = (name: string): MessageCodec => codecOf(root.lookupType(name), 'params', BOUNDS);

function roundTrip(codec: MessageCodec, value: unknown): unknown {
  const payload = codec.encode(value);
  assert.equal(payload.kind, 'message');
  assert.equal(codec.check(payload), undefined);
  return codec.decode(payload);
}

function refusal(codec: MessageCodec, ...bytes: number[]): string {
  return codec.check({ kind: 'message', bytes: Uint8Array.from(bytes) }) ?? '';
}

function invalid(codec: MessageCodec, value: unknown, why: RegExp): void {
  assert.throws(
    () => codec.encode(value),
    (error) => {
      assert.ok(error instanceof SandboxError, String(error));
      assert.equal(error.code, 'ERR_INVALID_OPTION');
      assert.match(error.message, why);
      return true;
    },
  );
}

void describe('messages of a Type', () => {
  for (const name of TYPES) {
    void test(`${name} comes back as it was, and is to protobufjs what it is here`, () => {
      const codec = reflected(name);
      const type = root.lookupType(name);
      const value = VALUES[name];
      assert.equal(codec.typeName, name);
      assert.deepEqual(roundTrip(codec, value), {
        ...(read(type, codec.encode({ ...minimal(name) }).bytes) as object),
        ...value,
      });
      assert.deepEqual(read(type, codec.encode(value).bytes), codec.decode(codec.encode(value)));
    });
  }

  void test('have the defaults of what is absent', () => {
    for (const name of TYPES) {
      const codec = reflected(name);
      const payload = codec.encode(minimal(name));
      assert.deepEqual(codec.decode(payload), read(root.lookupType(name), payload.bytes));
    }
    const legacy = roundTrip(reflected('legacy.Record'), minimal('legacy.Record')) as Record<string, unknown>;
    assert.deepEqual(
      [legacy['greeting'], legacy['big'], legacy['data'], legacy['kind']],
      ['hi', -7n, Uint8Array.of(97, 98), 1],
    );
  });

  void test('share no default with each other, and no bytes with their frame', () => {
    const codec = reflected('shop.Numbers');
    const one = roundTrip(codec, {}) as { o: Uint8Array };
    const other = roundTrip(codec, {}) as { o: Uint8Array };
    assert.notEqual(one.o, other.o);
    const payload = codec.encode({ o: Uint8Array.of(1, 2) });
    const { o } = codec.decode(payload) as { o: Uint8Array };
    payload.bytes.fill(0);
    assert.deepEqual(o, Uint8Array.of(1, 2));
    assert.equal(Object.getPrototypeOf(o), Uint8Array.prototype);
    const lists = reflected('shop.Lists');
    assert.notEqual((roundTrip(lists, {}) as { a: unknown }).a, (roundTrip(lists, {}) as { a: unknown }).a);
  });

  void test('take whole numbers of 64 bits as bigint, number, text and Long', () => {
    const codec = reflected('shop.Numbers');
    const long = { low: -1, high: -1, unsigned: false };
    for (const [given, expected] of [
      [5n, 5n],
      [-5, -5n],
      ['-9223372036854775808', -(2n ** 63n)],
      [long, -1n],
    ]) {
      assert.equal((roundTrip(codec, { h: given }) as { h: bigint }).h, expected);
    }
    assert.equal((roundTrip(codec, { i: { ...long, unsigned: true } }) as { i: bigint }).i, 2n ** 64n - 1n);
    invalid(
      codec,
      { h: 2 ** 53 },
      /^params\.h must be a whole number.*is 9007199254740992\. Numbers beyond 2\^53 are not exact: pass a bigint/,
    );
    invalid(codec, { h: 2n ** 63n }, /^params\.h must be a whole number from -9223372036854775808/);
    invalid(codec, { i: -1 }, /from 0 to 18446744073709551615, and is -1/);
    invalid(codec, { h: '1.5' }, /is the text "1\.5"/);
    invalid(codec, { h: 1.5 }, /is 1\.5/);
  });

  void test('take nothing that is not of their type', () => {
    const numbers = reflected('shop.Numbers');
    for (const [value, why] of [
      [{ a: '1' }, /^params\.a must be a number, and is the text "1"/],
      [{ b: 1e39 }, /^params\.b is 1e\+39, and a float holds/],
      [{ c: 2 ** 31 }, /^params\.c must be a whole number from -2147483648 to 2147483647/],
      [{ d: -1 }, /^params\.d must be a whole number from 0 to 4294967295/],
      [{ m: 1 }, /^params\.m must be true or false, and is 1/],
      [{ n: 1 }, /^params\.n must be a string/],
      [{ n: '\ud83d' }, /^params\.n has half of a surrogate pair/],
      [{ o: 'YQ==' }, /^params\.o must be a Uint8Array, and is the text "YQ=="/],
      [{ p: 'GREEN' }, /^params\.p must be a number or one of RED, BLUE, DEEP/],
      [{ p: 'toString' }, /^params\.p must be a number or one of/],
      [null, /^params must be an object, and is null/],
      [[], /^params must be an object, and is an array/],
      [{ q: 1 }, /^params\.q is no field of shop\.Numbers\./],
      [{ __proto__: { a: 'ignored' }, constructor: 1 }, /^params\.constructor is no field/],
    ] as const) {
      invalid(numbers, value, why);
    }
    const order = reflected('shop.Order');
    invalid(order, { parts: [{}, { point: { x: 'a' } }] }, /^params\.parts\[1\]\.point\.x must be/);
    invalid(order, { parts: {} }, /^params\.parts must be an array, and is an object/);
    invalid(order, { createdby: 'x' }, /^params\.createdby is no field of shop\.Order\. Did you mean 'createdBy'\?/);
    invalid(order, { counts: { 'a b': -1 } }, /^params\.counts\["a b"\] must be/);
    invalid(order, { counts: new Map() }, /^params\.counts must be an object of entries, and is a Map/);
    invalid(order, { left: 'x', right: 1 }, /^params has both 'left' and 'right'/);
    invalid(reflected('shop.Maps'), { points: { x: {} } }, /^params\.points\.x must be a whole number/);
    invalid(reflected('shop.Maps'), { blobs: { yes: Uint8Array.of() } }, /^params\.blobs\.yes must be true or false/);
    invalid(reflected('legacy.Record'), { number: 1 }, /^params must have 'inner', which is a required field/);
    const cyclic: { parts: unknown[] } = { parts: [] };
    cyclic.parts.push(cyclic);
    invalid(order, cyclic, /contains itself/);
  });

  void test('may be instances, with what protobufjs adds to them', () => {
    const type = root.lookupType('shop.Order');
    const message = type.fromObject({ name: 'x', right: 5, parts: [{ id: 3 }] });
    const payload = reflected('shop.Order').encode(message);
    assert.deepEqual(read(type, payload.bytes), read(type, type.encode(message).finish()));
    assert.deepEqual(roundTrip(reflected('shop.Order'), { left: 'x', choice: 'left', right: null }), {
      ...(roundTrip(reflected('shop.Order'), {}) as object),
      left: 'x',
    });
    assert.equal((roundTrip(reflected('shop.Numbers'), { p: 'BLUE' }) as { p: number }).p, 2);
  });

  void test('have plain values where their fields are of google/protobuf/struct.proto', () => {
    const codec = codecOf(plainRoot.lookupType('plain.Form'), 'params', BOUNDS);
    const bare = (value: object): object => Object.assign(Object.create(null) as object, value);
    const value = {
      object: bare({ a: [1, 'x', null] }),
      value: null,
      list: [true, bare({})],
      values: [null, 1, []],
      objects: bare({ x: bare({ y: 1 }) }),
      chosen: 5,
    };
    assert.deepEqual(roundTrip(codec, value), value);
    assert.deepEqual(roundTrip(codec, {}), { object: null, value: null, list: null, values: [], objects: bare({}) });
    invalid(codec, { object: [] }, /^params\.object is an array/);
    invalid(codec, { list: {} }, /^params\.list must be an array/);
    invalid(codec, { values: [1, new Date()] }, /^params\.values\[1\] is a Date/);
    const struct = codecOf(plainRoot.lookupType('google.protobuf.Struct'), 'params', BOUNDS);
    assert.deepEqual(roundTrip(struct, { a: 1 }), bare({ a: 1 }));
    invalid(struct, 5, /^params is 5/);
  });
});

void describe('the wire', () => {
  const order = reflected('shop.Order');
  const lists = reflected('shop.Lists');
  const numbers = reflected('shop.Numbers');

  void test('may have fields in any order, in parts, packed or not, and unknown ones', () => {
    const type = root.lookupType('shop.Order');
    const parts = [
      { point: { x: 1 } },
      { name: 'a', left: 'l' },
      { point: { y: 2 } },
      { name: 'b', right: 3 },
      { middle: { x: 4 } },
      { middle: { y: 5 } },
    ];
    const bytes = Buffer.concat(parts.map((part) => type.encode(type.fromObject(part)).finish()));
    const joined = readPayload(order, { kind: 'message', bytes });
    assert.ok('value' in joined);
    assert.deepEqual(joined.value, read(type, bytes));
    assert.deepEqual(joined.value, {
      ...(roundTrip(order, {}) as object),
      name: 'b',
      point: { x: 1, y: 2 },
      middle: { x: 4, y: 5 },
    });
    const unpacked = readPayload(lists, {
      kind: 'message',
      bytes: Uint8Array.of(0x18, 1, 0x1a, 2, 2, 3, 0x18, 4, 0x8a, 1, 2, 5, 6),
    });
    assert.ok('value' in unpacked);
    assert.deepEqual(unpacked.value, { ...(roundTrip(lists, {}) as object), c: [1, 2, 3, 4], loose: [5n, 6n] });
    const unknown = Uint8Array.of(
      0xf8,
      0x3f,
      1,
      0xfa,
      0x3f,
      1,
      9,
      0xf9,
      0x3f,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      0xfd,
      0x3f,
      1,
      2,
      3,
      4,
    );
    assert.deepEqual(readPayload(reflected('shop.Empty'), { kind: 'message', bytes: unknown }), { value: {} });
  });

  void test('has maps whose entries may miss a part, and hostile keys', () => {
    const maps = reflected('shop.Maps');
    const entry = (...bytes: number[]): number[] => [0x0a, bytes.length, ...bytes];
    const key = [...Buffer.from('__proto__')];
    const bytes = Uint8Array.from([
      ...entry(),
      ...entry(0x0a, 1, 0x61),
      ...entry(0x0a, key.length, ...key, 0x10, 7),
      0x12,
      0,
    ]);
    const result = readPayload(maps, { kind: 'message', bytes });
    assert.ok('value' in result);
    const { counts, points } = result.value as { counts: Record<string, unknown>; points: Record<string, unknown> };
    assert.deepEqual(Object.entries(counts), [
      ['', 0n],
      ['a', 0n],
      ['__proto__', 7n],
    ]);
    assert.equal(Object.getPrototypeOf(counts), null);
    assert.deepEqual(Object.entries(points), [['0', { x: 0, y: 0 }]]);
  });

  void test('is refused where it is not what its schema says', () => {
    for (const [codec, bytes, why] of [
      [order, [0x08, 1], /field 1, 'name', has the wire type 0/],
      [order, [0x22, 3, 1, 2, 3], /A message shop\.Order cannot be taken: .*\.$/],
      [order, [0x20, 0], /field 4, 'point', has the wire type 0/],
      [order, [0x0a, 2, 0xc3, 0x28], /not UTF-8/],
      [order, [0x0a, 5, 0x61], /claims 5 bytes where 1 are left/],
      [order, [0x22, 4, 0x08, 2], /claims 4 bytes where 2 are left/],
      [order, [0x22, 1, 0x08, 2], /middle of a field/],
      [order, [0x0b, 0x0c], /group/],
      [order, [0x0c], /group/],
      [order, [0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], /64 bits/],
      [order, [0x10, 0x80], /middle of a field/],
      [numbers, [0x09, 1, 2, 3], /middle of a field/],
      [numbers, [0x0a, 8, 1, 2, 3, 4, 5, 6, 7, 8], /field 1, 'a', has the wire type 2/],
      [numbers, [0x35, 1, 2, 3], /middle of a field/],
      [lists, [0x0a, 7, 1, 2, 3, 4, 5, 6, 7], /packed numbers of 8 bytes end after 7 bytes/],
      [lists, [0x12, 3, 1, 2, 3], /packed numbers of 4 bytes/],
      [lists, [0x1a, 2, 1, 0x80], /middle of a field/],
      [reflected('legacy.Record'), [0x08, 1], /the required field 'inner' is missing/],
      [reflected('legacy.Record'), [0x08, 1, 0x1a, 0], /the required field 'text' is missing/],
    ] as const) {
      assert.match(refusal(codec, ...bytes), why);
      assert.ok('refusal' in readPayload(codec, { kind: 'message', bytes: Uint8Array.from(bytes) }));
    }
    assert.match(
      order.check({ kind: 'value', bytes: new Uint8Array() }) ?? '',
      /A plain value came where a message is due/,
    );
  });

  void test('is decoded without a check at the price of a coded error only', () => {
    assert.throws(() => order.decode({ kind: 'message', bytes: Uint8Array.of(0x0a, 5) }), { code: 'ERR_PROTOCOL' });
  });
});

void describe('generated classes', () => {
  let made: Awaited<ReturnType<typeof generatedClasses>>;
  const classOf = (name: TypeName): unknown => {
    const { shop, legacy } = made.classes;
    return ({ shop, legacy } as unknown as Record<string, Record<string, unknown>>)[name.split('.')[0] ?? '']?.[
      name.split('.')[1] ?? ''
    ];
  };
  before(async () => {
    made = await generatedClasses();
  });

  void test('are generated as they lie here: node scripts/generate-fixtures.mjs', () => {
    assert.equal(readFileSync(made.types, 'utf8'), readFileSync(join(FIXTURES, 'generated.d.ts'), 'utf8'));
  });

  for (const name of TYPES) {
    void test(`${name} is written and read to the byte like its Type`, () => {
      const codec = codecOf(classOf(name), 'params', BOUNDS);
      const other = reflected(name);
      assert.equal(codec.typeName, name);
      for (const value of [VALUES[name], minimal(name)]) {
        const payload = codec.encode(value);
        assert.deepEqual(Buffer.from(payload.bytes), Buffer.from(other.encode(value).bytes));
        assert.equal(codec.check(payload), undefined);
        assert.deepEqual(codec.decode(payload), other.decode(payload));
      }
    });
  }

  void test('refuse what their Types refuse', () => {
    const order = codecOf(classOf('shop.Order'), 'params', BOUNDS);
    invalid(order, { nam: 'x' }, /^params\.nam is no field of shop\.Order\. Did you mean 'name'\?/);
    invalid(order, { parts: [{ id: 1.5 }] }, /^params\.parts\[0\]\.id must be a whole number/);
    invalid(order, { left: 'x', right: 1 }, /has both/);
    invalid(codecOf(classOf('legacy.Record'), 'params', BOUNDS), {}, /must have 'number'/);
    assert.match(refusal(order, 0x22, 0x80), /middle of a field/);
  });
});

void describe('what is no message type', () => {
  void test('is refused', () => {
    for (const type of [null, 5, 'shop.Order', {}, [], class Foo extends Date {}, () => 1, { encode: 1 }, root]) {
      assert.throws(() => codecOf(type, 'params', BOUNDS), {
        code: 'ERR_INVALID_OPTION',
        message: /^the message type of params must be a Type of protobufjs, .*and is /,
      });
    }
  });

  void test('or leads nowhere, or has groups, is refused with the reason', () => {
    const parse = (text: string): protobuf.Type => protobuf.parse(text).root.lookupType('T');
    assert.throws(() => codecOf(parse('syntax = "proto3"; message T { Missing a = 1; }'), 'result', BOUNDS), {
      code: 'ERR_INVALID_OPTION',
      message: /^the message type of result cannot be used: .*Missing/,
    });
    const group = parse('syntax = "proto2"; message T { optional group G = 1 { optional int32 a = 1; } }');
    assert.throws(() => codecOf(group, 'result', BOUNDS), { message: /'g' is a group/i });
  });

  void test('but a class with $type is one', () => {
    const { ctor } = protobuf.parse('syntax = "proto3"; message T { int64 a = 1; }').root.lookupType('T').setup();
    const codec = codecOf(ctor, 'params', BOUNDS);
    assert.equal(codec.typeName, 'T');
    assert.deepEqual(roundTrip(codec, { a: 5 }), { a: 5n });
    class Filter extends protobuf.Message {
      declare column: string;
    }
    const type = protobuf.parse('syntax = "proto3"; message Filter { string column = 1; }').root.lookupType('Filter');
    type.ctor = Filter;
    assert.deepEqual(roundTrip(codecOf(Filter, 'params', BOUNDS), new Filter({ column: 'x' })), { column: 'x' });
  });
});

function minimal(name: string): object {
  return name === 'legacy.Record' ? { number: 0, inner: { text: '' } } : {};
}
