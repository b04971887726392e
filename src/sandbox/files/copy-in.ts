import { expectObject } from '../../options/check.js';
import { COPY_OPTIONS, copyBounds, noCounts } from './copy-options.js';
import { HostReader } from './host-reader.js';
import type { StartFiles } from './operation.js';
import { flagOption } from './options.js';
import { Sending } from './sending.js';
import { FLAG, makeAtOnce } from './temporary.js';
import type { CopyResult } from './types.js';

export async function copyIn(
  start: StartFiles,
  hostPath: unknown,
  path: Buffer,
  options: unknown,
): Promise<CopyResult> {
  const given = expectObject(options, 'options', [...COPY_OPTIONS, 'parents']);
  const bounds = copyBounds(given);
  const flags = (bounds.overwrite ? FLAG.overwrites : 0) | (flagOption(given, 'parents') ? FLAG.makesParents : 0);
  const counts = noCounts();
  const deed = { verb: 'copy to', path: path.toString() };
  const reader = await HostReader.open(hostPath, deed, bounds, counts);
  try {
    const making = { ...bounds, operation: 'copyIn', path, words: [String(flags)] } as const;
    await makeAtOnce(start, deed, making, new Sending(reader.frames()));
  } finally {
    await reader.close();
  }
  return counts;
}
