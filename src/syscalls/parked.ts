import type { ArgumentIndex } from './types.js';

/** What a step that waits for its job still does after `step` is installed. A policy must allow it. */
export interface ParkedCall {
  readonly name: string;
  readonly reason: string;
  /** Arguments that are known; with any other value of the rest the call must be allowed, too. */
  readonly with?: Readonly<Partial<Record<ArgumentIndex, bigint>>>;
}

export const PARKED: readonly ParkedCall[] = [
  { name: 'recvmsg', reason: 'receives its job' },
  { name: 'sendmsg', reason: 'reports a failed start' },
  { name: 'read', reason: 'receives its job' },
  { name: 'write', reason: 'reports a failed start' },
  { name: 'openat', reason: 'opens /dev/null for a stream that is not wanted', with: { 3: 0n } },
  { name: 'dup2', reason: 'places stdin, stdout and stderr' },
  { name: 'dup3', reason: 'places stdin, stdout and stderr' },
  { name: 'close', reason: 'closes what the program must not inherit' },
  { name: 'close_range', reason: 'closes what the program must not inherit' },
  { name: 'prlimit64', reason: 'sets the limits of its job', with: { 0: 0n } },
  { name: 'chdir', reason: 'enters the working directory' },
  { name: 'umask', reason: 'sets the file mode mask' },
  { name: 'getpid', reason: 'names itself' },
  { name: 'execve', reason: 'starts the program' },
  { name: 'exit_group', reason: 'ends after a failed start' },
];
