import { closeSync, fstatSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { ResolvedUser } from '../options/user.js';
import { loadAddon } from '../spawner/locate.js';
import type { MountMessage } from '../spawner/messages.js';
import { etcOfSandbox } from './etc.js';
import { root as wholeRoot } from './mounts.js';

/** Where it stands while a sandbox takes its directories from it; empty afterwards. */
const MEANWHILE = '/.root';
const MOST_ACCOUNT_BYTES = 1 << 20;

/** A system of its own in place of the host's. Who the sandbox's user is, and what it is called, is still the sandbox's word. */
export function rootTree(root: string, user: ResolvedUser, network: 'none' | 'host'): readonly MountMessage[] {
  return [
    wholeRoot(root, MEANWHILE),
    ...etcOfSandbox(user, network, { passwd: accountsOf(root, 'passwd'), group: accountsOf(root, 'group') }),
  ];
}

/** Of a system that somebody else has made: no link in it may lead to a file of the host's. */
function accountsOf(root: string, name: 'passwd' | 'group'): readonly string[] {
  const text = readInside(root, join('etc', name));
  const lines = text.split('\n').filter((line) => /^[^:\0]+:[^:\0]*:\d+:/.test(line));
  return lines.length > 0 ? lines : [name === 'passwd' ? 'root:x:0:0:root:/root:/bin/sh' : 'root:x:0:'];
}

function readInside(root: string, path: string): string {
  const real = realPath(root);
  if (real === undefined) return '';
  const descriptor = loadAddon().openFile(join(real, path));
  if (descriptor < 0) return '';
  try {
    const status = fstatSync(descriptor);
    return status.isFile() && status.size <= MOST_ACCOUNT_BYTES ? readFileSync(descriptor, 'utf8') : '';
  } finally {
    loadAddon().release(descriptor);
    closeSync(descriptor);
  }
}

/** Nothing when it is missing: the spawner says so. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
