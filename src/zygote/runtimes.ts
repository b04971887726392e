import { basename, join } from 'node:path';
import { packageRoot } from '../package-root.js';
import { bindReadOnly } from '../policy/mounts.js';
import { nativeFile } from '../spawner/locate.js';
import type { MountMessage } from '../spawner/messages.js';

/** The runtimes that can be zygotes. */
export type RuntimeName = 'python' | 'node' | 'native';

/**
 * The first file is the interpreter's main program; the others it finds beside itself. Below the package's root. A native
 * program has what it needs in itself (native/zygote/zygote.h).
 */
const FILES: Readonly<Record<RuntimeName, readonly string[]>> = {
  python: ['runtimes/python/zygote.py', 'runtimes/python/typed.py'],
  node: ['runtimes/node/zygote.cjs', 'runtimes/node/typed.cjs', 'runtimes/node/wire.cjs'],
  native: [],
};
/** The library beside them. */
const LIBRARIES: Readonly<Partial<Record<RuntimeName, string>>> = {
  python: 'zygote-python.so',
  node: 'zygote-node.node',
};

export const DEFAULT_INTERPRETERS: Readonly<Partial<Record<RuntimeName, string>>> = {
  python: 'python3',
  node: process.execPath,
};

/** Where a zygote finds what is ours. */
const OWN_DIRECTORY = '/.zygote';

/**
 * V8 collects garbage some seconds after it did last: for that a timer runs in the zygote, and comes due in each step of one
 * that is some seconds old, where it costs five times what a small step takes. And it forgets the code of functions that were
 * not called lately, which each step would compile anew.
 */
const FLAGS: Readonly<Partial<Record<RuntimeName, readonly string[]>>> = {
  node: ['--no-memory-reducer', '--no-flush-bytecode'],
};

/** What follows the interpreter on its command line. */
export function mainProgram(runtime: RuntimeName): readonly string[] {
  const programs = FILES[runtime].slice(0, 1).map((file) => join(OWN_DIRECTORY, basename(file)));
  return [...(FLAGS[runtime] ?? []), ...programs];
}

export function runtimeMounts(runtime: RuntimeName): readonly MountMessage[] {
  const library = LIBRARIES[runtime];
  const paths = [
    ...FILES[runtime].map((file) => join(packageRoot, file)),
    ...(library === undefined ? [] : [nativeFile(library, `library of zygotes of ${runtime}`)]),
  ];
  return paths.map((path) => bindReadOnly(path, join(OWN_DIRECTORY, basename(path))));
}

/** Those of all, for a sandbox in which any of them may be started later. */
export function allRuntimeMounts(): readonly MountMessage[] {
  return [...runtimeMounts('python'), ...runtimeMounts('node')].map((mount) => ({ ...mount, optional: true }));
}
