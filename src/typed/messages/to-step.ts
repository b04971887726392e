import { DELIMITED, VARINT } from './cursor.js';
import type { Payload } from './from-step.js';
import { frame } from './frames.js';
import { Writer } from './writer.js';

/** An Arrow file that the step may read. */
export interface TableInput {
  readonly name: string;
  readonly descriptor: number;
  readonly bytes: number;
}

/** A file that the step may write a table into; without a name, any. */
export interface TableOutput {
  readonly name?: string | undefined;
  readonly descriptor: number;
}

/** `Call` of proto/step.proto: what is left out has its default. */
export interface Call {
  readonly version: number;
  readonly module?: string | undefined;
  readonly function?: string | undefined;
  readonly code?: string | undefined;
  readonly file?: string | undefined;
  readonly params?: Payload | undefined;
  readonly streaming?: boolean | undefined;
  readonly paramsType?: string | undefined;
  readonly resultType?: string | undefined;
  readonly inputs?: readonly TableInput[] | undefined;
  readonly outputs?: readonly TableOutput[] | undefined;
  readonly logDescriptor?: number | undefined;
  readonly maxFrameBytes?: number | undefined;
}

const CALL = 1;
const PARAMS = 2;

/** A whole frame. */
export function encodeCall(call: Call): Uint8Array {
  const writer = new Writer();
  nested(writer, CALL, () => {
    number(writer, 1, call.version);
    text(writer, 2, call.module);
    text(writer, 3, call.function);
    text(writer, 4, call.code);
    text(writer, 5, call.file);
    if (call.params !== undefined) payload(writer, 6, call.params);
    number(writer, 7, call.streaming === true ? 1 : 0);
    text(writer, 8, call.paramsType);
    text(writer, 9, call.resultType);
    for (const input of call.inputs ?? []) table(writer, 10, input);
    for (const output of call.outputs ?? []) table(writer, 11, output);
    number(writer, 12, call.logDescriptor);
    number(writer, 13, call.maxFrameBytes);
  });
  return frame(writer.finish());
}

/** A whole frame. */
export function encodeParams(params: Payload): Uint8Array {
  const writer = new Writer();
  payload(writer, PARAMS, params);
  return frame(writer.finish());
}

function nested(writer: Writer, field: number, write: () => void): void {
  writer.tag(field, DELIMITED);
  const start = writer.begin();
  write();
  writer.end(start);
}

function payload(writer: Writer, field: number, { kind, bytes }: Payload): void {
  nested(writer, field, () => {
    writer.tag(kind === 'message' ? 1 : 2, DELIMITED);
    writer.bytes(bytes);
  });
}

function table(writer: Writer, field: number, { name, descriptor, bytes }: TableOutput & { bytes?: number }): void {
  nested(writer, field, () => {
    text(writer, 1, name);
    number(writer, 2, descriptor);
    number(writer, 3, bytes);
  });
}

function text(writer: Writer, field: number, value: string | undefined): void {
  if (value === undefined || value === '') return;
  writer.tag(field, DELIMITED);
  // Half of a surrogate pair cannot be in UTF-8; source code with one means U+FFFD to every reader of files, too.
  if (!writer.text(value)) writer.bytes(Buffer.from(value));
}

function number(writer: Writer, field: number, value: number | undefined): void {
  if (value === undefined || value === 0) return;
  writer.tag(field, VARINT);
  writer.varint(value);
}
