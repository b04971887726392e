import type { SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

/** Waiting for descriptors: what every event loop does. */
export const WAITING: readonly SyscallRule[] = [
  allow(['poll', 'ppoll', 'select', 'pselect6'], 'waiting for descriptors'),
  allow(['epoll_create', 'epoll_create1', 'epoll_ctl'], 'event loops: libuv, Go, the JVM'),
  allow(['epoll_wait', 'epoll_pwait', 'epoll_pwait2'], 'event loops: libuv, Go, the JVM'),
  allow(['eventfd', 'eventfd2', 'pipe', 'pipe2'], 'waking a loop, talking to a child'),
  refuse(
    ['io_uring_setup', 'io_uring_enter', 'io_uring_register'],
    'ENOSYS',
    'executes calls that no filter sees; libuv and others fall back',
  ),
  refuse(
    ['io_setup', 'io_destroy', 'io_submit', 'io_cancel', 'io_getevents', 'io_pgetevents'],
    'ENOSYS',
    'its requests are counted for the whole host (fs.aio-max-nr); databases fall back',
  ),
];
