import type { SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const TIOCSETD = 0x5423;

/** SIOCGIFBR, SIOCGIFVLAN, and with the lowest bit set SIOCSIFBR, SIOCSIFVLAN; those of newer tools follow the first. */
const OF_BRIDGES = [0x8940, 0x8982, 0x89a0, 0x89a2];

/** Requests that our own code never makes either. */
export const DANGEROUS_REQUESTS: readonly number[] = [TIOCSTI, TIOCLINUX, TIOCSETD];

/** FS_IOC_RESVSP, UNRESVSP, both with 64 bits, and ZERO_RANGE: what fallocate does, asked for in another way. */
const RESERVATIONS = [0x40305828, 0x40305829, 0x4030582a, 0x4030582b, 0x40305839];

/** ioctl: the kernel reads 32 bits of the request, so that garbage above must not make it look like another one. */
export const TERMINAL: readonly SyscallRule[] = [
  refuse('ioctl', 'EPERM', 'types into the terminal of whoever started the app', [
    { argument: 1, in: [TIOCSTI, TIOCLINUX] },
  ]),
  refuse('ioctl', 'EPERM', 'loads line disciplines, which are kernel modules with a history', [
    { argument: 1, equals: TIOCSETD },
  ]),
  refuse('ioctl', 'ENOTTY', 'loads kernel modules for whoever asks; no program in a sandbox makes a bridge', [
    { argument: 1, mask: 0xfffffffe, in: OF_BRIDGES },
  ]),
  refuse('ioctl', 'ENOTTY', 'takes blocks beyond the limit of file sizes; fallocate is for that, where it is bounded', [
    { argument: 1, in: RESERVATIONS },
  ]),
  allow('ioctl', 'terminals, pipes and sockets; there is no other device in a sandbox'),
];
