// Messages of the user's own types, from one language to the other.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import protobuf, { type Type } from 'protobufjs';
import { createZygote, defineStep, SandboxError, type StepRefusal, type Zygote } from 'spawn-sandbox';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { needsPandas, PYTHON_WITH_PANDAS } from '../helpers/warm.js';

const SCHEMA = `
  syntax = "proto3";
  package shop;
  import "google/protobuf/struct.proto";
  message Filter { string column = 1; double min = 2; int64 limit = 3; map<string, sint64> weights = 4; bytes key = 5; }
  message Kept { int64 rows = 1; repeated string names = 2; map<string, uint64> counts = 3; google.protobuf.Struct more = 4; bytes key = 5; }
`;
const MODULES = join(import.meta.dirname, '../../../node_modules');
const FILTER = {
  column: 'price',
  min: 2.5,
  limit: 2n ** 62n,
  weights: { a: -(2n ** 40n) },
  key: Uint8Array.of(0, 255),
};

interface Types {
  readonly params: Type;
  readonly result: Type;
}

function types(): Types {
  const { root } = protobuf.parse(SCHEMA, { keepCase: true });
  root.addJSON(protobuf.common.get('google/protobuf/struct.proto')?.nested ?? {});
  root.resolveAll();
  return { params: root.lookupType('shop.Filter'), result: root.lookupType('shop.Kept') };
}

/** What `protoc --python_out` would write. */
function generatedPython(): string {
  const { FileDescriptorProto } = createRequire(import.meta.url)('protobufjs/ext/descriptor') as {
    FileDescriptorProto: Type;
  };
  const field = (name: string, number: number, type: number, more = {}): object => ({
    name,
    number,
    type,
    label: 1,
    ...more,
  });
  const entry = (name: string, value: number): object => ({
    name,
    field: [field('key', 1, 9), field('value', 2, value)],
    options: { mapEntry: true },
  });
  const map = (name: string, number: number, typeName: string): object =>
    field(name, number, 11, { label: 3, typeName });
  const file = FileDescriptorProto.encode(
    FileDescriptorProto.fromObject({
      name: 'shop.proto',
      package: 'shop',
      syntax: 'proto3',
      dependency: ['google/protobuf/struct.proto'],
      messageType: [
        {
          name: 'Filter',
          field: [
            field('column', 1, 9),
            field('min', 2, 1),
            field('limit', 3, 3),
            map('weights', 4, '.shop.Filter.WeightsEntry'),
            field('key', 5, 12),
          ],
          nestedType: [entry('WeightsEntry', 18)],
        },
        {
          name: 'Kept',
          field: [
            field('rows', 1, 3),
            field('names', 2, 9, { label: 3 }),
            map('counts', 3, '.shop.Kept.CountsEntry'),
            field('more', 4, 11, { typeName: '.google.protobuf.Struct' }),
            field('key', 5, 12),
          ],
          nestedType: [entry('CountsEntry', 4)],
        },
      ],
    }),
  ).finish();
  const bytes = [...file].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  return [
    'from google.protobuf import descriptor_pool as _descriptor_pool, struct_pb2 as _struct',
    'from google.protobuf.internal import builder as _builder',
    `DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(b'${bytes}')`,
    '_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())',
    "_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'shop_pb2', globals())",
  ].join('\n');
}

const PYTHON = `
import shop_pb2

def annotated(params: shop_pb2.Filter) -> "shop_pb2.Kept":
    kept = shop_pb2.Kept(rows=params.limit, names=[params.column] * 2, key=params.key)
    kept.counts["__proto__"] = 2**64 - 1
    kept.more.update({"min": params.min, "weights": dict(params.weights), "__proto__": {"admin": True}})
    return kept

def named(params):
    assert type(params) is shop_pb2.Filter
    return {"rows": 1, "names": ["a"]}

def on_the_way(params):
    for row in range(3):
        yield shop_pb2.Kept(rows=row)
    return shop_pb2.Kept(rows=3)

def wrong(params):
    return shop_pb2.Filter(column="another type")

def plain(params):
    return 5

def nothing(params):
    pass
`;

