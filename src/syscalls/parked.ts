import type { ArgumentIndex } from './types.js';

/** What a step that waits for its job still does after `step` is installed. A policy must allow it. */
export interface ParkedCall {
  readonly name: string;
  readonly reason: string;
  /** Arguments that are known; with any other value of the rest the call must be allowed, too. */
  readonly with?: Readonly<Partial<Record<ArgumentIndex, bigint>>>;
}

/** Both C libraries are here: one opens by `open` and `fcntl`, the other by `openat`. */
export const PARKED: readonly ParkedCall[] = [
  { name: 'prctl', reason: 'reports its securebits', with: { 0: 27n } },
  { name: 'sendmsg', reason: 'reports that it is ready, or why it cannot start' },
  { name: 'recvmsg', reason: 'receives its job' },
  { name: 'read', reason: 'receives its job' },
  { name: 'write', reason: 'reports a failed start' },
  { name: 'mmap', reason: 'reads a long job', with: { 0: 0n, 2: 1n, 3: 0x02n } },
  { name: 'mmap', reason: 'allocates its argument list', with: { 0: 0n, 2: 3n, 3: 0x22n } },
  { name: 'mprotect', reason: 'allocates its argument list', with: { 2: 3n } },
  { name: 'munmap', reason: 'allocates its argument list' },
  { name: 'brk', reason: 'allocates its argument list' },
  // For reading and writing, with O_CLOEXEC; one of the libraries adds O_LARGEFILE.
  ...[0x80002n, 0x88002n].flatMap((flags) => [
    { name: 'open', reason: 'opens /dev/null for a stream that is not wanted', with: { 1: flags, 2: 0n } },
    { name: 'openat', reason: 'opens /dev/null for a stream that is not wanted', with: { 2: flags, 3: 0n } },
  ]),
  { name: 'fcntl', reason: 'places stdin, stdout and stderr', with: { 1: 1030n } },
  { name: 'fcntl', reason: 'opens /dev/null for a stream that is not wanted', with: { 1: 2n } },
  { name: 'dup2', reason: 'places stdin, stdout and stderr' },
  { name: 'dup3', reason: 'places stdin, stdout and stderr' },
  { name: 'close', reason: 'closes what the program must not inherit' },
  { name: 'close_range', reason: 'closes what the program must not inherit' },
  // RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_NOFILE
  ...[0n, 1n, 6n, 7n].map((resource) => ({
    name: 'prlimit64',
    reason: 'sets the limits of its job',
    with: { 0: 0n, 1: resource },
  })),
  { name: 'chdir', reason: 'enters the working directory' },
  { name: 'umask', reason: 'sets the file mode mask' },
  { name: 'getpid', reason: 'names itself' },
  { name: 'execve', reason: 'starts the program' },
  { name: 'exit_group', reason: 'ends after a failed start' },
];

/** And what it does besides to get a terminal. */
export const PARKED_WITH_TERMINAL: readonly ParkedCall[] = [
  { name: 'open', reason: 'opens a terminal', with: { 2: 0n } },
  { name: 'openat', reason: 'opens a terminal', with: { 3: 0n } },
  // TIOCSPTLCK, TIOCGPTPEER, TIOCSWINSZ; TCGETS, TCSETS, and by newer C libraries TCGETS2, TCSETS2
  ...[0x40045431n, 0x5441n, 0x5414n, 0x5401n, 0x5402n, 0x802c542an, 0x402c542bn].map((request) => ({
    name: 'ioctl',
    reason: 'opens a terminal',
    with: { 1: request },
  })),
];
