import { isAbsolute } from 'node:path';
import type { Duration } from '../units.js';
import { parseDuration } from '../units.js';
import { expectInteger, expectObject, expectText, invalidOption } from './check.js';
import { show } from '../show.js';

/** How the spawner works, for all steps of this thread. */
export interface SpawnerOptions {
  /**
   * Host uids and gids of which each sandbox leases one, when the app has root.
   * @default 65536 ids outside of every account and of /etc/subuid
   */
  readonly uidRange?: { readonly start: number; readonly count: number };
  /** Directory of the cgroup v2 tree below which sandboxes get theirs, absolute. @default found by the spawner */
  readonly cgroupParent?: string;
  /**
   * Where leases and what is to be swept after a crash are kept, absolute; made 0700 when missing.
   * @default '/run/spawn-sandbox' for root, else '$XDG_RUNTIME_DIR/spawn-sandbox' or '/tmp/spawn-sandbox-UID'
   */
  readonly stateDirectory?: string;
  /**
   * Where the files lie that are the scratch space of `filesystem.scratchOn: 'disk'`, absolute. They have no names, and are gone with
   * their sandboxes however those end. Its file system must not be one in memory, and must have files without a name, room that is reserved, and direct I/O, as ext4, XFS and Btrfs do.
   * @default '/var/tmp'
   */
  readonly scratchDirectory?: string;
  /**
   * Sandboxes kept ready for each policy in use. After 10 s without use it is one; and after a minute none, but for the 16
   * policies that were used last.
   * @default 8
   */
  readonly pool?: number;
  /** Most steps running at once; more wait, for `queueTimeout`. @default 1024 */
  readonly maxConcurrent?: number;
  /** Longest wait for a free sandbox, in milliseconds or as `'60s'`; then `ERR_QUEUE_TIMEOUT`. @default '60s' */
  readonly queueTimeout?: Duration;
}

export interface ResolvedSpawnerOptions {
  /** Nothing: to be chosen when the spawner starts. */
  readonly uidRange: { readonly start: number; readonly count: number } | undefined;
  readonly cgroupParent: string;
  readonly stateDirectory: string;
  readonly scratchDirectory: string;
  readonly pool: number;
  readonly maxConcurrent: number;
  /** Milliseconds, or `Infinity`. */
  readonly queueTimeout: number;
}

const KEYS = [
  'uidRange',
  'cgroupParent',
  'stateDirectory',
  'scratchDirectory',
  'pool',
  'maxConcurrent',
  'queueTimeout',
];
const HIGHEST_ID = 0xffff_fffd;

export function resolveSpawnerOptions(options: unknown): ResolvedSpawnerOptions {
  const given = expectObject(options, 'options', KEYS);
  return {
    uidRange: given['uidRange'] === undefined ? undefined : resolveUidRange(given['uidRange']),
    cgroupParent: given['cgroupParent'] === undefined ? '' : absolutePath(given['cgroupParent'], 'cgroupParent'),
    stateDirectory:
      given['stateDirectory'] === undefined
        ? defaultStateDirectory()
        : absolutePath(given['stateDirectory'], 'stateDirectory'),
    scratchDirectory:
      given['scratchDirectory'] === undefined
        ? '/var/tmp'
        : absolutePath(given['scratchDirectory'], 'scratchDirectory'),
    pool: given['pool'] === undefined ? 8 : expectInteger(given['pool'], 'pool', 0, 1024),
    maxConcurrent:
      given['maxConcurrent'] === undefined ? 1024 : expectInteger(given['maxConcurrent'], 'maxConcurrent', 1, 65536),
    queueTimeout: given['queueTimeout'] === undefined ? 60_000 : parseDuration(given['queueTimeout'], 'queueTimeout'),
  };
}

function resolveUidRange(value: unknown): { readonly start: number; readonly count: number } {
  const given = expectObject(value, 'uidRange', ['start', 'count']);
  const start = expectInteger(given['start'], 'uidRange.start', 1, HIGHEST_ID);
  return { start, count: expectInteger(given['count'], 'uidRange.count', 1, HIGHEST_ID - start + 1) };
}

function absolutePath(value: unknown, option: string): string {
  const path = expectText(value, option);
  if (!isAbsolute(path)) throw invalidOption(option, `must be an absolute path, and is ${show(path)}`);
  return path;
}

function defaultStateDirectory(): string {
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return '/run/spawn-sandbox';
  const runtime = process.env['XDG_RUNTIME_DIR'];
  return runtime !== undefined && isAbsolute(runtime) ? `${runtime}/spawn-sandbox` : `/tmp/spawn-sandbox-${uid}`;
}
