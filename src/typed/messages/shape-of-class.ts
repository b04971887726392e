import { toBigInt } from './encode-scalar.js';
import { isScalar, type Scalar } from './scalars.js';
import { type Field, fieldOf, type Kind, mapOf, Shape } from './shape.js';
import { type Call, traceEncode, type Unit } from './trace-encode.js';
import { isPlain } from './wrong.js';

/** A class of `pbjs -t static-module`. */
export interface GeneratedClass {
  readonly prototype: object;
  readonly encode: (message: object, writer: unknown) => unknown;
  readonly fromObject: (object: object) => object;
  readonly toObject: (message: object, options: object) => object;
  readonly getTypeUrl?: (prefix: string) => string;
}

export function isGenerated(type: unknown): type is GeneratedClass {
  if (typeof type !== 'function') return false;
  const { encode, fromObject, toObject } = type as Partial<GeneratedClass>;
  return [encode, fromObject, toObject].every((method) => typeof method === 'function');
}

/**
 * Generated code has no schema that could be read, but it knows its schema: what `encode` does with a message in which every field is
 * set names each field, its number and its type. So messages of such classes are checked and decoded like any others, and the
 * generated `decode`, which has no bounds, is never called with what a step has sent.
 */
export function shapeOfClass(type: GeneratedClass, known = new Map<GeneratedClass, Shape>()): Shape {
  const before = known.get(type);
  if (before !== undefined) return before;
  const shape = new Shape(type.getTypeUrl?.('').replace(/^\//, '') ?? '');
  known.set(type, shape);
  const names = Object.keys(type.prototype).filter((name) => typeof prototypeOf(type)[name] !== 'function');
  const units = traceEncode(type, names);
  const required = new Set(traceEncode(type, []).map(({ name }) => name));
  const oneofs = oneofsOf(type, names);
  const defaults = type.toObject(type.fromObject({}), { defaults: true }) as Record<string, unknown>;
  const fields = units.map((unit) => fieldOfUnit(type, unit, required, oneofs, defaults, known));
  const lost = names.find((name) => !fields.some((field) => field.name === name));
  if (lost !== undefined) throw new Error(`its encode() writes no field '${lost}'`);
  return shape.define(fields);
}

function prototypeOf(type: GeneratedClass): Record<string, unknown> {
  return type.prototype as Record<string, unknown>;
}

function fieldOfUnit(
  type: GeneratedClass,
  { name, number, calls }: Unit,
  required: ReadonlySet<string>,
  oneofs: ReadonlyMap<string, string>,
  defaults: Readonly<Record<string, unknown>>,
  known: Map<GeneratedClass, Shape>,
): Field {
  const initial = prototypeOf(type)[name];
  const isMap = typeof initial === 'object' && initial !== null && !Array.isArray(initial) && isPlain(initial);
  if (isMap) {
    // fork, tag 1, key, tag 2, value or fork ...
    const [, , key, , value] = calls;
    const kind = kindOfCall(value, () => nestedClass(type, name, { 0: {} }), known);
    return mapOf(name, number, scalarOf(key), kind);
  }
  const repeated = Array.isArray(initial);
  const [first, second] = calls;
  if (first === undefined) throw new Error(`its encode() writes nothing for '${name}'`);
  const nested = first.method === 'fork' ? nestedClass(type, name, repeated ? [{}] : {}) : undefined;
  // Packed numbers are written by one call for all of them or, by older generators, by one for each between `fork` and `ldelim`.
  const forked = first.method === 'fork' && nested === undefined;
  const packed = forked || !isScalar(first.method);
  const kind = kindOfCall(forked ? second : first, () => nested, known);
  const oneof = oneofs.get(name);
  const rest = { repeated, packed, required: required.has(name), oneof };
  if (oneof !== undefined) return fieldOf(name, number, kind, { ...rest, absent: undefined });
  if (repeated || kind.is !== 'scalar') return fieldOf(name, number, kind, rest);
  return fieldOf(name, number, kind, { ...rest, absent: nativeAs(kind.type, defaults[name]) });
}

function kindOfCall(
  call: Call | undefined,
  nested: () => GeneratedClass | undefined,
  known: Map<GeneratedClass, Shape>,
): Kind {
  if (call?.method !== 'fork') return { is: 'scalar', type: scalarOf(call) };
  const type = nested();
  if (type === undefined) throw new Error('it has a field of a class that cannot be found');
  return { is: 'message', shape: shapeOfClass(type, known) };
}

/** Methods of a writer are named after the types that they write, those for packed numbers with an `s` behind. */
function scalarOf(call: Call | undefined): Scalar {
  const method = call?.method ?? '';
  const type = isScalar(method) ? method : method.replace(/s$/, '');
  if (!isScalar(type)) throw new Error(`it is written in an unknown way ('${method}')`);
  return type;
}

/** The class of what is made for a nested message: of the only member of `value`, if it is a list or map of them. */
function nestedClass(type: GeneratedClass, name: string, value: object): GeneratedClass | undefined {
  let made = (type.fromObject({ [name]: value }) as Record<string, unknown>)[name];
  if (Array.isArray(value) || Object.hasOwn(value, 0)) made = (made as Record<string, unknown> | undefined)?.[0];
  const nested: unknown = (made as object | undefined)?.constructor;
  return isGenerated(nested) ? nested : undefined;
}

/** The oneof of each field that has one: a getter of that name tells which one is set. */
function oneofsOf(type: GeneratedClass, names: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const getters = Object.entries(Object.getOwnPropertyDescriptors(type.prototype));
  for (const [oneof] of getters.filter(([, descriptor]) => descriptor.get !== undefined)) {
    for (const name of names) {
      const message = Object.create(type.prototype, { [name]: { value: 1, enumerable: true } }) as Record<
        string,
        unknown
      >;
      if (message[oneof] === name) found.set(name, oneof);
    }
  }
  return found;
}

function nativeAs(type: Scalar, value: unknown): unknown {
  if (type === 'bytes') return Uint8Array.from(value as ArrayLike<number>);
  return type.endsWith('64') ? toBigInt(value) : value;
}
