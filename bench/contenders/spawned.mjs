import { spawn } from 'node:child_process';

/**
 * Starts a program by Node's own `child_process`, reads both outputs to their ends as `spawnSandbox()` does, and
 * resolves when it is closed. Its stdin is at the end, as a step's is.
 */
export function spawned(file, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const output = [];
    child.stdout?.on('data', (chunk) => output.push(chunk));
    child.stderr?.on('data', (chunk) => output.push(chunk));
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(output);
      else reject(new Error(`${file} ended with status ${status}: ${Buffer.concat(output).toString().slice(-500)}`));
    });
  });
}
