import { join } from 'node:path';
import { spawnSandbox } from 'spawn-sandbox';

/**
 * Compiles one submission. A compiler reads what strangers wrote, so it is confined as well: it sees the source,
 * writes into one directory, and has limits of its own.
 */
export async function compile(source, directory) {
  const result = await spawnSandbox('gcc', ['-std=c17', '-D_GNU_SOURCE', '-O1', '-o', '/build/program', '/source.c'], {
    syscalls: 'build',
    filesystem: {
      readOnly: [{ source, target: '/source.c' }],
      writable: [{ source: directory, target: '/build' }],
    },
    limits: { memory: '512MiB', wallTime: '20s', processes: 16, fileSize: '16MiB', output: '256KiB' },
  });
  return { result, program: join(directory, 'program') };
}
