import { hardLimitOfOpenFiles } from './open-files.js';
import type { Duration, Size } from '../units.js';
import { parseDuration, parseSize } from '../units.js';
import { expectInteger, expectObject, invalidOption } from './check.js';
import { show } from '../show.js';

/** What a step and all its children together may use. `Infinity` lifts a limit. */
export interface LimitOptions {
  /** Largest memory, tmpfs included, in bytes (1 MiB at least) or as `'256MiB'`. Above it the sandbox is ended and `cause` is `'oom'`. @default '512MiB' */
  readonly memory?: Size;
  /** Largest number of processes and threads. Above it `fork` fails with EAGAIN inside. @default 128 */
  readonly processes?: number;
  /** Longest processor time, in milliseconds or as `'5s'`. After it `cause` is `'cpuTimeout'`. @default Infinity */
  readonly cpuTime?: Duration;
  /** Processors used at once, such as 0.5 or 2; 0.01 at least. @default Infinity */
  readonly cpus?: number;
  /** Longest time from release to end, in milliseconds or as `'10s'`. After it `cause` is `'wallTimeout'`. @default '60s' */
  readonly wallTime?: Duration;
  /** Longest time without a byte of output, in milliseconds or as `'2s'`. After it `cause` is `'idleTimeout'`. @default Infinity */
  readonly idleTime?: Duration;
  /** Most bytes of stdout and stderr together, as a number or as `'1MiB'`. Above it `cause` is `'outputLimit'`. @default '64MiB' */
  readonly output?: Size;
  /** Most bytes given to stdin, by `input` or `step.stdin`, as a number or as `'1MiB'`. Above it the step fails with `ERR_INPUT`. @default '64MiB' */
  readonly input?: Size;
  /**
   * Most bytes in `/tmp`, `/dev/shm`, the home directory and what is written to overlays together; their pages count as memory. With
   * `filesystem.scratchOn: 'disk'` they lie on a disk, where a write fails some 4 MiB later at the latest; then it is 8 TiB at most.
   * @default '64MiB', or half of `memory` if that is less
   */
  readonly scratch?: Size;
  /** Largest file that the step may write, in bytes or as `'1GiB'`. @default Infinity, or `scratch` when that lies on a disk */
  readonly fileSize?: Size;
  /** Most descriptors open in one process. @default 1024, or the app's own hard limit if that is less */
  readonly openFiles?: number;
}

/** Bytes, milliseconds and counts; `Infinity` where there is no limit. */
export type ResolvedLimits = Readonly<Record<keyof LimitOptions, number>>;

const PAGE = 4096;
const MEBIBYTE = 2 ** 20;
/** What the spawner accepts, and its file system can be made for. */
const MOST_ON_DISK = 8 * 2 ** 40;
const LIMIT_NAMES = [
  'memory',
  'processes',
  'cpuTime',
  'cpus',
  'wallTime',
  'idleTime',
  'output',
  'input',
  'scratch',
  'fileSize',
  'openFiles',
] as const satisfies readonly (keyof LimitOptions)[];

export function resolveLimits(option: unknown, scratchOnDisk = false): ResolvedLimits {
  const given = expectObject(option, 'limits', LIMIT_NAMES);
  const memory = size(given['memory'], 'memory', 512 * MEBIBYTE, MEBIBYTE);
  const scratch = size(given['scratch'], 'scratch', Math.min(64 * MEBIBYTE, Math.max(PAGE, Math.floor(memory / 2))));
  if (scratchOnDisk && scratch > MOST_ON_DISK) {
    throw invalidOption('limits.scratch', `must be at most 8 TiB on a disk, and is ${show(given['scratch'])}`);
  }
  return {
    memory,
    processes: count(given['processes'], 'processes', 128),
    cpuTime: duration(given['cpuTime'], 'cpuTime', Infinity),
    cpus: cpus(given['cpus']),
    wallTime: duration(given['wallTime'], 'wallTime', 60_000),
    idleTime: duration(given['idleTime'], 'idleTime', Infinity),
    output: size(given['output'], 'output', 64 * MEBIBYTE, 0),
    input: size(given['input'], 'input', 64 * MEBIBYTE, 0),
    scratch,
    fileSize: size(given['fileSize'], 'fileSize', scratchOnDisk ? scratch : Infinity),
    openFiles: count(given['openFiles'], 'openFiles', Math.min(1024, hardLimitOfOpenFiles())),
  };
}

/** 0 means "no limit" on the wire, so a limit of nothing is refused where it could not be told apart. */
function size(value: unknown, name: string, fallback: number, least = 1): number {
  return value === undefined ? fallback : atLeast(parseSize(value, `limits.${name}`), name, least);
}

function duration(value: unknown, name: string, fallback: number): number {
  return value === undefined ? fallback : atLeast(parseDuration(value, `limits.${name}`), name, 1);
}

function atLeast(value: number, name: string, least: number): number {
  if (value < least) {
    // A ready sandbox itself takes a part of the memory: less than 1 MiB could not even be written.
    const bound = least > 1 ? 'at least 1 MiB' : 'more than 0';
    throw invalidOption(`limits.${name}`, `must be ${bound}; Infinity lifts a limit`);
  }
  return value;
}

function count(value: unknown, name: string, fallback: number): number {
  if (value === undefined) return fallback;
  return value === Infinity ? Infinity : expectInteger(value, `limits.${name}`, 1, 2 ** 31 - 1);
}

function cpus(value: unknown): number {
  if (value === undefined) return Infinity;
  if (typeof value !== 'number' || !(value >= 0.01)) {
    throw invalidOption('limits.cpus', `must be a number of at least 0.01, and is ${show(value)}`);
  }
  return value;
}
