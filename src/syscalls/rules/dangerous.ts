import type { SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

const PER_LINUX = 0;
const PERSONALITY_QUERY = 0xffffffff;

/** Calls that no step needs and that lead out of the sandbox, or into code of the kernel with a history. */
export const DANGEROUS: readonly SyscallRule[] = [
  refuse('ptrace', 'EPERM', 'would reach into another process of the step'),
  refuse(['process_vm_readv', 'process_vm_writev', 'kcmp', 'pidfd_getfd'], 'EPERM', 'reaches into another process'),
  refuse(['bpf', 'perf_event_open'], 'EPERM', 'programs in the kernel, and what it measures of others'),
  refuse(['keyctl', 'add_key', 'request_key'], 'EPERM', 'keyrings belong to no namespace'),
  refuse(['unshare', 'setns'], 'EPERM', 'a namespace of its own gives back capabilities'),
  refuse(['mount', 'umount2', 'pivot_root', 'chroot'], 'EPERM', 'the mount tree is part of the confinement'),
  refuse(
    ['open_tree', 'open_tree_attr', 'move_mount', 'mount_setattr', 'fsopen', 'fsconfig', 'fsmount', 'fspick'],
    'EPERM',
    'the mount tree is part of the confinement',
  ),
  refuse(['statmount', 'listmount'], 'ENOSYS', 'tells the mounts of the host; callers read /proc/self/mountinfo'),
  refuse(['open_by_handle_at', 'name_to_handle_at'], 'EPERM', 'opens files by number, around the mount tree'),
  refuse(['init_module', 'finit_module', 'delete_module'], 'EPERM', 'kernel modules'),
  refuse(['kexec_load', 'kexec_file_load', 'reboot'], 'EPERM', 'the machine itself'),
  refuse(['swapon', 'swapoff', 'acct', 'quotactl', 'quotactl_fd'], 'EPERM', 'administration of the host'),
  refuse(['sethostname', 'setdomainname', 'syslog', 'vhangup'], 'EPERM', 'administration of the host'),
  refuse(['iopl', 'ioperm', 'modify_ldt'], 'EPERM', 'hardware, and processor state of long ago'),
  refuse(['fanotify_init', 'fanotify_mark'], 'EPERM', 'watches whole file systems'),
  refuse('vmsplice', 'EPERM', 'maps pages into pipes: a history of escalations, and hardly a user'),
  refuse(
    ['lsm_get_self_attr', 'lsm_set_self_attr', 'lsm_list_modules'],
    'ENOSYS',
    'what protects the host is not shown',
  ),
  allow('personality', 'the ordinary one, and the question which it is', [
    { argument: 0, in: [PER_LINUX, PERSONALITY_QUERY] },
  ]),
  refuse('personality', 'EPERM', 'turns off protection of memory'),
];

/** Calls that a kernel of today does not have, or keeps for nobody. */
export const GONE: readonly SyscallRule[] = [
  refuse(
    [
      ...['_sysctl', 'afs_syscall', 'create_module', 'epoll_ctl_old', 'epoll_wait_old', 'get_kernel_syms', 'getpmsg'],
      ...['get_thread_area', 'lookup_dcookie', 'nfsservctl', 'putpmsg', 'query_module', 'security', 'set_thread_area'],
      ...['sysfs', 'tuxcall', 'uselib', 'ustat', 'vserver'],
    ],
    'ENOSYS',
    'no program of today calls it',
  ),
];
