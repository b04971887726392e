import type { SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

/** Time: reading it and waiting for it, never setting it. */
export const TIME: readonly SyscallRule[] = [
  allow(['clock_gettime', 'clock_getres', 'gettimeofday', 'time'], 'what time it is'),
  allow(['nanosleep', 'clock_nanosleep', 'alarm', 'getitimer', 'setitimer'], 'waiting'),
  allow(['timer_create', 'timer_settime', 'timer_gettime', 'timer_getoverrun', 'timer_delete'], 'timers'),
  allow(['timerfd_create', 'timerfd_settime', 'timerfd_gettime'], 'timers in an event loop'),
  refuse(['settimeofday', 'clock_settime', 'adjtimex', 'clock_adjtime'], 'EPERM', 'the clock is the host’s'),
];
