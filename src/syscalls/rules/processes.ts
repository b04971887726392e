import type { ArgumentCondition, SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

const CLONE_THREAD = 0x00010000;

/** CLONE_NEWTIME is not here: in clone() its bit belongs to the exit signal, so that it cannot be asked for. */
const CLONE_NAMESPACES =
  0x00020000 | // CLONE_NEWNS
  0x02000000 | // CLONE_NEWCGROUP
  0x04000000 | // CLONE_NEWUTS
  0x08000000 | // CLONE_NEWIPC
  0x10000000 | // CLONE_NEWUSER
  0x20000000 | // CLONE_NEWPID
  0x40000000; // CLONE_NEWNET

const CLONE_PARENT = 0x00008000;
const CLONE_TRACED = 0x00002000 | 0x00800000; // CLONE_PTRACE | CLONE_UNTRACED

const SCHED_RESET_ON_FORK = 0x40000000;
const ORDINARY_CLASSES = [0, 3, 5]; // SCHED_OTHER, SCHED_BATCH, SCHED_IDLE

// arch_prctl
const ARCH_REGISTERS = [0x1001, 0x1002, 0x1003, 0x1004]; // ARCH_SET_GS, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS
const ARCH_XCOMP = [0x1021, 0x1022, 0x1023]; // ARCH_GET_XCOMP_SUPP, ARCH_GET_XCOMP_PERM, ARCH_REQ_XCOMP_PERM
const ARCH_SHADOW_STACK = [0x5001, 0x5002, 0x5003, 0x5005]; // enable, disable, lock, status

const RLIMIT_CORE = 4;
/** A limit of 1 is the kernel's own sign for that, and only it keeps a handler in core_pattern from being run, as root. */
const CORE_STAYS = "a crash must not wake the host's core dump handler";

/** A clone that makes a process instead of a thread. */
export const CLONE_OF_PROCESS: ArgumentCondition = { argument: 0, noBits: CLONE_THREAD };

/** Processes and threads: how many is the processes layer's business. */
export const PROCESSES: readonly SyscallRule[] = [
  refuse('clone3', 'ENOSYS', 'flags lie behind a pointer that BPF cannot read; libc falls back to clone'),
  refuse('clone', 'EPERM', 'a namespace of its own gives back capabilities', [
    { argument: 0, anyBits: CLONE_NAMESPACES },
  ]),
  refuse('clone', 'EPERM', 'a child of the process outside would keep the sandbox from ending', [
    { argument: 0, anyBits: CLONE_PARENT },
  ]),
  refuse('clone', 'EPERM', 'takes part in tracing, which is refused', [{ argument: 0, anyBits: CLONE_TRACED }]),
  allow(['clone', 'fork', 'vfork'], 'processes and threads'),
  allow(['execve', 'execveat'], 'programs'),
  allow(['exit', 'exit_group', 'wait4', 'waitid'], 'ending, and waiting for children'),
  allow(['getpid', 'getppid', 'gettid', 'getpgrp', 'getpgid', 'getsid', 'getcpu'], 'who one is'),
  allow(['setpgid', 'setsid'], 'job control of shells'),

  allow(['futex', 'futex_waitv', 'futex_wake', 'futex_wait', 'futex_requeue'], 'locks'),
  allow(['set_tid_address', 'set_robust_list', 'get_robust_list', 'rseq'], 'set up by libc for every thread'),
  allow('arch_prctl', 'thread-local storage', [{ argument: 0, in: ARCH_REGISTERS }]),
  allow('arch_prctl', 'wide matrix registers, asked for by numeric libraries', [{ argument: 0, in: ARCH_XCOMP }]),
  allow('arch_prctl', 'shadow stacks, set up by libc', [{ argument: 0, in: ARCH_SHADOW_STACK }]),
  refuse('arch_prctl', 'EINVAL', 'what a kernel without the option answers'),
  allow(['uretprobe', 'uprobe'], 'entered when the host measures a program; does nothing otherwise'),

  allow(['sched_yield', 'sched_getaffinity', 'sched_setaffinity'], 'placement of own threads; OpenMP and the JVM'),
  allow(['sched_getscheduler', 'sched_getparam', 'sched_setparam', 'sched_getattr'], 'own scheduling'),
  allow(['sched_get_priority_max', 'sched_get_priority_min', 'sched_rr_get_interval'], 'facts about scheduling'),
  allow('sched_setscheduler', 'ordinary classes', [
    { argument: 1, mask: 0xffffffff - SCHED_RESET_ON_FORK, in: ORDINARY_CLASSES },
  ]),
  refuse(['sched_setscheduler', 'sched_setattr'], 'EPERM', 'a real-time class starves the host'),
  allow(['getpriority', 'setpriority', 'ioprio_get'], 'niceness can only be raised'),
  refuse('ioprio_set', 'EPERM', 'competes with the host for the disk'),

  refuse('prlimit64', 'EPERM', 'limits of another process: a step could end its own init', [
    { argument: 0, notEquals: 0 },
  ]),
  refuse('prlimit64', 'OK', CORE_STAYS, [
    { argument: 1, equals: RLIMIT_CORE },
    { argument: 2, notEquals: 0 },
  ]),
  refuse('setrlimit', 'OK', CORE_STAYS, [{ argument: 0, equals: RLIMIT_CORE }]),
  allow(['prlimit64', 'getrlimit', 'setrlimit', 'getrusage', 'times'], 'own limits and usage'),
  allow(['uname', 'sysinfo', 'getrandom'], 'facts, and random numbers'),
];
