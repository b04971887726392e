import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

interface Facts {
  readonly executable: string;
  readonly library: string;
  readonly version: string;
}

/** What is large in a standard library, and not needed to run programs. */
const LEFT_OUT = [
  'test',
  'tests',
  'idlelib',
  'ensurepip',
  'tkinter',
  'turtledemo',
  'lib2to3',
  '__pycache__',
  'site-packages',
  'dist-packages',
];

/** A virtual environment, made outside by the machine's own Python, with a module and a console script as pip leaves them. */
export function makeVirtualEnvironment(directory: string): string {
  execFileSync(hostPython(), ['-m', 'venv', '--without-pip', directory]);
  const { library } = factsOf(join(directory, 'bin', 'python'));
  writeFileSync(
    join(directory, 'lib', basename(library), 'site-packages', 'greeting.py'),
    'TEXT = "from site-packages"\n',
  );
  const script = `#!${directory}/bin/python\nimport greeting, sys\nprint(greeting.TEXT, sys.prefix)\n`;
  writeFileSync(join(directory, 'bin', 'greet'), script, { mode: 0o755 });
  return join(directory, 'bin');
}

/**
 * A pyenv: shims that are shell scripts, and an interpreter below `versions` that finds its library beside itself.
 * Copied from the machine's own Python, so that the test does not depend on where that lies, or on who may read it.
 */
export function makePyenv(root: string): { readonly shims: string; readonly prefix: string } {
  const { executable, library, version } = factsOf(hostPython());
  const prefix = join(root, 'versions', version);
  const shims = join(root, 'shims');
  for (const directory of [join(prefix, 'bin'), join(prefix, 'lib'), shims]) mkdirSync(directory, { recursive: true });
  copyFileSync(executable, join(prefix, 'bin', basename(library)));
  symlinkSync(basename(library), join(prefix, 'bin', 'python3'));
  cpSync(library, join(prefix, 'lib', basename(library)), {
    recursive: true,
    filter: (source) => !LEFT_OUT.includes(basename(source)) && !basename(source).startsWith('config-'),
  });
  writeFileSync(join(root, 'version'), `${version}\n`);
  writeFileSync(join(shims, 'python3'), `#!/bin/sh\nexec pyenv exec python3 "$@"\n`);
  chmodSync(join(shims, 'python3'), 0o755);
  return { shims, prefix };
}

/** That of the distribution if there is one: everybody may read it. */
export function hostPython(): string {
  return existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
}

function factsOf(python: string): Facts {
  const code = `
import json, os, platform, sys, sysconfig
print(json.dumps({
  'executable': os.path.realpath(sys.executable), 'library': sysconfig.get_path('stdlib'), 'version': platform.python_version()}))`;
  return JSON.parse(execFileSync(python, ['-c', code], { encoding: 'utf8' })) as Facts;
}
