import type { SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

const OWN_STATE = [
  1, // PR_SET_PDEATHSIG: multiprocessing and shells tie children to themselves
  2, // PR_GET_PDEATHSIG
  3, // PR_GET_DUMPABLE
  4, // PR_SET_DUMPABLE: key handling programs turn it off
  7, // PR_GET_KEEPCAPS
  8, // PR_SET_KEEPCAPS: there is nothing to keep
  15, // PR_SET_NAME: names of threads
  16, // PR_GET_NAME
  21, // PR_GET_SECCOMP
  22, // PR_SET_SECCOMP: filters only ever add up
  23, // PR_CAPBSET_READ: programs ask what they could have
  25, // PR_GET_TSC
  27, // PR_GET_SECUREBITS
  29, // PR_SET_TIMERSLACK
  30, // PR_GET_TIMERSLACK
  36, // PR_SET_CHILD_SUBREAPER: init remains above it
  37, // PR_GET_CHILD_SUBREAPER
  38, // PR_SET_NO_NEW_PRIVS
  39, // PR_GET_NO_NEW_PRIVS
  40, // PR_GET_TID_ADDRESS
  41, // PR_SET_THP_DISABLE: Redis and Go
  42, // PR_GET_THP_DISABLE
  50, // PR_SVE_SET_VL: vector length on arm
  51, // PR_SVE_GET_VL
  52, // PR_GET_SPECULATION_CTRL
  54, // PR_PAC_RESET_KEYS: pointer keys on arm
  55, // PR_SET_TAGGED_ADDR_CTRL: memory tags on arm
  56, // PR_GET_TAGGED_ADDR_CTRL
  60, // PR_PAC_SET_ENABLED_KEYS
  61, // PR_PAC_GET_ENABLED_KEYS
  63, // PR_SME_SET_VL
  64, // PR_SME_GET_VL
  65, // PR_SET_MDWE: no memory that was writable becomes executable
  66, // PR_GET_MDWE
  68, // PR_GET_MEMORY_MERGE
  74, // PR_GET_SHADOW_STACK_STATUS
  75, // PR_SET_SHADOW_STACK_STATUS
  76, // PR_LOCK_SHADOW_STACK_STATUS
  0x41555856, // PR_GET_AUXV
];

const DANGEROUS = [
  24, // PR_CAPBSET_DROP: has been done
  26, // PR_SET_TSC
  28, // PR_SET_SECUREBITS: locked
  35, // PR_SET_MM: rewrites what /proc says about the process
  47, // PR_CAP_AMBIENT, but for the question below
  53, // PR_SET_SPECULATION_CTRL: would undo what was set for it
  59, // PR_SET_SYSCALL_USER_DISPATCH
  62, // PR_SCHED_CORE: the spawner's business
  67, // PR_SET_MEMORY_MERGE: merged pages tell what others hold in memory
  0x59616d61, // PR_SET_PTRACER
];

const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_IS_SET = 1;
const PR_SET_VMA = 0x53564d41;
const PR_SET_VMA_ANON_NAME = 0;

/** prctl: a list of what is known to be harmless. */
export const PRCTL: readonly SyscallRule[] = [
  allow('prctl', 'state of the process itself', [{ argument: 0, in: OWN_STATE }]),
  allow('prctl', 'asks which capabilities would survive', [
    { argument: 0, equals: PR_CAP_AMBIENT },
    { argument: 1, equals: PR_CAP_AMBIENT_IS_SET },
  ]),
  allow('prctl', 'names of memory areas; Android and Rust runtimes, the JVM', [
    { argument: 0, equals: PR_SET_VMA },
    { argument: 1, equals: PR_SET_VMA_ANON_NAME },
  ]),
  refuse('prctl', 'EPERM', 'weakens the confinement, or looks beyond the process', [{ argument: 0, in: DANGEROUS }]),
  refuse('prctl', 'EINVAL', 'what a kernel without the option answers'),
];
