import { fstatSync } from 'node:fs';
import { constants } from 'node:os';
import type { Addon } from '../spawner/native.js';
import { systemReason } from '../system-reason.js';

/** `st_blocks` counts these. */
const BLOCK = 512;

/**
 * Seals a file in memory that somebody else has filled: its size in bytes, or what is wrong with it. The kernel looks at each page of it for
 * that, which takes some ms for a GiB.
 */
export function sealedSize(addon: Addon, descriptor: number, maxBytes: number): number | string {
  const sealed = addon.seal(descriptor);
  if (sealed === -constants.errno.EBUSY) return 'can still be written by somebody';
  if (sealed < 0) return `cannot be made unchangeable: ${systemReason(-sealed)}`;
  const { size, blocks } = fstatSync(descriptor);
  if (size === 0) return 'is empty';
  if (size > maxBytes) return `has ${size} bytes; ${maxBytes} are allowed`;
  // Reading what was never written would take memory of the app's that the step had not to pay for.
  if (blocks * BLOCK < size) return `is sparse: ${blocks * BLOCK} bytes were written of ${size}`;
  return size;
}
