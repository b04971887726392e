import { createHash } from 'node:crypto';
import { ImageProblem, named } from './problem.js';
import type { OpenPart, Part, Source } from './source.js';

const MOST_JSON = 4 << 20;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** How one blob names another. */
export interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
  readonly rest: Fields;
}

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new ImageProblem(`${what} is not what it must be`);
}

export function listOf(value: unknown, what: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new ImageProblem(`${what} is no list`);
  if (value.length > most) throw new ImageProblem(`${what} is longer than ${most}`);
  return value as readonly unknown[];
}

export function textsOf(value: unknown, what: string): readonly string[] {
  if (value === undefined || value === null) return [];
  const texts = listOf(value, what, 10_000);
  if (texts.every((text) => typeof text === 'string' && !text.includes('\0'))) return texts as readonly string[];
  throw new ImageProblem(`${what} holds what is no text`);
}

export function digestOf(value: unknown): string {
  if (typeof value === 'string' && DIGEST.test(value)) return value;
  throw new ImageProblem(`${named(String(value))} is no sha256 digest`, 'Make the image with sha256 digests.');
}

export function descriptorOf(value: unknown): Descriptor {
  const fields = fieldsOf(value, 'a descriptor');
  const { size, mediaType } = fields;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw new ImageProblem('a descriptor has no size');
  return {
    digest: digestOf(fields['digest']),
    size,
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    rest: fields,
  };
}

/** Of the right size; its digest is known when it was read. */
export async function openBlob(source: Source, { digest, size }: Descriptor): Promise<OpenPart> {
  const part = await source.part(`blobs/${digest.replace(':', '/')}`);
  if (part === undefined) throw new ImageProblem(`blob ${digest} is missing`);
  if (part.size === size) return part;
  await part.close();
  throw new ImageProblem(`blob ${digest} has ${part.size} bytes, and was to have ${size}`);
}

export async function jsonBlob(source: Source, descriptor: Descriptor): Promise<Fields> {
  const { digest } = descriptor;
  return fieldsOf(parse(await readWhole(await openBlob(source, descriptor), digest), digest), digest);
}

/** Nothing when it is missing. */
export async function jsonFile(source: Source, name: string, digest?: string): Promise<unknown> {
  const part = await source.part(name);
  return part === undefined ? undefined : parse(await readWhole(part, digest), name);
}

async function readWhole(part: OpenPart, digest?: string): Promise<Buffer> {
  try {
    return await bytesOf(part, digest);
  } finally {
    await part.close();
  }
}

async function bytesOf({ file, start, size }: Part, digest?: string): Promise<Buffer> {
  if (size > MOST_JSON) throw new ImageProblem(`a description in it is longer than ${MOST_JSON} bytes`);
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(bytes, at, size - at, start + at);
    if (bytesRead === 0) throw new ImageProblem('it has become shorter');
    at += bytesRead;
  }
  const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (digest === undefined || found === digest) return bytes;
  throw new ImageProblem(`blob ${digest} is damaged: its digest is ${found}`);
}

function parse(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw new ImageProblem(`${what} is no JSON`);
  }
}
