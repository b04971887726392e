import { spawnSandbox } from 'spawn-sandbox';

/**
 * Runs a compiled submission on one input. It sees its own program, read-only, and of the machine only what every
 * sandbox shows. `strict` has no `fork` and no sockets: a submission needs neither.
 */
export function runSubmission(program, input, limits) {
  return spawnSandbox('/program', [], {
    syscalls: 'strict',
    filesystem: { readOnly: [{ source: program, target: '/program' }] },
    limits,
    input,
  }).result;
}
