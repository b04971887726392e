import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** fork, execve and wait in a small C program: no start can be cheaper. */
export function floor(program) {
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  return {
    name: 'floor',
    label: 'fork + exec in C',
    inThisProcess: false,
    async starts({ count = 1e9, millis = 1e9, concurrency }) {
      const begun = performance.now();
      child.stdin.write(`${count} ${concurrency} ${Math.round(millis)} /bin/true\n`);
      const [line] = await once(lines, 'line');
      const elapsed = performance.now() - begun;
      return {
        latencies: line
          .trim()
          .split(' ')
          .map((nanoseconds) => Number(nanoseconds) / 1e6),
        elapsed,
      };
    },
    async close() {
      child.stdin.end();
      await once(child, 'close');
    },
  };
}
