import { DELIMITED } from './cursor.js';
import { defaultOf, type Scalar, WIRE } from './scalars.js';

/** What one value of a field is. `plain` is a message of google/protobuf/struct.proto that the app sees as JSON-like values. */
export type Kind = ScalarKind | MessageKind;

export interface ScalarKind {
  readonly is: 'scalar';
  readonly type: Scalar;
  /** Of an enum, the numbers by their names. */
  readonly names?: Readonly<Record<string, number>> | undefined;
}

export type MessageKind =
  | { readonly is: 'message'; readonly shape: Shape }
  | { readonly is: 'plain'; readonly plain: 'value' | 'struct' | 'list'; readonly shape: Shape };

export interface Field {
  readonly name: string;
  readonly number: number;
  readonly kind: Kind;
  readonly repeated: boolean;
  /** That numbers of a repeated field are written without a tag each. They are read either way. */
  readonly packed: boolean;
  readonly required: boolean;
  /** The name of the group of fields of which one can be set. */
  readonly oneof: string | undefined;
  /** What the value is when the field is absent; `undefined` when the member is then absent, too. */
  readonly absent: unknown;
  /** Of an entry: its message is there even if the entry has none, so it counts with the entry. */
  readonly free?: boolean;
  /** For a map: what its entries are. `kind` is that of its values. */
  readonly entry?: MapEntry | undefined;
}

export interface MapEntry {
  readonly key: Scalar;
  readonly shape: Shape;
}

/** A message type, whatever it was described by. It may contain itself, so its fields are added when it exists. */
export class Shape {
  /** The full name, empty when it is not known. */
  readonly name: string;
  /** 1, or 0 for what users see neither as a level nor as elements: entries of maps, and what says which kind a plain value is of. */
  readonly levels: 0 | 1;
  readonly byNumber = new Map<number, Field>();
  readonly byName = new Map<string, Field>();
  /** In the order of their numbers. */
  fields: readonly Field[] = [];
  /** Names of fields by the name of their oneof. Messages of protobufjs have members of these names. */
  readonly oneofs = new Map<string, string[]>();
  required: readonly Field[] = [];
  /** That one of the fields must be there. */
  readonly chooses: boolean;
  /** Elements that an empty message counts as: absent fields take memory, too. */
  cost = 0;
  /** What every new message has, and what each of them must have its own of. */
  template: Readonly<Record<string, unknown>> = {};
  own: readonly Field[] = [];

  constructor(name: string, { levels = 1, chooses = false }: { levels?: 0 | 1; chooses?: boolean } = {}) {
    this.name = name;
    this.levels = levels;
    this.chooses = chooses;
  }

  define(fields: readonly Field[]): this {
    this.fields = fields.toSorted((one, other) => one.number - other.number);
    for (const field of this.fields) {
      this.byNumber.set(field.number, field);
      this.byName.set(field.name, field);
      if (field.oneof === undefined) continue;
      const members = this.oneofs.get(field.oneof) ?? [];
      this.oneofs.set(field.oneof, members);
      members.push(field.name);
    }
    this.required = this.fields.filter(({ required }) => required);
    const template: Record<string, unknown> = {};
    for (const { name, absent } of this.fields) if (absent !== undefined) template[name] = absent;
    this.template = template;
    this.own = this.fields.filter(({ repeated, entry, absent }) => {
      return repeated || entry !== undefined || absent instanceof Uint8Array;
    });
    const large = this.own.filter(({ repeated }) => !repeated);
    this.cost = this.levels * (1 + Math.ceil(this.fields.length / 4) + large.length);
    return this;
  }
}

/** A field with what most of them have. */
export function fieldOf(name: string, number: number, kind: Kind, rest: Partial<Field> = {}): Field {
  const repeated = rest.repeated ?? false;
  const packed = repeated && rest.packed === true && kind.is === 'scalar' && WIRE[kind.type] !== DELIMITED;
  const absent = repeated ? [] : kind.is === 'scalar' ? defaultOf(kind.type) : null;
  return { name, number, kind, repeated, required: false, oneof: undefined, absent, ...rest, packed };
}

/** Entries are messages of two fields. */
export function mapOf(name: string, number: number, key: Scalar, kind: Kind): Field {
  const shape = new Shape('', { levels: 0 });
  shape.define([fieldOf('key', 1, { is: 'scalar', type: key }), fieldOf('value', 2, kind, { free: true })]);
  return fieldOf(name, number, kind, { entry: { key, shape }, absent: {} });
}

const VALUE = new Shape('google.protobuf.Value', { levels: 0, chooses: true });
const STRUCT = new Shape('google.protobuf.Struct');
const LIST = new Shape('google.protobuf.ListValue');

const oneof = { oneof: 'kind' };
VALUE.define([
  fieldOf('nullValue', 1, { is: 'scalar', type: 'int32' }, oneof),
  fieldOf('numberValue', 2, { is: 'scalar', type: 'double' }, oneof),
  fieldOf('stringValue', 3, { is: 'scalar', type: 'string' }, oneof),
  fieldOf('boolValue', 4, { is: 'scalar', type: 'bool' }, oneof),
  fieldOf('structValue', 5, { is: 'message', shape: STRUCT }, oneof),
  fieldOf('listValue', 6, { is: 'message', shape: LIST }, oneof),
]);
STRUCT.define([mapOf('fields', 1, 'string', { is: 'message', shape: VALUE })]);
LIST.define([fieldOf('values', 1, { is: 'message', shape: VALUE }, { repeated: true })]);

STRUCT.cost = LIST.cost = 1;

export const PLAIN = {
  value: { is: 'plain', plain: 'value', shape: VALUE },
  struct: { is: 'plain', plain: 'struct', shape: STRUCT },
  list: { is: 'plain', plain: 'list', shape: LIST },
} as const satisfies Record<string, Kind>;
