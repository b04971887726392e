import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import protobuf from 'protobufjs';
import { codecOf, type MessageCodec } from '#src/typed/messages/codec.js';
import type { Payload } from '#src/typed/messages/from-step.js';
import { Writer } from '#src/typed/messages/writer.js';
import { cpuTime } from '../../helpers/cpu-time.js';
import { fuzzMessages, heapUsed } from '../../helpers/message-fuzz.js';
import { plainRoot, root } from '../../helpers/message-types.js';

const ELEMENTS = 50_000;
const BOUNDS = { maxDepth: 32, maxElements: ELEMENTS };
/** What one element may take. */
const BYTES_EACH = 256;

const wide = protobuf.parse(
  `syntax = "proto3"; message Wide { ${Array.from({ length: 60 }, (_, index) => `int64 field_${index} = ${index + 1};`).join(' ')}
   repeated Wide more = 100; map<string, Wide> by_name = 101; bytes data = 102;
   oneof choice { string left = 103; Wide right = 104; } }`,
).root;

/** The bytes `count` times, and with the next number in each when it is asked for. */
function flood(count: number, one: (writer: Writer, index: number) => void): Uint8Array {
  const writer = new Writer();
  for (let index = 0; index < count; index++) one(writer, index);
  return writer.finish();
}

function within(field: number, bytes: Uint8Array): Uint8Array {
  const writer = new Writer();
  writer.tag(field, 2);
  writer.bytes(bytes);
  return writer.finish();
}

function field(writer: Writer, number: number, bytes: Uint8Array | readonly number[] = []): void {
  writer.tag(number, 2);
  writer.bytes(Uint8Array.from(bytes));
}

/** Entries of a map from texts, or of a Struct. */
function entry(writer: Writer, number: number, key: string, value: readonly number[]): void {
  field(writer, number, [0x0a, key.length, ...Buffer.from(key), ...value]);
}

const typed = (name: string): MessageCodec => codecOf(root.lookupType(name), 'result', BOUNDS);
const plain = codecOf(undefined, 'result', BOUNDS);
const EMPTY_OBJECT = [0x12, 2, 0x2a, 0];

/** Each of them as many elements as a payload could have, were there no bound. */
const BOMBS: readonly (readonly [string, MessageCodec, (count: number) => Uint8Array])[] = [
  [
    'empty messages',
    typed('shop.Lists'),
    (n) =>
      flood(n, (to) => {
        field(to, 19);
      }),
  ],
  [
    'messages with fields',
    typed('shop.Lists'),
    (n) =>
      flood(n, (to) => {
        field(to, 18);
      }),
  ],
  [
    'messages with many fields',
    typed('shop.Order'),
    (n) =>
      flood(n, (to) => {
        field(to, 5);
      }),
  ],
  [
    'messages with 64 fields',
    codecOf(wide.lookupType('Wide'), 'result', BOUNDS),
    (n) =>
      flood(n, (to) => {
        field(to, 100);
      }),
  ],
  [
    'messages with a oneof',
    codecOf(wide.lookupType('Wide'), 'result', BOUNDS),
    (n) =>
      flood(n, (to) => {
        field(to, 100, [0xba, 6, 0, 0xc2, 6, 0]);
      }),
  ],
  [
    'packed bigints',
    typed('shop.Lists'),
    (n) =>
      within(
        9,
        flood(n, (to, index) => {
          to.bigVarint(2n ** 63n + BigInt(index));
        }),
      ),
  ],
  ['packed booleans', typed('shop.Lists'), (n) => within(13, new Uint8Array(n))],
  ['packed doubles', typed('shop.Lists'), (n) => within(1, new Uint8Array(8 * n).fill(0x3f))],
  [
    'texts',
    typed('shop.Lists'),
    (n) =>
      flood(n, (to, index) => {
        field(to, 14, Buffer.from(index.toString(36)));
      }),
  ],
  [
    'bytes',
    typed('shop.Lists'),
    (n) =>
      flood(n, (to) => {
        field(to, 15, [1]);
      }),
  ],
  [
    'entries',
    typed('shop.Maps'),
    (n) =>
      flood(n, (to, index) => {
        entry(to, 1, index.toString(36), [0x10, 1]);
      }),
  ],
  [
    'entries of messages',
    typed('shop.Maps'),
    (n) =>
      flood(n, (to, index) => {
        field(to, 7, [
          0x08,
          ...flood(1, (inner) => {
            inner.varint(index * 2);
          }),
        ]);
      }),
  ],
  [
    'lists of one',
    typed('shop.Order'),
    (n) =>
      flood(n, (to) => {
        field(to, 5, [0x2a, 0]);
      }),
  ],
  [
    'plain numbers',
    plain,
    (n) =>
      within(
        6,
        flood(n, (to) => {
          field(to, 1, [0x11, 1, 2, 3, 4, 5, 6, 7, 8]);
        }),
      ),
  ],
  [
    'plain nulls',
    plain,
    (n) =>
      within(
        6,
        flood(n, (to) => {
          field(to, 1, [0x08, 0]);
        }),
      ),
  ],
  [
    'plain objects',
    plain,
    (n) =>
      within(
        6,
        flood(n, (to) => {
          field(to, 1, [0x2a, 0]);
        }),
      ),
  ],
  [
    'plain lists',
    plain,
    (n) =>
      within(
        6,
        flood(n, (to) => {
          field(to, 1, [0x32, 0]);
        }),
      ),
  ],
  [
    'plain lists of one',
    plain,
    (n) =>
      within(
        6,
        flood(n, (to) => {
          field(to, 1, [0x32, 4, 0x0a, 2, 0x08, 0]);
        }),
      ),
  ],
  [
    'objects with a member of a name of its own',
    plain,
    (n) =>
      within(
        6,
        flood(n, (to, index) => {
          const inner = flood(1, (member) => {
            entry(member, 1, index.toString(36), EMPTY_OBJECT);
          });
          field(to, 1, [0x2a, inner.length, ...inner]);
        }),
      ),
  ],
  [
    'members',
    plain,
    (n) =>
      within(
        5,
        flood(n, (to, index) => {
          entry(to, 1, index.toString(36), EMPTY_OBJECT);
        }),
      ),
  ],
  [
    'unknown fields',
    typed('shop.Empty'),
    (n) =>
      flood(n, (to) => {
        to.tag(9, 0);
        to.varint(1);
      }),
  ],
];

