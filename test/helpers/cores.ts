import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** PR_SCHED_CORE_GET of any process, by Python: 0 is none. */
const ASK = `
import ctypes, sys
cookie = ctypes.c_ulonglong()
libc = ctypes.CDLL(None, use_errno=True)
for pid in sys.argv[1:]:
    if libc.prctl(62, 0, int(pid), 0, ctypes.byref(cookie)): sys.exit(f'{pid}: {ctypes.get_errno()}')
    print(cookie.value)`;

/** The core-scheduling cookies of processes, as the kernel tells them to this one; processes with the same may share a core. */
export function cookiesOf(...pids: readonly number[]): readonly string[] {
  return execFileSync('python3', ['-c', ASK, ...pids.map(String)], { encoding: 'utf8' })
    .trim()
    .split('\n');
}

/** Whether cores have second threads here, as the kernel says. */
export function areCoresShared(): boolean {
  return readFileSync('/sys/devices/system/cpu/smt/active', 'utf8').trim() === '1';
}
