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

export function etcTree(user: ResolvedUser, network: 'none' | 'host'): readonly MountMessage[] {
  const ofHost = network === 'host' ? NETWORK_FILES.filter(existsInEtc) : [];
  return [
    directory('/etc'),
    ...accounts(user),
    ...Object.entries(network === 'host' ? {} : { hosts: HOSTS, 'resolv.conf': '' }).map(([name, content]) =>
      file(`/etc/${name}`, content),
    ),
    file('/etc/hostname', `${HOSTNAME}\n`),
    file('/etc/nsswitch.conf', NSSWITCH),
    file('/etc/host.conf', 'multi on\n'),
    ...ofHost.flatMap((name) => copyOrBind(`/etc/${name}`)),
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

const HOSTS = `127.0.0.1 localhost ${HOSTNAME}\n::1 localhost ip6-localhost ip6-loopback\n`;
const NSSWITCH = ['passwd: files', 'group: files', 'hosts: files dns', 'services: files', 'protocols: files', ''].join(
  '\n',
);

/** root stands for whatever of the host is visible; nobody for every identity that is not mapped. */
function accounts({ uid, gid, name, home }: ResolvedUser): readonly MountMessage[] {
  const passwd = [
    'root:x:0:0:root:/root:/usr/sbin/nologin',
    `${name}:x:${uid}:${gid}:${name}:${home}:/bin/sh`,
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
  ];
  const group = ['root:x:0:', `${name}:x:${gid}:`, 'nogroup:x:65534:'];
  return [file('/etc/passwd', `${passwd.join('\n')}\n`), file('/etc/group', `${group.join('\n')}\n`)];
}

function existsInEtc(name: string): boolean {
  return existsSync(`/etc/${name}`);
}

function sharedByPrefix(): readonly string[] {
  if (!existsSync('/etc')) return [];
  return readdirSync('/etc').filter((name) => SHARED_PREFIXES.some((prefix) => name.startsWith(prefix)));
}
