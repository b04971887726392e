import type { SyscallRule } from '../types.js';
import { allow } from './vocabulary.js';

/** Shared memory, semaphores and queues: the ipc namespace is the sandbox's own. */
export const EXCHANGE: readonly SyscallRule[] = [
  allow(['shmget', 'shmat', 'shmdt', 'shmctl'], 'SysV shared memory; PostgreSQL and X programs'),
  allow(['semget', 'semop', 'semtimedop', 'semctl'], 'SysV semaphores'),
  allow(['msgget', 'msgsnd', 'msgrcv', 'msgctl'], 'SysV message queues'),
  allow(['mq_open', 'mq_unlink', 'mq_timedsend', 'mq_timedreceive', 'mq_notify', 'mq_getsetattr'], 'POSIX queues'),
];
