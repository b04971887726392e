import { Readable } from 'node:stream';
import { expectObject, expectOneOf } from '../../options/check.js';
import { Pieces } from '../../step/pieces.js';
import { FRAME, Malformed } from './frames.js';
import { Operation, type OperationOptions, type StartFiles } from './operation.js';
import { onWire, operationOptions, sizeOption } from './options.js';
import { type Deed, notUnderstood, tooLong } from './problem.js';

const MEBIBYTE = 2 ** 20;
const MOST_READ = 64 * MEBIBYTE;
const MOST_STREAMED = 1024 * MEBIBYTE;

export interface ReadPlan extends OperationOptions {
  readonly path: Buffer;
  readonly limit: number;
  readonly encoding: 'utf8' | undefined;
}

export function planRead(path: Buffer, options: unknown, streams: boolean): ReadPlan {
  const given = expectObject(options, 'options', ['timeout', 'signal', 'limit', 'encoding']);
  const encoding = given['encoding'];
  return {
    path,
    ...operationOptions(given),
    limit: sizeOption(given, streams ? MOST_STREAMED : MOST_READ),
    encoding: encoding === undefined ? undefined : expectOneOf(encoding, 'encoding', ['utf8'] as const),
  };
}

export async function readWhole(start: StartFiles, plan: ReadPlan): Promise<string | Buffer> {
  const pieces = new Pieces();
  for await (const piece of content(start, plan)) pieces.push(piece);
  return plan.encoding === undefined ? pieces.whole() : pieces.whole().toString(plan.encoding);
}

export function readAsItComes(start: StartFiles, plan: ReadPlan): Readable {
  const stream = Readable.from(content(start, plan), { objectMode: false });
  return plan.encoding === undefined ? stream : stream.setEncoding(plan.encoding);
}

async function* content(start: StartFiles, plan: ReadPlan): AsyncGenerator<Buffer> {
  const deed: Deed = { verb: 'read', path: plan.path.toString() };
  const operation = new Operation(start, deed, ['read', plan.path, onWire(plan.limit)], plan);
  let left = plan.limit;
  for await (const { kind, payload } of operation.frames()) {
    if (kind !== FRAME.data) throw notUnderstood(deed, new Malformed(`frame of kind ${kind}`));
    left -= payload.length;
    if (left < 0) throw tooLong(deed);
    yield payload;
  }
}