const payloadOf = (codec: MessageCodec, bytes: Uint8Array): Payload => ({
  kind: codec === plain ? 'value' : 'message',
  bytes,
});

void describe('bombs', () => {
  for (const [name, codec, bomb] of BOMBS) {
    void test(`of ${name} are refused, and as many as are taken fit into the heap that a bound stands for`, (context) => {
      const refusal = codec.check(payloadOf(codec, bomb(2 * ELEMENTS)));
      assert.match(refusal ?? '', /more than 50000 elements \(maxElements\)/);
      // As many as are just taken.
      let most = ELEMENTS;
      while (codec.check(payloadOf(codec, bomb(most))) !== undefined) most = Math.floor(most * 0.8);
      const payload = payloadOf(codec, Uint8Array.from(bomb(most)));
      codec.decode(payload);
      const before = heapUsed();
      const value = codec.decode(payload);
      const used = heapUsed() - before;
      assert.ok(value !== undefined);
      context.diagnostic(
        `${most} in ${payload.bytes.length} bytes: ${Math.round(used / 1024)} KiB of heap, ${(used / ELEMENTS).toFixed(1)} bytes an element`,
      );
      assert.ok(used < ELEMENTS * BYTES_EACH + 4 * payload.bytes.length, `${used} bytes`);
    });
  }

  void test('of 10 MB take no memory to be refused', () => {
    const bytes = new Uint8Array(10 * 2 ** 20);
    for (let at = 0; at < bytes.length; at += 3) bytes.set([0x9a, 0x01, 0x00].slice(0, bytes.length - at), at);
    const codec = typed('shop.Lists');
    const payload: Payload = { kind: 'message', bytes };
    codec.check(payload);
    const before = heapUsed();
    const time = cpuTime(() => {
      assert.match(codec.check(payload) ?? '', /elements/);
    });
    assert.ok(time < 3000, `${time} ms`);
    assert.ok(heapUsed() - before < 2 ** 20);
  });

  void test('of depth are refused where they are too deep, at any length', () => {
    const nest = (levels: number, number: number): Uint8Array => {
      // From within: what is inside lies at the end.
      let bytes: Uint8Array = new Uint8Array(0);
      for (let level = 0; level < levels; level++) bytes = within(number, bytes);
      return bytes;
    };
    const order = typed('shop.Order');
    assert.equal(order.check({ kind: 'message', bytes: nest(31, 5) }), undefined);
    assert.match(order.check({ kind: 'message', bytes: nest(32, 5) }) ?? '', /deeper than 32 levels \(maxDepth\)/);
    assert.match(order.check({ kind: 'message', bytes: nest(5000, 5) }) ?? '', /deeper than 32/);
    const lists = (levels: number): Uint8Array =>
      levels === 0 ? Uint8Array.of(8, 0) : within(6, within(1, lists(levels - 1)));
    assert.equal(plain.check({ kind: 'value', bytes: lists(32) }), undefined);
    assert.match(plain.check({ kind: 'value', bytes: lists(33) }) ?? '', /deeper than 32/);
    assert.match(plain.check({ kind: 'value', bytes: lists(2000) }) ?? '', /deeper than 32/);
    const form = codecOf(plainRoot.lookupType('plain.Form'), 'result', BOUNDS);
    assert.match(form.check({ kind: 'message', bytes: within(2, lists(40)) }) ?? '', /deeper than 32/);
  });
});

void describe('damaged messages of a step', () => {
  void test('become values that protobufjs reads, too, or refusals, and nothing else', async () => {
    const outcome = await fuzzMessages({ count: 10_000, seed: 7 });
    assert.deepEqual(outcome.disagreements, []);
    assert.ok(outcome.accepted > 1000 && outcome.refused > 1000, JSON.stringify(outcome));
    assert.ok(outcome.slowest < 10_000, `${outcome.slowest} ms`);
    assert.ok(outcome.heap < 8 * 2 ** 20, `${outcome.heap} bytes`);
  });
});
