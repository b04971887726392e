/** What a filter may return: an action in the upper half, data in the lower. */
export const SECCOMP_RET = {
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0x00000000,
  TRAP: 0x00030000,
  ERRNO: 0x00050000,
  USER_NOTIF: 0x7fc00000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
} as const;

const ACTION = 0xffff0000;

/** The kernel compares actions as signed numbers and takes the smallest; of equal ones, that of the filter installed later. */
export function combine(earlier: number, later: number): number {
  return (earlier & ACTION) < (later & ACTION) ? earlier : later;
}

/** Where the parts of `struct seccomp_data` are, on a little-endian machine. */
export const SECCOMP_DATA = {
  nr: 0,
  arch: 4,
  instructionPointer: 8,
  size: 64,
} as const;

/** The offset of the lower half of an argument; the upper one follows. */
export function argumentOffset(argument: number): number {
  return 16 + 8 * argument;
}
