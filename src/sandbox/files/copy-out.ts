import { expectObject, expectOneOf } from '../../options/check.js';
import { COPY_OPTIONS, copyBounds, noCounts } from './copy-options.js';
import { FRAME } from './frames.js';
import { HostWriter } from './host-writer.js';
import { entryOf, hasGone } from './look.js';
import { Operation, type StartFiles } from './operation.js';
import { onWire } from './options.js';
import { hostFailed } from './problem.js';
import type { CopyResult } from './types.js';

export async function copyOut(
  start: StartFiles,
  path: Buffer,
  hostPath: unknown,
  options: unknown,
): Promise<CopyResult> {
  const given = expectObject(options, 'options', [...COPY_OPTIONS, 'links']);
  const links = expectOneOf(given['links'] ?? 'inside', 'links', ['inside', 'skip']);
  const bounds = copyBounds(given);
  const deed = { verb: 'copy', path: path.toString() };
  const counts = noCounts();
  try {
    const writer = await HostWriter.open(hostPath, deed, { ...bounds, links }, counts);
    try {
      const words = ['copyOut', path, onWire(bounds.limit), String(bounds.entries), String(bounds.depth)];
      for await (const frame of new Operation(start, deed, words, bounds).frames()) {
        if (frame.kind === FRAME.data) await writer.data(frame.payload);
        else await writer.entry(entryOf(frame, deed));
      }
      if (!writer.hasRoot) throw hasGone(deed);
      await writer.finish();
    } finally {
      await writer.close();
    }
  } catch (error) {
    throw hostFailed(deed, error, hostPath);
  }
  return counts;
}
