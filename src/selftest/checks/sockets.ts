import type { Check, Judge, Operation } from '../check.js';
import { notEntered, refused } from '../judge.js';

const STREAM = 1;
const DATAGRAM = 2;
const RAW = 3;
const SEQPACKET = 5;
const AF_INET = 2;
const AF_NETLINK = 16;

/** Families whose code is there to be attacked; the type with which they come farthest. */
const FAMILIES: Readonly<Record<string, readonly [family: number, type: number, protocol: number]>> = {
  ax25: [3, SEQPACKET, 0],
  ipx: [4, DATAGRAM, 0],
  appletalk: [5, DATAGRAM, 0],
  netrom: [6, SEQPACKET, 0],
  atm: [8, DATAGRAM, 0],
  x25: [9, SEQPACKET, 0],
  rose: [11, SEQPACKET, 0],
  key: [15, RAW, 2],
  packet: [17, RAW, 0],
  econet: [19, DATAGRAM, 0],
  'atm-svc': [20, DATAGRAM, 0],
  rds: [21, SEQPACKET, 0],
  ppp: [24, STREAM, 0],
  llc: [26, STREAM, 0],
  ib: [27, STREAM, 0],
  can: [29, RAW, 1],
  tipc: [30, SEQPACKET, 0],
  bluetooth: [31, RAW, 1],
  rxrpc: [33, DATAGRAM, AF_INET],
  isdn: [34, RAW, 0],
  phonet: [35, DATAGRAM, 0],
  ieee802154: [36, DATAGRAM, 0],
  caif: [37, SEQPACKET, 0],
  alg: [38, SEQPACKET, 0],
  nfc: [39, SEQPACKET, 0],
  vsock: [40, STREAM, 0],
  kcm: [41, DATAGRAM, 0],
  qipcrtr: [42, DATAGRAM, 0],
  smc: [43, STREAM, 0],
  xdp: [44, RAW, 0],
  mctp: [45, DATAGRAM, 0],
};

/** Protocols of netlink besides the one that tells of interfaces. */
const NETLINK: Readonly<Record<string, number>> = {
  usersock: 2,
  diagnosis: 4,
  xfrm: 6,
  selinux: 7,
  iscsi: 8,
  audit: 9,
  'fib-lookup': 10,
  connector: 11,
  netfilter: 12,
  uevent: 15,
  generic: 16,
  'scsi-transport': 18,
  ecryptfs: 19,
  rdma: 20,
  crypto: 21,
};

/** Of the internet's own families. */
const INTERNET: Readonly<Record<string, readonly [title: string, family: number, type: number, protocol: number]>> = {
  raw: ['has raw packets', AF_INET, RAW, 1],
  'raw-v6': ['has raw packets of IPv6', 10, RAW, 58],
  sctp: ['talks SCTP', AF_INET, STREAM, 132],
  dccp: ['talks DCCP', AF_INET, 6, 33],
  mptcp: ['talks TCP by several ways', AF_INET, STREAM, 262],
  'udp-lite': ['talks UDP-Lite', AF_INET, DATAGRAM, 136],
  l2tp: ['makes tunnels', AF_INET, DATAGRAM, 115],
};

/** SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF */
const PROGRAMS: Readonly<Record<string, number>> = { filter: 26, 'reuseport-filter': 51 };

function socket(id: string, title: string, operation: Operation, judge: Judge): Check {
  return { group: 'sockets', id, title, operation, judge };
}

export const SOCKETS: readonly Check[] = [
  ...Object.entries(FAMILIES).map(([name, [family, type, protocol]]) =>
    socket(
      `family-${name}`,
      `has a socket of the family ${name}`,
      ['call', 'socket', family, type, protocol],
      notEntered,
    ),
  ),
  ...Object.entries(NETLINK).map(([name, protocol]) =>
    socket(
      `netlink-${name}`,
      `talks to the kernel by netlink (${name})`,
      ['call', 'socket', AF_NETLINK, RAW, protocol],
      notEntered,
    ),
  ),
  ...Object.entries(INTERNET).map(([name, [title, ...parameters]]) =>
    socket(`internet-${name}`, title, ['call', 'socket', ...parameters], notEntered),
  ),
  ...Object.entries(PROGRAMS).map(([name, option]) =>
    socket(`program-${name}`, `has a program in the kernel at a socket (${name})`, ['socket-program', option], refused),
  ),
  socket('tcp-signature', 'has the kernel load a cipher for TCP', ['tcp-signature'], refused),
  socket('tcp-layer', 'has the kernel load a layer over TCP', ['tcp-layer', 'tls'], notEntered),
  socket(
    'pair',
    'has a pair of sockets of another family',
    ['call', 'socketpair', AF_INET, STREAM, 0, 'z:'],
    notEntered,
  ),
  socket('interfaces', "sees the host's network interfaces", ['interfaces'], refused),
];
