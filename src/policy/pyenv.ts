import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { findInPath, isExecutableFile } from './lookup.js';

/**
 * The program that a pyenv shim would run, found without running the shim: a shim is a shell script that needs all of
 * pyenv, and pyenv lies in a home directory. Nothing when the path is not a shim.
 */
export function programBehindShim(path: string): string | undefined {
  const root = pyenvRootOf(path);
  if (root === undefined) return undefined;
  const name = basename(path);
  for (const version of selectedVersions(root)) {
    const program =
      version === 'system' ? besideShims(name) : join(root, 'versions', installed(root, version), 'bin', name);
    if (program !== undefined && isExecutableFile(program)) return program;
  }
  return besideShims(name);
}

/** `ROOT` for `ROOT/shims/NAME`, and for a shim of one of its plugins. */
function pyenvRootOf(path: string): string | undefined {
  const shims = dirname(path);
  if (basename(shims) !== 'shims') return undefined;
  const candidates = [dirname(shims), process.env['PYENV_ROOT'] ?? ''];
  return candidates.find((root) => root !== '' && shims.startsWith(`${root}/`) && existsSync(join(root, 'versions')));
}

/** As pyenv chooses: the variable, the nearest `.python-version` upwards, the global choice. */
function selectedVersions(root: string): readonly string[] {
  const variable = process.env['PYENV_VERSION'];
  if (variable !== undefined && variable !== '') return variable.split(':');
  for (let directory = process.cwd(); ; directory = dirname(directory)) {
    const versions = readVersions(join(directory, '.python-version'));
    if (versions.length > 0) return versions;
    if (directory === dirname(directory)) break;
  }
  const global = readVersions(join(root, 'version'));
  return global.length > 0 ? global : ['system'];
}

function readVersions(file: string): readonly string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines
      .map((line) => line.replace(/#.*/, '').trim())
      .filter((version) => /^[^/\s]+$/.test(version) && version !== '..');
  } catch {
    return [];
  }
}

/** `3.12` means the newest installed 3.12.x. */
function installed(root: string, version: string): string {
  const exact = version.replace(/^python-/, '');
  if (existsSync(join(root, 'versions', exact))) return exact;
  const matching = readdirSync(join(root, 'versions')).filter((name) => name.startsWith(`${exact}.`));
  return matching.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1) ?? exact;
}

function besideShims(name: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(':').filter((directory) => basename(directory) !== 'shims');
  return findInPath(name, directories.join(':'));
}
