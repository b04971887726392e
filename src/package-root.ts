import { fileURLToPath } from 'node:url';

/** The directory of this package: the parent of `dist/`. */
export const packageRoot = fileURLToPath(new URL('../', import.meta.url));
