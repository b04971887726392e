import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import protobuf from 'protobufjs';
import 'protobufjs/ext/descriptor.js';
import { packageRoot } from '#src/package-root.js';
import { codecOf } from '#src/typed/messages/codec.js';
import { root, TYPES, VALUES } from '../../helpers/message-types.js';
import { needsPandas, PYTHON_WITH_PANDAS } from '../../helpers/warm.js';

const BOUNDS = { maxDepth: 32, maxElements: 100_000 };

interface Answer {
  readonly messages: readonly (readonly [unknown, string])[];
  readonly values: readonly string[];
  readonly read: readonly unknown[];
}

function python(messages: readonly (readonly [string, Uint8Array])[], values: readonly unknown[]): Answer {
  root.resolveAll();
  const described = (root as unknown as { toDescriptor: (edition: string) => protobuf.Message }).toDescriptor('proto3');
  const schema = hex(described.$type.encode(described).finish());
  const input = JSON.stringify({ schema, messages: messages.map(([name, bytes]) => [name, hex(bytes)]), values });
  const helper = join(packageRoot, 'test/helpers/message_python.py');
  const { stdout, stderr, status } = spawnSync(PYTHON_WITH_PANDAS ?? '', [helper], {
    input: `${input}\n`,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Answer;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** A message in the form that the helper shows it in. */
function shown(type: protobuf.Type, message: Readonly<Record<string, unknown>>): object {
  const members = type.fieldsArray
    .filter(({ name }) => Object.hasOwn(message, name))
    .map((field) => {
      const value = message[field.name];
      if (field.map)
        return [
          field.name,
          Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, one(field, item)])),
        ];
      return [field.name, field.repeated ? (value as unknown[]).map((item) => one(field, item)) : one(field, value)];
    });
  return Object.fromEntries(members) as object;
}

function one({ type, resolvedType }: protobuf.Field, value: unknown): unknown {
  if (type === 'double' || type === 'float') {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value as number);
    return hex(bytes);
  }
  if (resolvedType instanceof protobuf.Type)
    return value === null ? null : shown(resolvedType, value as Record<string, unknown>);
  if (value instanceof Uint8Array) return hex(value);
  return typeof value === 'string' || typeof value === 'boolean' ? value : String(value);
}

void describe("Python's protobuf", needsPandas, () => {
  const codecs = TYPES.map((name) => ({
    name,
    type: root.lookupType(name),
    codec: codecOf(root.lookupType(name), 'params', BOUNDS),
  }));

  void test('reads in our messages what we have written, and we what it writes', () => {
    const cases = codecs.flatMap((of) =>
      [VALUES[of.name], of.name === 'legacy.Record' ? { number: 1, inner: { text: '' } } : {}].map((value) => ({
        ...of,
        value,
      })),
    );
    const { messages } = python(
      cases.map(({ name, codec, value }) => [name, codec.encode(value).bytes]),
      [],
    );
    for (const [index, { name, type, codec, value }] of cases.entries()) {
      const decoded = codec.decode(codec.encode(value)) as Record<string, unknown>;
      const [there, again] = messages[index] ?? [];
      assert.deepEqual(there, shown(type, decoded), name);
      const payload = { kind: 'message', bytes: unhex(again ?? '') } as const;
      assert.equal(codec.check(payload), undefined);
      assert.deepEqual(codec.decode(payload), decoded, name);
    }
  });

  void test('has the same plain values', () => {
    const values = [
      null,
      true,
      1.5,
      'zwölf',
      [],
      {},
      { a: [1, { b: null }, 'x'], '': { __proto__x: 1 } },
      [[[[]]]],
      'x'.repeat(5000),
    ];
    const plain = codecOf(undefined, 'params', BOUNDS);
    const answer = python(
      values.map((value) => ['google.protobuf.Value', plain.encode(value).bytes]),
      values,
    );
    assert.deepEqual(answer.read, values);
    for (const [index, value] of values.entries()) {
      const payload = { kind: 'value', bytes: unhex(answer.values[index] ?? '') } as const;
      assert.equal(plain.check(payload), undefined);
      // Python writes members in an order of its own.
      assert.deepEqual(JSON.parse(JSON.stringify(plain.decode(payload))), value);
    }
  });

  void test('has read objects to the depth that it bears', () => {
    const plain = codecOf(undefined, 'params', BOUNDS);
    const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
    const { read } = python([['google.protobuf.Value', plain.encode(nested(32)).bytes]], []);
    assert.deepEqual(read, [nested(32)]);
  });
});
