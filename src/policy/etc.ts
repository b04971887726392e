import { existsSync, readdirSync } from 'node:fs';
import type { ResolvedUser } from '../options/user.js';
import type { MountMessage } from '../spawner/messages.js';
import { directory, file } from './mounts.js';
import { copyOrBind } from './small-copies.js';

export const HOSTNAME = 'sandbox';

/** What of the host's `/etc` is passed on: how to find libraries, programs, certificates and names of things. Nothing of it is secret. */
const SHARED = [
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'ld-musl-x86_64.path',
  'ld-musl-x86_64.d',
  'ld-musl-aarch64.path',
  'alternatives',
  'ssl/certs',
  'ssl/openssl.cnf',
  'ca-certificates',
  'ca-certificates.conf',
  'pki/tls/certs',
  'pki/tls/openssl.cnf',
  'pki/ca-trust/extracted',
  'crypto-policies',
  'localtime',
  'timezone',
  'locale.alias',
  'locale.conf',
  'mime.types',
  'services',
  'protocols',
  'networks',
  'ethertypes',
  'rpc',
  'inputrc',
  'terminfo',
  'fonts',
  'magic',
  'magic.mime',
  'os-release',
  'debian_version',
  'maven',
  'perl',
];
const SHARED_PREFIXES = ['java-', 'python3'];
/** The app's own view of the network, for `network: 'host'`. */
const NETWORK_FILES = ['hosts', 'resolv.conf'];

/** What of `/etc` tells of the sandbox itself, in place of what a root has there. */
export function etcOfSandbox(
  user: ResolvedUser,
  network: 'none' | 'host',
  others: { readonly passwd: readonly string[]; readonly group: readonly string[] },
): readonly MountMessage[] {
  const ofHost = network === 'host' ? NETWORK_FILES.filter(existsInEtc) : [];
  return [
    ...accounts(user, others),
    ...Object.entries(network === 'host' ? {} : { hosts: HOSTS, 'resolv.conf': '' }).map(([name, content]) =>
      file(`/etc/${name}`, content),
    ),
    file('/etc/hostname', `${HOSTNAME}\n`),
    ...ofHost.flatMap((name) => copyOrBind(`/etc/${name}`)),
  ];
}

export function etcTree(user: ResolvedUser, network: 'none' | 'host'): readonly MountMessage[] {
  return [
    directory('/etc'),
    ...etcOfSandbox(user, network, SYSTEM_ACCOUNTS),
    file('/etc/nsswitch.conf', NSSWITCH),
    file('/etc/host.conf', 'multi on\n'),
    ...sharedOfHost(),
  ];
}

/** Read anew after this time: a package may have been installed. */
const RECENT_MS = 30_000;
let recent: { readonly at: number; readonly mounts: readonly MountMessage[] } | undefined;

/** The same for every policy, and some dozens of small files. */
function sharedOfHost(): readonly MountMessage[] {
  const now = performance.now();
  if (recent === undefined || now - recent.at > RECENT_MS) {
    const names = [...SHARED.filter(existsInEtc), ...sharedByPrefix()];
    recent = { at: now, mounts: names.flatMap((name) => copyOrBind(`/etc/${name}`)) };
  }
  return recent.mounts;
}

/** What is passed on, as places of the host. */
export function sharedPaths(network: 'none' | 'host'): readonly string[] {
  const names = [
    ...SHARED,
    ...sharedByPrefix(),
    'nsswitch.conf',
    'host.conf',
    ...(network === 'host' ? NETWORK_FILES : []),
  ];
  return names.map((name) => `/etc/${name}`);
}

const HOSTS = `127.0.0.1 localhost ${HOSTNAME}\n::1 localhost ip6-localhost ip6-loopback\n`;
const NSSWITCH = ['passwd: files', 'group: files', 'hosts: files dns', 'services: files', 'protocols: files', ''].join(
  '\n',
);

/** root stands for whatever of the host is visible; nobody for every identity that is not mapped. */
const SYSTEM_ACCOUNTS = {
  passwd: ['root:x:0:0:root:/root:/usr/sbin/nologin', 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin'],
  group: ['root:x:0:', 'nogroup:x:65534:'],
};

/** The sandbox's user comes after root, and before whoever has the same number. */
function accounts(
  { uid, gid, name, home }: ResolvedUser,
  others: { readonly passwd: readonly string[]; readonly group: readonly string[] },
): readonly MountMessage[] {
  const besides = (list: readonly string[]): readonly string[] => list.filter((line) => !line.startsWith(`${name}:`));
  const [root = '', ...passwd] = besides(others.passwd);
  const [wheel = '', ...group] = besides(others.group);
  return [
    file('/etc/passwd', lines([root, `${name}:x:${uid}:${gid}:${name}:${home}:/bin/sh`, ...passwd])),
    file('/etc/group', lines([wheel, `${name}:x:${gid}:`, ...group])),
  ];
}

function lines(entries: readonly string[]): string {
  return entries.map((entry) => `${entry}\n`).join('');
}

function existsInEtc(name: string): boolean {
  return existsSync(`/etc/${name}`);
}

function sharedByPrefix(): readonly string[] {
  if (!existsSync('/etc')) return [];
  return readdirSync('/etc').filter((name) => SHARED_PREFIXES.some((prefix) => name.startsWith(prefix)));
}
