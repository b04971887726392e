// What a build consists of, as data: each command has limits of its own below those of the sandbox.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Debian's, for which its package python3-sphinx is: another Python, which `PATH` may name first, has no Sphinx. */
const PYTHON = '/usr/bin/python3';

export const ARTIFACT = 'docs.tar.gz';

export const commands = [
  // Reads the sources; the others find in /tmp what came of that.
  sphinx('html', { wallTime: '5m' }),
  sphinx('text'),
  sphinx('man'),
  // Writes nothing, and warns of each reference that leads nowhere.
  { ...sphinx('dummy', { wallTime: '1m' }, ['-n']), name: 'references' },
  {
    name: 'doctrees',
    file: PYTHON,
    args: ['-', '/tmp/doctrees'],
    // Who unpickles runs what the pickle says: this, too, is a command of the sandbox.
    input: readFileSync(join(import.meta.dirname, 'check-doctrees.py')),
    limits: { wallTime: '1m' },
  },
  {
    name: 'pack',
    file: 'tar',
    args: ['-czf', `/artifacts/${ARTIFACT}`, '-C', '/artifacts', 'html', 'text', 'man'],
    limits: { wallTime: '1m', memory: '128MiB', processes: 8 },
  },
];

function sphinx(builder, limits = { wallTime: '2m' }, options = []) {
  const directories = ['-d', '/tmp/doctrees', '/checkout', `/artifacts/${builder}`];
  return { name: builder, file: PYTHON, args: ['-m', 'sphinx', '-b', builder, ...options, ...directories], limits };
}
