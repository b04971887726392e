import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explain, nameOfCall, resolveSyscalls } from '#src/syscalls/index.js';
import type { SyscallPreset } from '#src/syscalls/index.js';

type Case = readonly [call: string, args: readonly (number | bigint)[], expected: string, preset?: SyscallPreset];

const GARBAGE = 0xdeadbeef00000000n;
const SIGCHLD = 17;
const THREAD = 0x003d0f00; // what libc passes for a thread

const CASES: Readonly<Record<string, readonly Case[]>> = {
  'clone makes processes and threads, no namespaces': [
    ['clone', [SIGCHLD], 'allow'],
    ['clone', [0x01200000 | SIGCHLD], 'allow'],
    ['clone', [THREAD], 'allow'],
    ...[0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000].flatMap((flag): Case[] => [
      ['clone', [flag | SIGCHLD], 'EPERM'],
      ['clone', [GARBAGE | BigInt(flag)], 'EPERM'],
    ]),
    ['clone', [0x8000 | SIGCHLD], 'EPERM'],
    ['clone', [0x2000 | SIGCHLD], 'EPERM'],
    ['clone', [0x800000 | SIGCHLD], 'EPERM'],
    ['clone3', [], 'ENOSYS'],
    ['unshare', [0x10000000], 'EPERM'],
  ],
  'set-id bits are refused wherever a mode is given': [
    ...[0o4755, 0o2755, 0o6000].flatMap((mode): Case[] => [
      ['chmod', [0, mode], 'EPERM'],
      ['fchmod', [3, GARBAGE | BigInt(mode)], 'EPERM'],
      ['fchmodat', [3, 0, mode], 'EPERM'],
      ['fchmodat2', [3, 0, mode, 0], 'EPERM'],
      ['creat', [0, mode], 'EPERM'],
      ['mkdir', [0, mode], 'EPERM'],
      ['mkdirat', [3, 0, mode], 'EPERM'],
      ['mknod', [0, 0o100000 | mode, 0], 'EPERM'],
      ['mknodat', [3, 0, 0o100000 | mode, 0], 'EPERM'],
      ['open', [0, 0o101, mode], 'EPERM'],
      ['openat', [3, 0, 0o20200001, mode], 'EPERM'],
      ['open', [0, 0, mode], 'allow'],
      ['openat', [3, 0, 0, mode], 'allow'],
    ]),
    ['chmod', [0, 0o1777], 'allow'],
    ['open', [0, 0o101, 0o644], 'allow'],
    ['openat', [3, 0, 0o101, 0o644], 'allow'],
    ['openat2', [3, 0, 0, 24], 'ENOSYS'],
  ],
  'no blocks beyond the size of a file': [
    ['fallocate', [3, 0, 0, 4096], 'allow'],
    ['fallocate', [3, 3, 0, 4096], 'allow'],
    ['fallocate', [3, GARBAGE | 3n, 0, 4096], 'allow'],
    ...[0x01, 0x02, 0x08, 0x10, 0x11, 0x20, 0x40].flatMap((mode): Case[] => [
      ['fallocate', [3, mode, 0, 4096], 'EOPNOTSUPP'],
      ['fallocate', [3, GARBAGE | BigInt(mode), 0, 4096], 'EOPNOTSUPP'],
    ]),
  ],
  'no device nodes': [
    ['mknod', [0, 0o020666, 259], 'EPERM'],
    ['mknodat', [3, 0, 0o060666, 259], 'EPERM'],
    ['mknod', [0, 0o010600, 0], 'allow'],
    ['mknodat', [3, 0, 0o140600, 0], 'allow'],
    ['mknod', [0, 0o644, 0], 'allow'],
  ],
  'nothing is typed into terminals, whatever the upper half says': [
    ['ioctl', [0, 0x5412, 0], 'EPERM'],
    ['ioctl', [0, GARBAGE | 0x5412n, 0], 'EPERM'],
    ['ioctl', [0, 0x541c, 0], 'EPERM'],
    ['ioctl', [0, 0x5423, 0], 'EPERM'],
    ['ioctl', [0, 0x5401, 0], 'allow'],
  ],
  'nothing loads a kernel module or a cipher through a socket': [
    ['ioctl', [0, 0x8940, 0], 'ENOTTY'],
    ['ioctl', [0, GARBAGE | 0x8982n, 0], 'ENOTTY'],
    ['ioctl', [0, 0x89a0, 0], 'ENOTTY'],
    ['ioctl', [0, 0x8912, 0], 'allow'],
    ['setsockopt', [0, 6, 14, 0, 0], 'ENOPROTOOPT'],
    ['setsockopt', [0, 6, GARBAGE | 38n, 0, 0], 'ENOPROTOOPT'],
    ['setsockopt', [0, 6, 1, 0, 0], 'allow'],
    ['setsockopt', [0, 1, 14, 0, 0], 'allow'],
  ],
  'only own limits': [
    ['prlimit64', [0, 7, 0, 0], 'allow'],
    ['prlimit64', [GARBAGE, 7, 0, 0], 'allow'],
    ['prlimit64', [1, 0, 1, 0], 'EPERM'],
    ['prlimit64', [GARBAGE | 1n, 0, 1, 0], 'EPERM'],
  ],
  'ordinary sockets': [
    ['socket', [1, 1, 0], 'allow'],
    ['socket', [2, 0x80001, 6], 'allow'],
    ['socket', [10, 0x80802, 17], 'allow'],
    ['socket', [2, 3, 1], 'EPERM'],
    ['socket', [2, 0x80003, 255], 'EPERM'],
    ['socket', [2, 10, 0], 'EPERM'],
    ['socket', [2, 1, 132], 'EPROTONOSUPPORT'],
    ['socket', [16, 3, 0], 'allow'],
    ['socket', [16, 3, 12], 'EAFNOSUPPORT'],
    ...[0, 3, 15, 17, 29, 31, 38, 40, 44].map((family): Case => ['socket', [family, 1, 0], 'EAFNOSUPPORT']),
    ['socket', [GARBAGE | 38n, 5, 0], 'EAFNOSUPPORT'],
    ['socketpair', [1, 1, 0], 'allow'],
    ['socketpair', [30, 1, 0], 'EAFNOSUPPORT'],
    ['setsockopt', [3, 6, 31], 'ENOPROTOOPT'],
    ['setsockopt', [3, 6, 1], 'allow'],
  ],
  'a process may restrict itself': [
    ['seccomp', [1, 0], 'allow'],
    ['seccomp', [1, 8], 'EPERM'],
    ['seccomp', [9, 0], 'EINVAL'],
    ['landlock_restrict_self', [3, 0], 'allow'],
    ['prctl', [38, 1], 'allow'],
    ['prctl', [15, 0x7fff00000000n], 'allow'],
    ['prctl', [35, 1], 'EPERM'],
    ['prctl', [28, 0], 'EPERM'],
    ['prctl', [47, 1, 5], 'allow'],
    ['prctl', [47, 2, 5], 'EPERM'],
    ['prctl', [1000], 'EINVAL'],
  ],
  personality: [
    ['personality', [0], 'allow'],
    ['personality', [-1], 'allow'],
    ['personality', [0x40000], 'EPERM'],
    ['personality', [0x40000], 'allow', 'build'],
    ['personality', [0x400000], 'EPERM', 'build'],
    ['personality', [0], 'EPERM', 'strict'],
  ],
  scheduling: [
    ['sched_setscheduler', [0, 0, 0], 'allow'],
    ['sched_setscheduler', [0, 0x40000003, 0], 'allow'],
    ['sched_setscheduler', [0, 1, 0], 'EPERM'],
  ],
  'the well-known ways out': [
    ...['ptrace', 'process_vm_readv', 'kcmp', 'pidfd_getfd', 'bpf', 'perf_event_open', 'userfaultfd', 'keyctl'].map(
      (name): Case => [name, [], 'EPERM'],
    ),
    ...['mount', 'move_mount', 'fsopen', 'setns', 'chroot', 'open_by_handle_at', 'init_module', 'reboot'].map(
      (name): Case => [name, [], 'EPERM'],
    ),
    ...['io_uring_setup', 'io_uring_enter', 'io_uring_register'].map((name): Case => [name, [], 'ENOSYS']),
  ],
  'strict is one process': [
    ['clone', [SIGCHLD], 'EPERM', 'strict'],
    ['clone', [THREAD], 'allow', 'strict'],
    ['clone', [THREAD | 0x10000000], 'EPERM', 'strict'],
    ['fork', [], 'EPERM', 'strict'],
    ['vfork', [], 'EPERM', 'strict'],
    ['execve', [], 'allow', 'strict'],
    ['socket', [1, 1, 0], 'EPERM', 'strict'],
    ['shmget', [], 'ENOSYS', 'strict'],
    ['ioctl', [0, 0x5401], 'allow', 'strict'],
    ['ioctl', [0, 0x5412], 'ENOTTY', 'strict'],
  ],
};

for (const [title, cases] of Object.entries(CASES)) {
  void describe(title, () => {
    for (const [call, args, expected, preset = 'default'] of cases) {
      void test(`${call}(${args.map((value) => `0x${value.toString(16)}`).join(', ')}) in ${preset}: ${expected}`, () => {
        const { verdict, errno, reason } = explain(resolveSyscalls(preset, 'x64'), call, args);
        assert.equal(errno ?? verdict, expected, reason);
      });
    }
  });
}

void test('a call that was ended is named', () => {
  assert.equal(nameOfCall(101, 'x64'), 'ptrace');
  assert.equal(nameOfCall(117, 'arm64'), 'ptrace');
  assert.equal(nameOfCall(9999, 'x64'), undefined);
});