const NODE = `
const protobuf = require('protobufjs');
const { root } = protobuf.parse(${JSON.stringify(SCHEMA.replace(/import[^;]*;/, '').replace('google.protobuf.Struct more = 4;', ''))}, { keepCase: true });
const [Filter, Kept] = ['shop.Filter', 'shop.Kept'].map((name) => root.lookupType(name));
exports.kept = (params) => {
  if (!(params instanceof Filter.ctor)) throw new Error('not a message');
  return { rows: params.limit, names: [params.column], counts: { a: 1 }, key: params.key };
};
exports.untyped = () => ({});
Object.assign(exports.kept, { params: Filter, result: Kept });
`;

void suite("messages of the user's own types", () => {
  void test('reach Python as its generated classes, and come back', needsPandas, async (context) => {
    const directory = temporaryDirectory(context, { 'shop_pb2.py': generatedPython(), 'shop_steps.py': PYTHON });
    const filesystem = { readOnly: [directory] };
    const zygote = await zygoteFor(context, {
      runtime: 'python',
      interpreter: PYTHON_WITH_PANDAS ?? 'python3',
      filesystem,
      env: { PYTHONPATH: directory },
      preload: ['shop_steps'],
    });
    const step = (name: string) => defineStep({ zygote, module: 'shop_steps', function: name, ...types() });

    const { message } = await step('annotated')(FILTER);
    assert.equal(message['rows'], 2n ** 62n);
    assert.deepEqual(message['names'], ['price', 'price']);
    assert.deepEqual(message['key'], Uint8Array.of(0, 255));
    const [counts, more] = [message['counts'] as object, message['more'] as Record<string, unknown>];
    assert.equal(Object.getPrototypeOf(counts), null);
    assert.deepEqual(Object.entries(counts), [['__proto__', 2n ** 64n - 1n]]);
    assert.equal(Object.getPrototypeOf(more), null);
    assert.deepEqual(Object.keys(more).sort(), ['__proto__', 'min', 'weights']);
    assert.equal(more['min'], 2.5);
    assert.equal(({} as { admin?: boolean }).admin, undefined);

    assert.equal((await step('named')(FILTER)).message['rows'], 1n);
    const running = step('on_the_way')({});
    const rows: unknown[] = [];
    for await (const kept of running.messages) rows.push(kept['rows']);
    assert.deepEqual([...rows, (await running).message['rows']], [0n, 1n, 2n, 3n]);

    const outcome = async (name: string): Promise<string> => {
      const { result, failure } = (await step(name).try(FILTER)) as StepRefusal;
      return `${result.cause}: ${failure?.message ?? result.detail}`;
    };
    assert.match(await outcome('wrong'), /exit: a shop\.Kept is to be returned, and not a shop\.Filter/);
    assert.match(await outcome('plain'), /exit: a shop\.Kept is to be returned, and not a int/);
    assert.match(await outcome('nothing'), /invalidOutput: .*no message of type shop\.Kept/);
    assert.throws(
      () => step('annotated')({ colum: 'price' }),
      (error) => error instanceof SandboxError && /params\.colum.*column/s.test(error.message),
    );
  });

  void test('reach Node as classes of protobufjs, and come back', async (context) => {
    const directory = temporaryDirectory(context, { 'steps.cjs': NODE });
    const zygote = await zygoteFor(context, {
      runtime: 'node',
      filesystem: { readOnly: [MODULES, directory] },
      env: { NODE_PATH: MODULES },
      preload: ['protobufjs'],
    });
    const step = (name: string) =>
      defineStep({ zygote, file: join(directory, 'steps.cjs'), function: name, ...types() });
    const { message } = await step('kept')(FILTER);
    assert.deepEqual(
      [message['rows'], message['names'], message['key']],
      [2n ** 62n, ['price'], Uint8Array.of(0, 255)],
    );
    assert.deepEqual({ ...(message['counts'] as object) }, { a: 1n });
    const { failure } = (await step('untyped').try(FILTER)) as StepRefusal;
    assert.match(failure?.message ?? '', /no class is known for the message type shop\.Filter/);
  });
});

async function zygoteFor(
  context: { after(done: () => Promise<void>): void },
  options: Parameters<typeof createZygote>[0],
): Promise<Zygote> {
  const zygote = await createZygote(options);
  context.after(() => zygote.destroy());
  return zygote;
}
