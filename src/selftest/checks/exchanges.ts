import type { Check, Group, Judge, Bait, Operation } from '../check.js';
import { refused, unheard } from '../judge.js';

interface Exchange {
  readonly id: string;
  readonly title: string;
  readonly needs?: string;
  readonly operation: (bait: Bait) => Operation;
  readonly judge: Judge;
}

/** Whom one can meet: a process that offers everything that the kernel has for it. */
const EXCHANGES: readonly Exchange[] = [
  {
    id: 'abstract',
    title: 'talks to a socket without a path',
    needs: 'abstract',
    operation: ({ token }) => ['abstract', token],
    judge: unheard('abstract'),
  },
  {
    id: 'unix',
    title: 'talks to a socket in a directory',
    needs: 'unix',
    operation: ({ directory, token }) => ['unix', `${directory}/${token}.socket`],
    judge: unheard('unix'),
  },
  {
    id: 'tcp',
    title: 'talks to a server on the loopback interface',
    needs: 'tcp',
    operation: ({ port }) => ['tcp', '127.0.0.1', port],
    judge: unheard('tcp'),
  },
  {
    id: 'tcp-v6',
    title: 'talks to a server on the loopback interface of IPv6',
    needs: 'tcp6',
    operation: ({ port }) => ['tcp', '::1', port],
    judge: unheard('tcp6'),
  },
  {
    id: 'tcp-any',
    title: 'talks to it by the address 0.0.0.0',
    needs: 'tcp',
    operation: ({ port }) => ['tcp', '0.0.0.0', port],
    judge: unheard('tcp'),
  },
  {
    id: 'tcp-mapped',
    title: 'talks to it by an address of IPv4 in IPv6',
    needs: 'tcp',
    operation: ({ port }) => ['tcp', '::ffff:127.0.0.1', port],
    judge: unheard('tcp'),
  },
  {
    id: 'udp',
    title: 'sends to a socket of UDP on the loopback interface',
    needs: 'udp',
    operation: ({ port }) => ['udp', '127.0.0.1', port],
    judge: unheard('udp'),
  },
  {
    id: 'shm',
    title: 'reads shared memory of System V',
    needs: 'shm',
    operation: ({ key }) => ['shm', key],
    judge: unheard(),
  },
  {
    id: 'shm-any',
    title: 'finds shared memory of System V without a key',
    needs: 'shm',
    operation: () => ['sysv-any'],
    judge: refused,
  },
  {
    id: 'sem',
    title: 'has a semaphore of System V',
    needs: 'sem',
    operation: ({ key }) => ['sem', key],
    judge: refused,
  },
  {
    id: 'msg',
    title: 'reads messages of System V',
    needs: 'msg',
    operation: ({ key }) => ['msg', key],
    judge: unheard(),
  },
  {
    id: 'mq',
    title: 'opens a message queue of POSIX',
    needs: 'mq',
    operation: ({ token }) => ['mq', `/${token}`],
    judge: refused,
  },
  {
    id: 'process',
    title: 'sees a process',
    operation: ({ token }) => ['process', token],
    judge: refused,
  },
  {
    id: 'signal',
    title: 'signals a process',
    operation: ({ pid }) => ['signal', pid],
    judge: unheard('signal'),
  },
  {
    id: 'queue-signal',
    title: 'signals a process, with a value',
    operation: ({ pid }) => ['queue-signal', pid],
    judge: unheard('signal'),
  },
];

/** These need the number or path that a process has outside of the sandbox. */
const OF_HOST: readonly Exchange[] = [
  {
    id: 'memory',
    title: 'opens the memory of a process by its number',
    operation: ({ pid }) => ['memory-of', pid],
    judge: refused,
  },
  {
    id: 'root',
    title: 'opens a file by the root of a process',
    operation: ({ pid, directory }) => ['root-of', pid, `${directory}/secret`],
    judge: refused,
  },
];

function checksOf(group: Group, exchanges: readonly Exchange[]): readonly Check[] {
  return exchanges.map((exchange) => ({ group, ...exchange }));
}

export const HOST: readonly Check[] = checksOf('host', [...EXCHANGES, ...OF_HOST]);

/** The same towards somebody in another sandbox of the same kind. */
export const NEIGHBOURS: readonly Check[] = checksOf('neighbours', [
  ...EXCHANGES,
  {
    id: 'tmp',
    title: 'reads a temporary file',
    needs: 'tmp',
    operation: ({ token }) => ['content', `/tmp/${token}`],
    judge: unheard(),
  },
  {
    id: 'dev-shm',
    title: 'reads a file in /dev/shm',
    needs: 'dev-shm',
    operation: ({ token }) => ['content', `/dev/shm/${token}`],
    judge: unheard(),
  },
  { id: 'key', title: 'reads a key', needs: 'key', operation: ({ token }) => ['key', token], judge: unheard() },
]);
