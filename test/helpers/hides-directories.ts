import { execFileSync } from 'node:child_process';
import { isRoot } from './privileges.js';

const SETS_ATTRIBUTE = `
import os, tempfile
with tempfile.TemporaryFile(dir='/dev/shm') as file: os.setxattr(file.fileno(), 'user.test', b'')`;

/**
 * Whether an overlay can hide a directory of its original that holds something, to remove or replace it. It notes that in an
 * attribute of its upper layer: for an app without root in one of users, which tmpfs has since Linux 6.6.
 */
export const hidesDirectories = isRoot || canSetAttribute();

function canSetAttribute(): boolean {
  try {
    execFileSync('python3', ['-c', SETS_ATTRIBUTE], { stdio: ['ignore', 'ignore', 'pipe'] });
    return true;
  } catch (error) {
    if (String((error as { stderr?: unknown }).stderr).includes('Operation not supported')) return false;
    throw error;
  }
}
