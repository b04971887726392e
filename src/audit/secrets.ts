import { type Dirent, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { OTHERS, statusOf } from './modes.js';

/** Also where the app is somebody else. */
const HOME_OF_ROOT = '/root';

/** Files that are secrets by where they lie; of a directory, all in it. */
const PLACES = [
  '/var/run/secrets/kubernetes.io/serviceaccount/token',
  '/run/secrets',
  '/etc/shadow',
  '/etc/gshadow',
  '/etc/ssl/private',
  '/etc/kubernetes/admin.conf',
  join(HOME_OF_ROOT, '.ssh'),
];
const OF_HOME = [
  '.ssh',
  '.aws/credentials',
  '.azure/accessTokens.json',
  '.config/gcloud/application_default_credentials.json',
  '.docker/config.json',
  '.kube/config',
  '.netrc',
  '.npmrc',
  '.pypirc',
  '.git-credentials',
  '.pgpass',
  '.my.cnf',
  '.gnupg/private-keys-v1.d',
];

/** By their names, wherever in the app's directory they lie. */
const NAMES =
  /^(\.env(\..+)?|.+\.(pem|key|p12|pfx|jks|keystore)|id_(rsa|dsa|ecdsa|ed25519)|credentials(\.json)?|secrets?\.(ya?ml|json|env))$/;
/** Public by their names. */
const PUBLIC = /(\.pub|\.example|\.sample|\.template|cacert\.pem|ca-bundle\.pem|known_hosts|authorized_keys|config)$/;
/** Of others' code, with keys for its tests. */
const PASSED_OVER = new Set(['node_modules', '.git', '.venv', 'site-packages']);

/** So that the audit of a large directory ends. */
const MOST_ENTRIES = 20_000;
const MOST_DEPTH = 5;
const MOST_TOLD = 20;

export const SOCKETS: readonly string[] = [
  '/var/run/docker.sock',
  '/run/docker.sock',
  '/run/podman/podman.sock',
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/var/lib/lxd/unix.socket',
  '/var/snap/lxd/common/lxd/unix.socket',
  '/run/libvirt/libvirt-sock',
];

/** What everybody may read, of what holds secrets in the usual places and in the app's directory. */
export function readableSecrets(directory: string, home = homedir()): readonly string[] {
  const places = [...PLACES, ...OF_HOME.map((path) => join(home, path))].flatMap((path) => filesAt(path));
  const own = walk(directory).filter((path) => {
    const name = basename(path);
    return NAMES.test(name) && !PUBLIC.test(name);
  });
  const all = [...places.filter((path) => !PUBLIC.test(path)), ...own];
  return [...new Set(all)].filter(isReadableByAll).slice(0, MOST_TOLD);
}

export function writableSockets(paths: readonly string[] = SOCKETS): readonly string[] {
  return paths.filter((path) => {
    const status = statusOf(path, { follow: true });
    return status?.isSocket() === true && (status.mode & OTHERS.write) !== 0 && isReachableByAll(dirname(path));
  });
}

function filesAt(path: string): readonly string[] {
  const status = statusOf(path, { follow: true });
  if (status === undefined) return [];
  return status.isDirectory()
    ? entriesOf(path)
        .filter((entry) => entry.isFile())
        .map(({ name }) => join(path, name))
    : [path];
}

/** All files below, as far as that goes. */
function walk(directory: string): readonly string[] {
  const files: string[] = [];
  let left = MOST_ENTRIES;
  const visit = (at: string, depth: number): void => {
    for (const entry of entriesOf(at)) {
      if (left-- <= 0) return;
      const path = join(at, entry.name);
      if (entry.isFile()) files.push(path);
      else if (entry.isDirectory() && depth < MOST_DEPTH && !PASSED_OVER.has(entry.name)) visit(path, depth + 1);
    }
  };
  visit(directory, 0);
  return files;
}

function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // what we may not list, others may not either
  }
}

function isReadableByAll(path: string): boolean {
  const mode = statusOf(path, { follow: true })?.mode;
  return mode !== undefined && (mode & OTHERS.read) !== 0 && isReachableByAll(dirname(path));
}

/** Every directory on the way lets everybody through. */
function isReachableByAll(directory: string): boolean {
  const mode = statusOf(directory, { follow: true })?.mode;
  if (mode === undefined || (mode & OTHERS.pass) === 0) return false;
  return directory === '/' || isReachableByAll(dirname(directory));
}
