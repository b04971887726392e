import { expectInteger, expectObject, invalidOption } from '../../options/check.js';
import { show } from '../../show.js';
import type { SandboxError } from '../../errors.js';
import { Sending } from './sending.js';
import { encodeData } from './frames.js';
import { type OperationOptions, type StartFiles } from './operation.js';
import { flagOption, operationOptions, sizeOption } from './options.js';
import { type Deed, filesError, tooLong } from './problem.js';
import { FLAG, makeAtOnce } from './temporary.js';
import type { FileContent } from './types.js';

const GIBIBYTE = 2 ** 30;
const USUAL_MODE = 0o644;

export interface WritePlan extends OperationOptions {
  readonly path: Buffer;
  readonly content: FileContent;
  readonly limit: number;
  readonly mode: number | undefined;
  readonly parents: boolean;
  readonly overwrite: boolean;
}

export function planWrite(path: Buffer, content: unknown, options: unknown): WritePlan {
  const given = expectObject(options, 'options', ['timeout', 'signal', 'limit', 'mode', 'parents', 'overwrite']);
  const mode = given['mode'];
  return {
    path,
    content: checkContent(content),
    ...operationOptions(given),
    limit: sizeOption(given, GIBIBYTE),
    mode: mode === undefined ? undefined : expectInteger(mode, 'mode', 0, 0o777),
    parents: flagOption(given, 'parents'),
    overwrite: flagOption(given, 'overwrite', true),
  };
}

function checkContent(content: unknown): FileContent {
  if (typeof content === 'string') return content;
  if (typeof content === 'object' && content !== null) {
    if (content instanceof Uint8Array || Symbol.iterator in content || Symbol.asyncIterator in content) {
      return content as FileContent;
    }
  }
  throw invalidOption('content', `must be a string, bytes, a stream or an iterable of those, and is ${show(content)}`);
}

export async function writeFile(start: StartFiles, plan: WritePlan): Promise<void> {
  const deed: Deed = { verb: 'write', path: plan.path.toString() };
  const { overwrite, parents, mode = USUAL_MODE } = plan;
  const flags =
    (overwrite ? FLAG.overwrites : 0) |
    (parents ? FLAG.makesParents : 0) |
    (plan.mode === undefined ? FLAG.keepsMode : 0);
  const sending = new Sending(contentOf(plan, deed));
  await makeAtOnce(start, deed, { ...plan, operation: 'write', words: [String(mode), String(flags)] }, sending);
}

async function* contentOf({ content, limit }: WritePlan, deed: Deed): AsyncGenerator<Buffer> {
  let left = limit;
  const pieces = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
  try {
    for await (const piece of pieces as AsyncIterable<unknown>) {
      const bytes = bytesOf(piece);
      left -= bytes.length;
      if (left < 0) throw tooLong(deed);
      yield* encodeData(bytes);
    }
  } catch (error) {
    throw left < 0 ? error : contentFailed(deed, error);
  }
}

function bytesOf(piece: unknown): Uint8Array {
  if (typeof piece === 'string') return Buffer.from(piece);
  if (piece instanceof Uint8Array) return piece;
  throw new TypeError(`a piece of it must be a string or bytes, and is ${show(piece)}`);
}

function contentFailed(deed: Deed, cause: unknown): SandboxError {
  return filesError(deed, `its content failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
