import { closeSync, constants, openSync } from 'node:fs';
import { loadAddon } from '#src/spawner/locate.js';
import type { Further } from '#src/step/further.js';
import type { Cleaning } from './temporary-directory.js';

export const addon = loadAddon();

/** A pipe and what was read of it. */
export class Collected {
  text = '';
  ends = 0;

  get further(): Further {
    return {
      kind: 'pipe',
      onData: (chunk) => {
        if (chunk === null) this.ends++;
        else this.text += chunk.toString();
      },
    };
  }
}

/** An empty file in memory, closed when the test has ended. */
export function memoryFile(context: Cleaning): number {
  const descriptor = addon.memory();
  if (descriptor < 0) throw new Error(`no file in memory: errno ${-descriptor}`);
  context.after(() => {
    addon.close(descriptor);
  });
  return descriptor;
}

/** A file open for reading, closed when the test has ended. */
export function openForReading(context: Cleaning, path: string): number {
  const descriptor = openSync(path, constants.O_RDONLY);
  context.after(() => {
    closeSync(descriptor);
  });
  return descriptor;
}

/** Code of a job that answers with what it finds at its further descriptors: a pipe, a file in memory, a read-only file. */
export const USE_ALL: Readonly<Record<'python' | 'node', string>> = {
  python: `
import ctypes, os
core = ctypes.PyDLL("/.zygote/zygote-python.so")
pipe, memory, file = [core.python_descriptor(ctypes.c_size_t(i)) for i in range(core.python_descriptor_count())]
assert core.python_descriptor(ctypes.c_size_t(3)) == -1
assert not any(map(os.get_inheritable, (pipe, memory, file)))
os.write(pipe, b"by pipe"); os.write(memory, b"in memory"); print(os.read(file, 100).decode())
try: os.open(f"/proc/self/fd/{file}", os.O_RDWR)
except OSError as error: print(error.errno)
`,
  node: `
const [pipe, memory, file, ...none] = require('/.zygote/zygote-node.node').descriptors();
if (none.length > 0) throw new Error('more than were given');
fs.writeSync(pipe, 'by pipe'); fs.writeSync(memory, 'in memory');
const bytes = Buffer.alloc(100);
console.log(bytes.subarray(0, fs.readSync(file, bytes)).toString());
try { fs.openSync('/proc/self/fd/' + file, 'r+'); } catch (error) { console.log(-error.errno); }
`,
};
