import { existsSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Trees that hold far more than one program. */
const NEVER = [
  '/',
  '/root',
  '/home',
  '/opt',
  '/var',
  '/tmp',
  '/var/tmp',
  '/etc',
  '/srv',
  '/mnt',
  '/media',
  '/run',
  '/proc',
  '/sys',
  '/dev',
  '/boot',
];
/** Files that tell a home directory, or somebody's project, from an installation. */
const MARKS_OF_MORE = ['.git', '.env', '.ssh', '.aws', '.config', '.bashrc', '.profile', '.npmrc', '.netrc', '.gnupg'];

/**
 * Whether a directory may be shown to steps because a program in it is run. In doubt it may not: the program's own
 * file is then all that is seen, and the app can still mount the directory by `filesystem.readOnly`.
 */
export function isPrefixSafe(directory: string): boolean {
  const real = realPath(directory);
  return (
    [directory, real].every((path) => !NEVER.includes(path) && !isHome(path)) && !holdsApp(real) && !looksLikeMore(real)
  );
}

function isHome(path: string): boolean {
  const home = homedir();
  return (
    home === path ||
    home.startsWith(`${path}/`) ||
    /^\/home\/[^/]+$/.test(path) ||
    ['.local', '.config', '.cache'].some((name) => path === join(home, name) || path.endsWith(`/${name}`))
  );
}

/**
 * The app's own files are not part of any interpreter: where it works, and where its main script lies. A command that
 * was installed together with an interpreter (`npm install -g`) is part of it.
 */
function holdsApp(path: string): boolean {
  const script = process.argv[1];
  const main = script === undefined ? undefined : realPath(script);
  const holdsMain = main?.startsWith(`${path}/`) === true && !main.startsWith(`${path}/lib/node_modules/`);
  const cwd = process.cwd();
  return holdsMain || cwd === path || cwd.startsWith(`${path}/`);
}

function looksLikeMore(path: string): boolean {
  return MARKS_OF_MORE.some((name) => existsSync(join(path, name)));
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
