import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import protobuf from 'protobufjs';
import { packageRoot } from '#src/package-root.js';
import { FrameReader } from '#src/typed/messages/frames.js';
import { MOST_TABLES, readFromStep } from '#src/typed/messages/from-step.js';
import { type Call, encodeCall, encodeParams } from '#src/typed/messages/to-step.js';
import { cpuTime } from '../../helpers/cpu-time.js';

const schema = protobuf.parse(readFileSync(join(packageRoot, 'proto/step.proto'), 'utf8')).root;
const toStep = schema.lookupType('spawn_sandbox.step.ToStep');
const fromStep = schema.lookupType('spawn_sandbox.step.FromStep');

function unframed(bytes: Uint8Array): Uint8Array {
  const reader = new FrameReader({ maxFrameBytes: 2 ** 20 });
  reader.push(bytes);
  const message = reader.next();
  assert.ok(message !== undefined && reader.partial === undefined);
  return message;
}

function said(message: object): Uint8Array {
  return Uint8Array.from(fromStep.encode(fromStep.fromObject(message)).finish());
}

function bytes(...values: (number | string)[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => (typeof value === 'number' ? [value] : [...Buffer.from(value)])));
}

const CALL: Call = {
  version: 1,
  module: 'steps.filter',
  function: 'Class.render',
  code: 'print("ä")',
  file: '/x/y.py',
  params: { kind: 'message', bytes: bytes(1, 2, 3) },
  streaming: true,
  paramsType: 'a.B',
  resultType: 'a.C',
  inputs: [
    { name: 'input', descriptor: 0, bytes: 2 ** 40 },
    { name: '', descriptor: 1, bytes: 0 },
  ],
  outputs: [{ name: 'out', descriptor: 2 }, { descriptor: 3 }],
  logDescriptor: 4,
  maxFrameBytes: 2 ** 32 - 1,
};

void describe('what is sent to a step', () => {
  void test('is what the contract says, to the byte', () => {
    assert.deepEqual(
      Buffer.from(unframed(encodeCall(CALL))),
      Buffer.from(
        toStep
          .encode(
            toStep.fromObject({
              call: {
                ...CALL,
                params: { message: bytes(1, 2, 3) },
                inputs: [{ name: 'input', bytes: 2 ** 40 }, { descriptor: 1 }],
                outputs: [{ name: 'out', descriptor: 2 }, { descriptor: 3 }],
              },
            }),
          )
          .finish(),
      ),
    );
    assert.deepEqual(toStep.toObject(toStep.decode(unframed(encodeCall({ version: 1 })))), { call: { version: 1 } });
  });

  void test('may be parameters, of either kind and of any length', () => {
    for (const length of [0, 1, 127, 128, 20_000]) {
      for (const kind of ['message', 'value'] as const) {
        const payload = { kind, bytes: new Uint8Array(length).fill(1) };
        const message = Buffer.from(unframed(encodeParams(payload)));
        const read = toStep.toObject(toStep.decode(message)) as { params: object };
        assert.deepEqual(read, { params: { [kind]: Buffer.from(payload.bytes) } });
      }
    }
  });

  void test('takes microseconds to encode', (context) => {
    const rounds = 2000;
    const encode = (): void => {
      for (let index = 0; index < rounds; index++) encodeCall(CALL);
    };
    encode();
    const microseconds = (cpuTime(encode) / rounds) * 1000;
    context.diagnostic(`${microseconds.toFixed(1)} µs`);
    // It takes 2 to 4, and whatever the machine is busy with besides.
    assert.ok(microseconds < 500, `${microseconds} µs`);
  });
});

