import type { SyscallRule } from '../types.js';
import { allow } from './vocabulary.js';

/** Signals: the pid namespace bounds whom they reach. */
export const SIGNALS: readonly SyscallRule[] = [
  allow(['rt_sigaction', 'rt_sigprocmask', 'rt_sigreturn', 'sigaltstack', 'restart_syscall'], 'handling signals'),
  allow(['rt_sigpending', 'rt_sigtimedwait', 'rt_sigsuspend', 'pause'], 'waiting for signals'),
  allow(['signalfd', 'signalfd4'], 'signals in an event loop'),
  allow(
    ['kill', 'tkill', 'tgkill', 'rt_sigqueueinfo', 'rt_tgsigqueueinfo'],
    'sending them to processes of the sandbox',
  ),
  allow(['pidfd_open', 'pidfd_send_signal'], 'the same without a race; Python and Go use it'),
];
