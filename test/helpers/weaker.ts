import type { SandboxOptions } from 'spawn-sandbox';

/** Takes whatever form of the limits this machine has: what they do is then the same, and how is told by `enforced`. */
export const ANY_FORM: SandboxOptions = { allowWeaker: ['memory', 'processes', 'cpu', 'uid', 'groups'] };