void describe('what a step says', () => {
  void test('is read in all its kinds', () => {
    const data = bytes('hello');
    assert.deepEqual(readFromStep(said({ log: { stream: 1, data } })), { kind: 'log', stream: 'stderr', data });
    assert.deepEqual(readFromStep(said({ log: {} })), { kind: 'log', stream: 'stdout', data: bytes() });
    assert.deepEqual(readFromStep(said({ message: { value: data } })), {
      kind: 'message',
      payload: { kind: 'value', bytes: data },
    });
    assert.deepEqual(readFromStep(said({ result: {} })), { kind: 'result', payload: undefined, tables: [] });
    const tables = [
      { name: 'a', descriptor: 3, bytes: 2 ** 40 },
      { name: '', descriptor: 0, bytes: 0 },
    ];
    assert.deepEqual(readFromStep(said({ result: { value: { message: data }, tables } })), {
      kind: 'result',
      payload: { kind: 'message', bytes: data },
      tables,
    });
    const failure = { type: 'ValueError', message: 'bad ü', traceback: 'line\n1' };
    assert.deepEqual(readFromStep(said({ failure })), { kind: 'failure', ...failure });
    assert.deepEqual(readFromStep(said({ failure: {} })), { kind: 'failure', type: '', message: '', traceback: '' });
  });

  void test('is a view of its frame, not a copy', () => {
    const frame = said({ log: { data: bytes('hello') } });
    const read = readFromStep(frame);
    assert.ok('kind' in read && read.kind === 'log');
    assert.equal(read.data.buffer, frame.buffer);
  });

  const tooMany = said({ result: { tables: Array.from({ length: MOST_TABLES + 1 }, () => ({ name: 't' })) } });
  const REFUSED: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['nothing', bytes(), /says nothing/],
    ['an unknown kind', bytes(0x2a, 0), /unknown 5/],
    ['a kind that is no message', bytes(0x08, 0), /wire type 0, and 2 is/],
    ['two kinds', Buffer.concat([said({ log: {} }), said({ result: {} })]), /goes on after/],
    ['the same kind twice', Buffer.concat([said({ log: {} }), said({ log: {} })]), /goes on after/],
    ['an unknown field', bytes(0x0a, 2, 0x18, 0), /unknown field 3/],
    ['a field twice', bytes(0x0a, 4, 0x08, 0, 0x08, 1), /field 1 twice/],
    ['an unknown stream', said({ log: { stream: 2 } }), /unknown stream 2/],
    ['a stream that is a text', bytes(0x0a, 3, 0x0a, 1, 0x41), /wire type 2/],
    ['a message without a kind', said({ message: {} }), /neither a message nor/],
    ['a message of two kinds', bytes(0x12, 4, 0x0a, 0, 0x12, 0), /both a message and/],
    ['a type that is no UTF-8', bytes(0x22, 4, 0x0a, 2, 0xc0, 0x80), /not UTF-8/],
    ['half of a surrogate pair', bytes(0x22, 5, 0x12, 3, 0xed, 0xa0, 0x80), /not UTF-8/],
    ['more tables than there can be', tooMany, /more than 64 tables/],
    [
      'a table of more bytes than there are numbers',
      said({ result: { tables: [{ bytes: '9007199254740992' }] } }),
      /2\^53/,
    ],
    ['a descriptor beyond 32 bits', bytes(0x1a, 8, 0x12, 6, 0x10, 0x80, 0x80, 0x80, 0x80, 0x10), /2\^32/],
    ['a length beyond its end', bytes(0x0a, 5, 0x08, 0), /claims 5 bytes where 2 are left/],
    ['a length beyond the message it is in', bytes(0x0a, 2, 0x12, 4, 1, 2, 3, 4), /claims 4 bytes where 0 are left/],
    ['a length of 2^32', bytes(0x0a, 0x80, 0x80, 0x80, 0x80, 0x10), /beyond 4 GiB/],
    ['a length of six bytes', bytes(0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0), /more than five bytes/],
    ['a number without an end', bytes(0x0a, 11, 0x08, ...new Array<number>(10).fill(0x80)), /within ten bytes/],
    ['a number of 70 bits', bytes(0x0a, 11, 0x08, ...new Array<number>(9).fill(0xff), 2), /more than 64 bits/],
    ['a tag beyond 32 bits', bytes(0x80, 0x80, 0x80, 0x80, 0x10), /beyond 2\^29/],
    ['a group', bytes(0x0b, 0x0c), /group/],
    ['the field 0', bytes(0x02, 0), /number 0/],
    ['the wire type 7', bytes(0x0f), /wire type 7/],
    ['half a tag', bytes(0x8a), /middle of a field/],
  ];
  for (const [name, frame, why] of REFUSED) {
    void test(`is refused with ${name}`, () => {
      const read = readFromStep(frame);
      assert.ok('refusal' in read, JSON.stringify(read));
      assert.match(read.refusal, why);
      assert.match(read.refusal, /^A frame is broken: .*\.$/);
    });
  }
});
