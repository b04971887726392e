import { CLONE_OF_PROCESS } from '../rules/processes.js';
import { refuse } from '../rules/vocabulary.js';
import type { SyscallPolicy } from '../types.js';

const QUESTIONS_TO_DESCRIPTORS = [
  0x5401, // TCGETS: is it a terminal
  0x802c542a, // TCGETS2: the same by newer C libraries
  0x5413, // TIOCGWINSZ: how large is it
  0x541b, // FIONREAD: how much is there to read
  0x5421, // FIONBIO: libuv
  0x5450, // FIONCLEX
  0x5451, // FIOCLEX: libuv and Python
];

const PR_SET_SECCOMP = 22;

/**
 * Compute only: one program with threads, its files and its pipes. `execve` stays allowed because the step itself
 * starts by it and the kernel cannot tell the first from the second; without `fork` it can only replace the program.
 */
export const STRICT: SyscallPolicy = {
  extends: 'default',
  rules: [
    refuse(['fork', 'vfork'], 'EPERM', 'compute only: one process'),
    refuse('clone', 'EPERM', 'compute only: threads, no further process', [CLONE_OF_PROCESS]),
    refuse('execveat', 'EPERM', 'compute only: executes programs that have no path'),
    refuse(['socket', 'bind', 'connect', 'listen', 'accept', 'accept4'], 'EPERM', 'compute only: no network'),
    refuse(['inotify_init', 'inotify_init1', 'inotify_add_watch', 'inotify_rm_watch'], 'ENOSYS', 'compute only'),
    refuse(['shmget', 'shmat', 'shmdt', 'shmctl'], 'ENOSYS', 'compute only: nobody to share with'),
    refuse(['semget', 'semop', 'semtimedop', 'semctl'], 'ENOSYS', 'compute only: nobody to share with'),
    refuse(['msgget', 'msgsnd', 'msgrcv', 'msgctl'], 'ENOSYS', 'compute only: nobody to talk to'),
    refuse(
      ['mq_open', 'mq_unlink', 'mq_timedsend', 'mq_timedreceive', 'mq_notify', 'mq_getsetattr'],
      'ENOSYS',
      'compute only: nobody to talk to',
    ),
    refuse('memfd_create', 'ENOSYS', 'compute only: a file that is in no mount tree'),
    refuse(['pidfd_open', 'pidfd_send_signal'], 'ENOSYS', 'compute only: no other process'),
    refuse(['mknod', 'mknodat'], 'EPERM', 'compute only: regular files and directories'),
    refuse('ioctl', 'ENOTTY', 'compute only: what is asked of every descriptor, and nothing else', [
      { argument: 1, notIn: QUESTIONS_TO_DESCRIPTORS },
    ]),
    refuse('prctl', 'EPERM', 'compute only: no program for the kernel', [{ argument: 0, equals: PR_SET_SECCOMP }]),
    refuse('seccomp', 'EPERM', 'compute only: no program for the kernel'),
    refuse(['sched_setscheduler', 'setpriority'], 'EPERM', 'compute only: scheduling is the host’s'),
    refuse('personality', 'EPERM', 'compute only: it stays as it is'),
  ],
};
