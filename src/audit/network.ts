import { connect } from 'node:net';
import { readFileSync } from 'node:fs';

/** Where clouds answer: AWS, Azure, Google, Oracle, DigitalOcean and OpenStack; Alibaba; AWS by IPv6. */
const METADATA: readonly string[] = ['169.254.169.254', '100.100.100.200', 'fd00:ec2::254'];
const HTTP = 80;
const PATIENCE_MS = 700;
const LISTENING = '0A';
const MOST_TOLD = 30;

/** Which of them accept a connection; nothing is asked. */
export async function reachableMetadata(): Promise<readonly string[]> {
  const answers = await Promise.all(METADATA.map((host) => accepts(host, HTTP)));
  return METADATA.filter((_, index) => answers[index] === true);
}

export function accepts(host: string, port: number, patience = PATIENCE_MS): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answer: boolean) => (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(patience, end(false));
    socket.once('connect', end(true));
    socket.once('error', end(false));
  });
}

/** Addresses on which something listens, as `127.0.0.1:5432`. */
export function listeners(): readonly string[] {
  const all = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => listening(textOf(path)));
  return [...new Set(all)].slice(0, MOST_TOLD);
}

/** Of a table of the kernel: its second column is the own address, its fourth the state. */
export function listening(table: string): readonly string[] {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === LISTENING)
    .map(([, local = '']) => addressOf(local));
}

/** `0100007F:1F90` is 127.0.0.1:8080: each four bytes as one number of this machine. */
function addressOf(local: string): string {
  const [hex = '', port = ''] = local.split(':');
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse());
  const host =
    bytes.length === 4
      ? bytes.map((byte) => parseInt(byte, 16)).join('.')
      : `[${(bytes.join('').match(/.{4}/g) ?? []).map((group) => parseInt(group, 16).toString(16)).join(':')}]`;
  return `${host.replace(/(^|\[)(0:){7}/, '$1::').replace(/^\[::0\]/, '[::]')}:${parseInt(port, 16)}`;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a kernel without IPv6
  }
}
