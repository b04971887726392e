import type { SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

export const MAP_HUGETLB = 0x40000;
export const MFD_HUGETLB = 4;
const SHM_HUGETLB = 0o4000;
export const MADV_MERGEABLE = 12;
const HUGE = 'huge pages are set aside by the host for its own programs, and no memory limit counts them';

/** Memory of the process itself; how much is the memory layer's business. */
export const MEMORY: readonly SyscallRule[] = [
  refuse('mmap', 'ENOMEM', HUGE, [{ argument: 3, width: 64, anyBits: MAP_HUGETLB }]),
  refuse('memfd_create', 'EINVAL', HUGE, [{ argument: 1, anyBits: MFD_HUGETLB }]),
  refuse('shmget', 'EPERM', HUGE, [{ argument: 2, anyBits: SHM_HUGETLB }]),
  refuse('madvise', 'EINVAL', 'merged pages tell what others hold in memory', [
    { argument: 2, equals: MADV_MERGEABLE },
  ]),
  allow(['mmap', 'munmap', 'mremap', 'brk'], 'memory'),
  allow(
    ['mprotect', 'pkey_mprotect', 'pkey_alloc', 'pkey_free'],
    'protection; JIT compilers need write and execute in turn',
  ),
  allow(['madvise', 'mincore'], 'hints; every allocator gives them'),
  allow(['mlock', 'mlock2', 'mlockall', 'munlock', 'munlockall'], 'bounded by RLIMIT_MEMLOCK; key handling code'),
  allow('memfd_create', 'anonymous files; counted by the memory layer'),
  allow('membarrier', 'cheap barriers; the JVM, Go and liburcu'),
  allow(['mseal', 'map_shadow_stack'], 'hardening of the process against itself'),
  allow('get_mempolicy', 'asked by numpy, the JVM and numactl; answers about the process itself'),
  refuse(
    ['set_mempolicy', 'mbind', 'set_mempolicy_home_node', 'migrate_pages', 'move_pages'],
    'EPERM',
    'moves load between memory nodes of the host; libraries go on without',
  ),
  refuse('remap_file_pages', 'EPERM', 'emulated by the kernel, used by nothing of today'),
  refuse(['process_madvise', 'process_mrelease'], 'EPERM', 'acts on the memory of another process'),
  refuse('memfd_secret', 'EPERM', 'memory that the host cannot look into; none needs it here'),
  refuse('userfaultfd', 'EPERM', 'lets a step stop the kernel in the middle of a copy: the tool of many exploits'),
];
