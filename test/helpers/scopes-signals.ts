import { execFileSync } from 'node:child_process';

const SCOPING = 6;
const ASKS_VERSION = 'import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))';

/** Whether no signal of a step leaves its Landlock domain: since Linux 6.12. Before it, identities alone decide. */
export const scopesSignals = Number(execFileSync('python3', ['-c', ASKS_VERSION], { encoding: 'utf8' })) >= SCOPING;
