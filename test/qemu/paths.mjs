import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Kernels, images and what was compiled for them. Ignored by git; may be removed at any time. */
export const CACHE = join(ROOT, '.cache/qemu');
export const GUEST = join(ROOT, 'test/qemu/guest');
