import { SandboxError } from '../../errors.js';
import { invalidOption } from '../../options/check.js';
import { type Bounds, checkMessage } from './check.js';
import { Cursor } from './cursor.js';
import { readBody } from './decode.js';
import { writeBody } from './encode.js';
import type { Payload, Refusal } from './from-step.js';
import { type MessageKind, PLAIN } from './shape.js';
import { isGenerated, shapeOfClass } from './shape-of-class.js';
import { isReflected, kindOfType } from './shape-of-type.js';
import { Writer } from './writer.js';
import { described, Place } from './wrong.js';

/** Between values of the app and payloads of frames. */
export interface MessageCodec<T = unknown> {
  /** The full name of the message type; empty for plain values, and where it is not known. */
  readonly typeName: string;
  /** @throws SandboxError `ERR_INVALID_OPTION` with the path of the member that is wrong */
  encode(value: T): Payload;
  /** Why a payload is refused. When it is not, `decode` throws nothing and its result takes up to 256 bytes of heap an element. */
  check(payload: Payload): string | undefined;
  /** @throws SandboxError `ERR_PROTOCOL` for what `check` would have refused */
  decode(payload: Payload): T;
}

/**
 * The codec of what users name as a type: nothing for plain values, a `Type` of protobufjs, a class with `$type`, or a class of
 * `pbjs -t static-module`. All of them are read and written by the same code, so values look the same whatever described them:
 * int64 and its like are bigints, enums numbers, bytes Uint8Arrays of their own, maps objects without a prototype; absent fields
 * have their defaults, absent messages are null, and absent members of oneofs, and optional fields of proto3, are left out.
 *
 * @param what the name of values in messages: `params`
 * @throws SandboxError `ERR_INVALID_OPTION` for what is no message type
 */
export function codecOf(type: unknown, what: string, bounds: Bounds): MessageCodec {
  if (type === undefined) return new Codec('value', PLAIN.value, '', what, bounds);
  const kind = kindOf(type, what);
  return new Codec('message', kind, kind.shape.name, what, bounds);
}

function kindOf(type: unknown, what: string): MessageKind {
  try {
    if (isReflected(type)) return kindOfType(type);
    const attached: unknown = typeof type === 'function' ? (type as { $type?: unknown }).$type : undefined;
    if (isReflected(attached)) return kindOfType(attached);
    if (isGenerated(type)) return { is: 'message', shape: shapeOfClass(type) };
  } catch (cause) {
    const problem = `the message type of ${what} cannot be used: ${reasonOf(cause)}`;
    throw new SandboxError('ERR_INVALID_OPTION', `${problem}.`.replace(/\.\.$/, '.'), { cause });
  }
  throw invalidOption(
    `the message type of ${what}`,
    `must be a Type of protobufjs, a class with $type, or a class of \`pbjs -t static-module\` (with encode, fromObject and toObject), and is ${described(type)}`,
  );
}

class Codec implements MessageCodec {
  readonly typeName: string;
  readonly #form: Payload['kind'];
  readonly #kind: MessageKind;
  readonly #what: string;
  readonly #bounds: Bounds;

  constructor(form: Payload['kind'], kind: MessageKind, typeName: string, what: string, bounds: Bounds) {
    this.typeName = typeName;
    this.#form = form;
    this.#kind = kind;
    this.#what = what;
    this.#bounds = bounds;
  }

  encode(value: unknown): Payload {
    const writer = new Writer();
    const place = new Place(this.#what);
    try {
      writeBody({ writer, place, maxDepth: this.#bounds.maxDepth, outer: [] }, this.#kind, value);
    } catch (cause) {
      if (cause instanceof SandboxError) throw cause;
      // Getters and proxies of the app run while its values are read.
      throw place.wrong(`cannot be read: ${reasonOf(cause)}`, undefined, cause);
    }
    return { kind: this.#form, bytes: writer.finish() };
  }

  check({ kind, bytes }: Payload): string | undefined {
    if (kind !== this.#form) {
      return kind === 'value'
        ? `A plain value came where a message is due.`
        : 'A message came where a plain value is due.';
    }
    const problem = checkMessage(bytes, this.#kind, this.#bounds);
    return problem === undefined ? undefined : `${this.#noun()} cannot be taken: ${problem}.`;
  }

  #noun(): string {
    if (this.#form === 'value') return 'A plain value';
    return this.typeName === '' ? 'A message' : `A message ${this.typeName}`;
  }

  decode({ bytes }: Payload): unknown {
    const cursor = new Cursor(bytes);
    const value = readBody(cursor, this.#kind, undefined);
    if (cursor.problem === undefined) return value;
    throw new SandboxError('ERR_PROTOCOL', `A message was decoded that had not been checked: ${cursor.problem}.`);
  }
}

/** Checks and decodes, whatever happens: what a step has sent is a value or a refusal. */
export function readPayload<T>(codec: MessageCodec<T>, payload: Payload): { readonly value: T } | Refusal {
  try {
    const refusal = codec.check(payload);
    return refusal === undefined ? { value: codec.decode(payload) } : { refusal };
  } catch (error) {
    return { refusal: `A message cannot be decoded: ${reasonOf(error)}.` };
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'something was thrown that is no Error';
}
