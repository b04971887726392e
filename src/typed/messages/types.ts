/** What plain parameters may be: JSON-like values, in which members that are `undefined` are left out. */
export type PlainParams =
  null | undefined | boolean | number | string | readonly PlainParams[] | { readonly [key: string]: PlainParams };

/** What plain results are. Objects have no prototype. */
export type PlainValue = null | boolean | number | string | PlainValue[] | { [key: string]: PlainValue };

/** What classes of protobufjs have for whole numbers of 64 bits. */
interface LongLike {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

/** A `Type` of protobufjs, by what no class has. Its fields are not known to the compiler. */
interface ReflectedType {
  readonly fieldsArray: readonly unknown[];
}

/** A class of `pbjs -t static-module`. */
interface GeneratedClass {
  new (...args: never[]): object;
  encode(message: never, ...rest: never[]): unknown;
  toObject(message: never, ...rest: never[]): unknown;
}

/** A class with `$type`: `class Params extends Message<Params>`. */
type ReflectedClass = new (...args: never[]) => { readonly $type: unknown };

type Method = (...args: never[]) => unknown;

/** The names of fields: what protobufjs adds to them begins with `$`, or is a method. */
type FieldNames<M> = {
  [Name in keyof M]: Name extends `$${string}` ? never : NonNullable<M[Name]> extends Method ? never : Name;
}[keyof M];

type HasLong<V> = [Extract<V, LongLike>] extends [never] ? false : true;

/** As wide as `encode` takes it. */
export type Accepted<V> = V extends LongLike
  ? number | bigint | string | LongLike
  : V extends Uint8Array
    ? Uint8Array
    : V extends readonly (infer Item)[]
      ? readonly Accepted<Item>[]
      : V extends object
        ? { readonly [Name in keyof V as Name extends FieldNames<V> ? Name : never]: Accepted<V[Name]> }
        : V;

/** As `decode` makes it. */
export type Delivered<V> =
  HasLong<V> extends true ? bigint | DeliveredPart<Exclude<V, LongLike | number>> : DeliveredPart<V>;

type DeliveredPart<V> = V extends Uint8Array
  ? Uint8Array
  : V extends readonly (infer Item)[]
    ? Delivered<Item>[]
    : V extends object
      ? { [Name in keyof V as Name extends FieldNames<V> ? Name : never]: Delivered<V[Name]> }
      : V;

/**
 * What a step takes whose `params` are of this type: plain values where there is none, what `encode` of a class of protobufjs takes, any object for
 * a `Type` of protobufjs, which the compiler does not know.
 */
export type ParamsOf<T> = undefined extends T
  ? PlainParams
  : T extends ReflectedType
    ? Readonly<Record<string, unknown>>
    : T extends ReflectedClass
      ? Partial<Accepted<InstanceType<T>>>
      : T extends { encode(message: infer Message, ...rest: never[]): unknown } & GeneratedClass
        ? Accepted<Message>
        : T;

/**
 * What a step delivers whose `result` is of this type: plain values where there is none, else the fields of the message, with a bigint for whole numbers of
 * 64 bits and objects without a prototype.
 */
export type ResultOf<T> = undefined extends T
  ? PlainValue
  : T extends ReflectedType
    ? Record<string, unknown>
    : T extends ReflectedClass | GeneratedClass
      ? Delivered<InstanceType<T>>
      : T;
