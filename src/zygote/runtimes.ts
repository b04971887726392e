import { basename, join } from 'node:path';
import { packageRoot } from '../package-root.js';
import { bindReadOnly } from '../policy/mounts.js';
import type { MountMessage } from '../spawner/messages.js';

/** The runtimes that can be zygotes. */
export type RuntimeName = 'python' | 'node' | 'native';

/**
 * The first file is the interpreter's main program; the others it finds beside itself. Below the package's root. A native
 * program has what it needs in itself (native/zygote/zygote.h).
 */
const FILES: Readonly<Record<RuntimeName, readonly string[]>> = {
  python: ['runtimes/python/zygote.py', 'native/build/zygote-python.so'],
  node: ['runtimes/node/zygote.cjs', 'native/build/zygote-node.node'],
  native: [],
};

export const DEFAULT_INTERPRETERS: Readonly<Partial<Record<RuntimeName, string>>> = {
  python: 'python3',
  node: process.execPath,
};

/** Where a zygote finds what is ours. */
const OWN_DIRECTORY = '/.zygote';

/** What follows the interpreter on its command line. */
export function mainProgram(runtime: RuntimeName): readonly string[] {
  return FILES[runtime].slice(0, 1).map((file) => join(OWN_DIRECTORY, basename(file)));
}

export function runtimeMounts(runtime: RuntimeName): readonly MountMessage[] {
  return FILES[runtime].map((file) => bindReadOnly(join(packageRoot, file), join(OWN_DIRECTORY, basename(file))));
}
