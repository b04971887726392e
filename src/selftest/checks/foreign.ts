import type { Check } from '../check.js';
import { notEntered } from '../judge.js';

/** By the numbers of i386, whose entry every processor of today still has; each with arguments that change nothing. */
const I386: Readonly<Record<string, readonly [number: number, ...parameters: number[]]>> = {
  getpid: [20],
  ptrace: [26, 0x4206, 0, 0, 0],
  mount: [21, 8, 8, 8, 0, 0],
  reboot: [88, 1, 2, 3, 0],
  socketcall: [102, 99, 8],
  ipc: [117, 99],
  init_module: [128, 8, 1, 8],
  personality: [136, 0xffffffff],
  modify_ldt: [123, 9, 8, 0],
  kexec_load: [283, 0, 17, 8, 0xffff],
  add_key: [286, 8, 8, 0, 0, 0xfffffffe],
  keyctl: [288, 0xff],
  unshare: [310, 0x1],
  perf_event_open: [336, 8, 0, 0xffffffff, 0xffffffff, 0],
  open_by_handle_at: [342, 0xffffff9c, 8, 0],
  setns: [346, 0xffffffff, 0],
  process_vm_readv: [347, 0, 8, 1, 8, 1],
  bpf: [357, 0, 8, 64],
  userfaultfd: [374, 0xff],
  io_uring_setup: [425, 0, 8],
  clone3: [435, 8, 64],
};

/** By the bit of x32, which a filter that looks at numbers only does not know; the names are the native ones'. */
const X32: Readonly<Record<string, readonly number[]>> = {
  getpid: [],
  ptrace: [0x4206, 0, 0, 0],
  mount: [8, 8, 8, 0, 0],
  unshare: [0x1],
  setns: [-1, 0],
  keyctl: [0xff],
  bpf: [0, 8, 64],
  perf_event_open: [8, 0, -1, -1, 0],
  userfaultfd: [0xff],
  io_uring_setup: [0, 8],
  reboot: [1, 2, 3, 0],
  init_module: [8, 1, 8],
  open_by_handle_at: [-100, 8, 0],
  pivot_root: [8, 8],
  personality: [0xffffffff],
};

/** The same calls by other doors. */
export const FOREIGN: readonly Check[] = [
  ...Object.entries(I386).map(([name, parameters]): Check => ({
    group: 'foreign calls',
    id: `i386-${name}`,
    title: `makes the call ${name} of i386, by int 0x80`,
    operation: ['i386', ...parameters],
    judge: notEntered,
  })),
  ...Object.entries(X32).map(([name, parameters]): Check => ({
    group: 'foreign calls',
    id: `x32-${name}`,
    title: `makes the call ${name} of x32`,
    operation: ['x32', name, ...parameters],
    judge: notEntered,
  })),
];
