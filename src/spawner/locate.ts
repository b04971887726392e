import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SandboxError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import type { Addon } from './native.js';

/** Built here, in a checkout, or brought by the package. */
const PLACES = ['native/build', `native/prebuilt/linux-${process.arch}`].map((place) => join(packageRoot, place));

export function spawnerPath(): string {
  return nativeFile('spawner', 'spawner program');
}

/** What `spawn-sandbox selftest` runs inside. */
export function proberPath(): string {
  return nativeFile('prober', 'prober of the selftest');
}

let loaded: Addon | undefined;

export function loadAddon(): Addon {
  if (loaded !== undefined) return loaded;
  const path = nativeFile('addon.node', 'native addon');
  try {
    loaded = createRequire(import.meta.url)(path) as Addon;
    return loaded;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SandboxError('ERR_NATIVE_MISSING', `Cannot load the native addon ${path}: ${reason}.`, {
      path,
      cause,
      remedy: `It was built for another system than this one (${process.platform}-${process.arch}). Build it here: make -C native.`,
    });
  }
}

/** Refuses every system that cannot confine anything, before anything is tried. */
export function requireLinux(): void {
  if (process.platform === 'linux') return;
  throw new SandboxError(
    'ERR_UNSUPPORTED_PLATFORM',
    `spawn-sandbox confines with Linux namespaces and seccomp, and this is ${process.platform}.`,
    {
      remedy: 'Run the app on Linux, in a Linux virtual machine or in a Linux container.',
    },
  );
}

/** @throws {SandboxError} `ERR_NATIVE_MISSING` */
export function nativeFile(name: string, what: string): string {
  const paths = PLACES.map((place) => join(place, name));
  const found = paths.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new SandboxError(
    'ERR_NATIVE_MISSING',
    `Cannot find the ${what} of spawn-sandbox: neither ${paths.join(' nor ')} exists. Usual causes:\n${USUAL_CAUSES}`,
    { path: paths[0] ?? '' },
  );
}

const USUAL_CAUSES = [
  '- A checkout that was not built yet: run `npm start` or `make -C native` in it (needs gcc, make and libc6-dev).',
  `- The package has none for this system (${process.platform}-${process.arch}): build it from source with \`make -C native\`.`,
  '- A bundler moved the JavaScript away from its package: mark `spawn-sandbox` as external, so that it stays in node_modules.',
  '- node_modules was copied from another system, or a container image stage left `native` behind: install again there.',
  '- A package manager with a virtual file system: let it unpack `spawn-sandbox` to disk.',
].join('\n');
