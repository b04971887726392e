import type { SyscallPolicy } from '../types.js';
import { DANGEROUS, GONE } from '../rules/dangerous.js';
import { EXCHANGE } from '../rules/exchange.js';
import { FILES } from '../rules/files.js';
import { IDENTITY } from '../rules/identity.js';
import { MEMORY } from '../rules/memory.js';
import { NETWORK } from '../rules/network.js';
import { PRCTL } from '../rules/prctl.js';
import { PROCESSES } from '../rules/processes.js';
import { SELF_RESTRICTION } from '../rules/self-restriction.js';
import { SIGNALS } from '../rules/signals.js';
import { TERMINAL } from '../rules/terminal.js';
import { TIME } from '../rules/time.js';
import { WAITING } from '../rules/waiting.js';

/** Everything that real programs need: Python, Node, Go, Java, compilers, git, databases, shells. */
export const DEFAULT: SyscallPolicy = {
  rules: [
    ...FILES,
    ...WAITING,
    ...MEMORY,
    ...PROCESSES,
    ...SIGNALS,
    ...TIME,
    ...NETWORK,
    ...EXCHANGE,
    ...TERMINAL,
    ...IDENTITY,
    ...PRCTL,
    ...SELF_RESTRICTION,
    ...DANGEROUS,
    ...GONE,
  ],
  otherwise: { verdict: 'errno', errno: 'ENOSYS', reason: 'unknown to this version; libc falls back to older calls' },
};
