import type { Field as ReflectedField, Type } from 'protobufjs';
import { toBigInt } from './encode-scalar.js';
import { isScalar } from './scalars.js';
import { type Field, fieldOf, type Kind, mapOf, type MessageKind, PLAIN, Shape } from './shape.js';

const PLAIN_TYPES: Readonly<Record<string, MessageKind>> = {
  '.google.protobuf.Value': PLAIN.value,
  '.google.protobuf.Struct': PLAIN.struct,
  '.google.protobuf.ListValue': PLAIN.list,
};

/** Told by what it has: the app may have loaded protobufjs a second time, and a class of the one is none of the other. */
export function isReflected(type: unknown): type is Type {
  if (typeof type !== 'object' || type === null) return false;
  const { fieldsArray, fullName, setup } = type as Partial<Type>;
  return Array.isArray(fieldsArray) && typeof fullName === 'string' && typeof setup === 'function';
}

/** What a type of protobufjs's reflection describes. Throws what protobufjs throws for names that lead nowhere. */
export function kindOfType(type: Type, known = new Map<Type, Shape>()): MessageKind {
  const plain = PLAIN_TYPES[type.fullName];
  if (plain !== undefined) return plain;
  const before = known.get(type);
  if (before !== undefined) return { is: 'message', shape: before };
  // It settles what the schema's edition means for each field, too.
  type.setup();
  const shape = new Shape(type.fullName.replace(/^\./, ''));
  known.set(type, shape);
  return { is: 'message', shape: shape.define(type.fieldsArray.map((field) => fieldOfType(field, known))) };
}

function fieldOfType(reflected: ReflectedField, known: Map<Type, Shape>): Field {
  const field = reflected.resolve();
  if (field.delimited) throw new Error(`field '${field.name}' is a group, which is a form that is no longer used`);
  const { name, id, repeated } = field;
  const kind = kindOfField(field, known);
  if (field.map) {
    const { keyType } = field as unknown as { readonly keyType: string };
    if (!isScalar(keyType)) throw new Error(`the keys of '${name}' are of the unknown type ${keyType}`);
    return mapOf(name, id, keyType, kind);
  }
  const oneof = field.partOf?.name;
  const rest = { repeated, packed: field.packed, required: field.required, oneof };
  if (oneof !== undefined) return fieldOf(name, id, kind, { ...rest, absent: undefined });
  if (repeated || kind.is !== 'scalar') return fieldOf(name, id, kind, rest);
  return fieldOf(name, id, kind, { ...rest, absent: nativeDefault(field.typeDefault) });
}

function kindOfField({ type, name, resolvedType }: ReflectedField, known: Map<Type, Shape>): Kind {
  if (resolvedType === null) {
    if (isScalar(type)) return { is: 'scalar', type };
    throw new Error(`field '${name}' is of the unknown type ${type}`);
  }
  if (isReflected(resolvedType)) return kindOfType(resolvedType, known);
  return { is: 'scalar', type: 'int32', names: resolvedType.values };
}

/** A default of protobufjs as decoded values are. */
export function nativeDefault(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value) || value instanceof Uint8Array) return Uint8Array.from(value as ArrayLike<number>);
  return toBigInt(value);
}
