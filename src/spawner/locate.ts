import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { SandboxError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import type { Addon } from './native.js';

const NATIVE = join(packageRoot, 'native', 'build');

export function spawnerPath(): string {
  return existing(join(NATIVE, 'spawner'), 'spawner program');
}

/** What `spawn-sandbox selftest` runs inside. */
export function proberPath(): string {
  return existing(join(NATIVE, 'prober'), 'prober of the selftest');
}

let loaded: Addon | undefined;

export function loadAddon(): Addon {
  if (loaded !== undefined) return loaded;
  const path = existing(join(NATIVE, 'addon.node'), 'native addon');
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

function existing(path: string, what: string): string {
  if (existsSync(path)) return path;
  throw new SandboxError(
    'ERR_NATIVE_MISSING',
    `Cannot find the ${what} of spawn-sandbox: ${path} does not exist. Usual causes:\n${USUAL_CAUSES}`,
    {
      path,
    },
  );
}

const USUAL_CAUSES = [
  '- A checkout that was not built yet: run `npm start` or `make -C native` in it (needs gcc, make and libc6-dev).',
  `- There is no build for this system (${process.platform}-${process.arch}): build it from source with \`make -C native\`.`,
  '- A bundler moved the JavaScript away from its package: mark `spawn-sandbox` as external, so that it stays in node_modules.',
  '- node_modules was copied from another system, or a container image stage left `native/build` behind: install again there.',
  '- A package manager with a virtual file system: let it unpack `spawn-sandbox` to disk.',
].join('\n');
