import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import protobuf from 'protobufjs';
import { packageRoot } from '#src/package-root.js';
import type * as generated from '../fixtures/messages/generated.js';

export const FIXTURES = join(packageRoot, 'test/fixtures/messages');

/** The schemas of the fixtures, and of plain values, as protobufjs reads them. */
export const root = protobuf.loadSync(['shop.proto', 'legacy.proto'].map((name) => join(FIXTURES, name)));

/** A type with fields of plain values in it. */
export const plainRoot = protobuf.Root.fromJSON(protobuf.common.get('google/protobuf/struct.proto') ?? {});
protobuf.parse(
  `syntax = "proto3"; package plain;
   message Form {
     google.protobuf.Struct object = 1; google.protobuf.Value value = 2; google.protobuf.ListValue list = 3;
     repeated google.protobuf.Value values = 4; map<string, google.protobuf.Struct> objects = 5;
     oneof choice { google.protobuf.Value chosen = 6; string text = 7; }
   }`,
  plainRoot,
);

/** Classes of `pbjs -t static-module`, made anew: the code is too long to be kept. They are in a directory from where packages are found. */
export async function generatedClasses(): Promise<{ readonly classes: typeof generated; readonly types: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-generated-'));
  process.on('exit', () => {
    rmSync(directory, { recursive: true, force: true });
  });
  symlinkSync(join(packageRoot, 'node_modules'), join(directory, 'node_modules'));
  execFileSync(process.execPath, [join(packageRoot, 'scripts/generate-fixtures.mjs'), directory]);
  const code = join(directory, 'generated.js');
  const classes = (await import(pathToFileURL(code).href)) as typeof generated;
  return { classes, types: join(directory, 'generated.d.ts') };
}

export const TYPES = [
  'shop.Numbers',
  'shop.Lists',
  'shop.Maps',
  'shop.Order',
  'shop.Point',
  'shop.Empty',
  'legacy.Record',
] as const;
export type TypeName = (typeof TYPES)[number];

/** A value of each type with everything in it. */
export const VALUES: Readonly<Record<TypeName, object>> = {
  'shop.Point': { x: -3, y: 1.5 },
  'shop.Empty': {},
  'shop.Numbers': {
    ...{ a: Number.NaN, b: 1.5, c: -1, d: 2 ** 32 - 1, e: -(2 ** 31), f: 2 ** 31, g: -7, h: -(2n ** 63n) },
    ...{ i: 2n ** 64n - 1n, j: -(2n ** 62n), k: 2n ** 63n, l: -1n, m: true, n: 'größer 😀', o: bytes(0, 255), p: -3 },
  },
  'shop.Lists': {
    ...{ a: [1, Number.POSITIVE_INFINITY], b: [0.5, -0.5], c: [1, -1, 300], d: [0, 2 ** 31], e: [-1, 1], f: [1] },
    ...{ g: [-1, 1], h: [-1n, 1n, 2n ** 40n], i: [2n ** 63n], j: [-5n, 5n], k: [1n], l: [-1n], m: [true, false] },
    ...{ n: ['', 'a', 'é'], o: [bytes(), bytes(1)], p: [0, 2], loose: [1n, -1n], points: [{ x: 1, y: 0 }] },
    empties: [{}, {}],
  },
  'shop.Maps': {
    counts: map({ a: 1n, b: -1n }),
    points: map({ '-1': { x: 1, y: 2 }, 7: { x: 0, y: 0 } }),
    names: map({ '-9223372036854775808': 'least', 5: '' }),
    blobs: map({ true: bytes(1, 2), false: bytes() }),
    weights: map({ [String(2n ** 64n - 1n)]: 0.5 }),
    colors: map({ a: 2 }),
    nested: map({ '-2': empty('shop.Maps'), 3: { ...empty('shop.Maps'), counts: map({ x: 3n }) } }),
  },
  'shop.Order': {
    ...{
      name: 'order',
      id: 2n ** 53n,
      state: 1,
      point: { x: 1, y: -2 },
      counts: map({ a: 5n }),
      createdBy: 'somebody',
    },
    parts: [empty('shop.Order'), { ...empty('shop.Order'), name: 'part', left: 'x' }],
    ...{ numbers: empty('shop.Numbers'), middle: { x: 3, y: 0 }, maybe: 0 },
  },
  'legacy.Record': {
    ...{ number: -5, inner: { text: 'within' }, greeting: 'ho', big: 9n, data: bytes(7), kind: 2, loose: [1, -1] },
    packed: [3, 4],
  },
};

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function map(entries: object): object {
  return Object.assign(Object.create(null) as object, entries);
}

/** An empty message of the type as it is decoded. */
function empty(name: string): object {
  const type = root.lookupType(name);
  return normalized(type.toObject(type.create(), { defaults: true, longs: BigInt }), type) as object;
}

/** What protobufjs makes of a message, in the form of what we make of it. */
export function read(type: protobuf.Type, payload: Uint8Array): unknown {
  return normalized(type.toObject(type.decode(payload), { defaults: true, longs: BigInt }), type);
}

/** Bytes as Uint8Arrays, and maps without a prototype. */
function normalized(value: unknown, type?: protobuf.Type): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map((item) => normalized(item, type));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => {
    const field = type?.fields[name];
    const inner = field?.resolvedType instanceof protobuf.Type ? field.resolvedType : undefined;
    if (field === undefined || !field.map) return [name, normalized(member, inner)] as const;
    // Of an entry without a value, protobufjs makes an empty list where it should be empty bytes.
    const entries = Object.entries(member as object).map(([key, item]) => {
      const bytes = field.type === 'bytes' && Array.isArray(item);
      return [key, bytes ? new Uint8Array(0) : normalized(item, inner)] as const;
    });
    return [name, Object.assign(Object.create(null) as object, Object.fromEntries(entries))] as const;
  });
  return Object.fromEntries(members);
}
