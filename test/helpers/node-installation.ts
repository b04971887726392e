import { constants, copyFileSync, cpSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findInPath } from '#src/policy/lookup.js';

/** An installation as nvm makes them, copied from the machine's own Node and npm: `PREFIX/bin` and `PREFIX/lib/node_modules`. */
export function makeNodeInstallation(prefix: string): string {
  const npm = findInPath('npm', process.env['PATH'] ?? '');
  if (npm === undefined) throw new Error('npm not found');
  const bin = join(prefix, 'bin');
  mkdirSync(bin, { recursive: true });
  copyFileSync(process.execPath, join(bin, 'node'), constants.COPYFILE_FICLONE);
  // `npm` is a link to npm/bin/npm-cli.js.
  cpSync(dirname(dirname(realpathSync(npm))), join(prefix, 'lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(bin, 'npm'));
  return prefix;
}

/** The versions of Node of which a warm one can be forked. */
export const FORKABLE_NODE = process.arch === 'x64' ? /^v2[02]\./ : /^v20\./;
