import type { SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const INTERNET = [AF_INET, AF_INET6];

const TYPE = 0xf; // without SOCK_CLOEXEC and SOCK_NONBLOCK
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const ORDINARY_TYPES = [SOCK_STREAM, SOCK_DGRAM];

const NETLINK_ROUTE = 0;
const ORDINARY_PROTOCOLS = [0, 1, 6, 17, 58]; // any, ICMP echo, TCP, UDP, ICMPv6 echo

const SOL_SOCKET = 1;
/** SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF and _EBPF */
export const SOCKET_PROGRAMS = [26, 50, 51, 52];
const SOL_TCP = 6;
const TCP_ULP = 31;
/** TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_AO_ADD_KEY */
const TCP_SIGNATURES = [14, 32, 38];

const NO_FAMILY =
  'every other family is a kernel module with a history; EAFNOSUPPORT is what a kernel without it answers';

/** Sockets: whom they reach is decided by the net namespace; here only which code of the kernel they reach. */
export const NETWORK: readonly SyscallRule[] = [
  allow('socket', 'talking to processes of the sandbox', [{ argument: 0, equals: AF_UNIX }]),
  allow('socket', 'interfaces and addresses; getaddrinfo and os.networkInterfaces ask', [
    { argument: 0, equals: AF_NETLINK },
    { argument: 2, equals: NETLINK_ROUTE },
  ]),
  refuse('socket', 'EPERM', 'raw packets; the errno is that of a missing capability', [
    { argument: 0, in: INTERNET },
    { argument: 1, mask: TYPE, notIn: ORDINARY_TYPES },
  ]),
  allow('socket', 'TCP, UDP and ping', [
    { argument: 0, in: INTERNET },
    { argument: 2, in: ORDINARY_PROTOCOLS },
  ]),
  refuse('socket', 'EPROTONOSUPPORT', 'loads kernel modules (SCTP, MPTCP and others); Go falls back to TCP', [
    { argument: 0, in: INTERNET },
  ]),
  refuse('socket', 'EAFNOSUPPORT', NO_FAMILY),
  allow('socketpair', 'a pipe in both directions', [{ argument: 0, equals: AF_UNIX }]),
  refuse('socketpair', 'EAFNOSUPPORT', NO_FAMILY),
  allow(['bind', 'connect', 'listen', 'accept', 'accept4', 'shutdown'], 'connections'),
  allow(['getsockname', 'getpeername', 'getsockopt'], 'what a socket is'),
  refuse('setsockopt', 'ENOPROTOOPT', 'loads kernel modules below TCP; TLS libraries do it themselves then', [
    { argument: 1, equals: SOL_TCP },
    { argument: 2, equals: TCP_ULP },
  ]),
  refuse(
    'setsockopt',
    'ENOPROTOOPT',
    'loads ciphers into the kernel, by a name of the caller’s choice; routers use it',
    [
      { argument: 1, equals: SOL_TCP },
      { argument: 2, in: TCP_SIGNATURES },
    ],
  ),
  refuse('setsockopt', 'EPERM', 'programs in the kernel; their memory is counted for the whole host', [
    { argument: 1, equals: SOL_SOCKET },
    { argument: 2, in: SOCKET_PROGRAMS },
  ]),
  allow('setsockopt', 'options; the dangerous ones need a capability that no step has'),
  allow(['sendto', 'recvfrom', 'sendmsg', 'recvmsg', 'sendmmsg', 'recvmmsg'], 'messages'),
];
