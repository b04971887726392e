import { isAbsolute, normalize } from 'node:path';
import type { AnyLayer, Layer } from '../layers.js';
import type { ResolvedSyscallPolicy } from '../syscalls/index.js';
import { checkTerminalCalls, refusesSetId, resolveSyscalls } from '../syscalls/index.js';
import type { TerminalSize } from '../spawner/messages.js';
import { parseDuration, parseSize } from '../units.js';
import { expectObject, expectOneOf, expectText, invalidOption } from './check.js';
import { show } from '../show.js';
import { resolveEnvironment } from './environment.js';
import { type ResolvedMount, type ResolvedRule, resolveFilesystem } from './filesystem.js';
import { resolveAllowMissing, resolveAllowWeaker } from './layers.js';
import { type ResolvedLimits, resolveLimits } from './limits.js';
import type { OutputMode, SandboxOptions } from './sandbox-options.js';
import { resolveTerminal } from './terminal.js';
import { type ResolvedUser, resolveUser } from './user.js';

/** Options with every default filled in. Nothing here varies between two steps that were given equal options. */
export interface ResolvedOptions {
  readonly limits: ResolvedLimits;
  readonly mounts: readonly ResolvedMount[];
  readonly rules: readonly ResolvedRule[];
  /** Another root than the host's. */
  readonly root: string | undefined;
  readonly scratchOnDisk: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: ResolvedUser;
  readonly stdin: 'empty' | 'pipe';
  readonly stdout: OutputMode;
  readonly stderr: OutputMode;
  readonly encoding: 'utf8' | 'buffer';
  /** Bytes kept of each stream; 0 keeps none. */
  readonly collect: number;
  readonly reject: boolean;
  readonly terminal: TerminalSize | undefined;
  readonly network: 'none' | 'host';
  readonly syscalls: ResolvedSyscallPolicy;
  readonly coreScheduling: boolean;
  readonly allowMissing: readonly AnyLayer[];
  readonly allowWeaker: readonly Layer[];
  /** Milliseconds. */
  readonly killGrace: number;
}

/** Every name that `SandboxOptions` has. */
export const OPTION_NAMES = [
  'limits',
  'filesystem',
  'env',
  'cwd',
  'user',
  'input',
  'stdin',
  'stdout',
  'stderr',
  'encoding',
  'collect',
  'reject',
  'terminal',
  'network',
  'syscalls',
  'coreScheduling',
  'allowMissing',
  'allowWeaker',
  'signal',
  'killGrace',
  'keepBackground',
] as const satisfies readonly (keyof SandboxOptions)[];

const OUTPUT_MODES = ['pipe', 'inherit', 'ignore'] as const;
const DEFAULT_COLLECT = 8 * 2 ** 20;
const DEFAULT_KILL_GRACE = 5000;

/** Checks every option and fills in what was left out. `input` and `signal` belong to one step and are checked there. */
export function resolveOptions(options: unknown): ResolvedOptions {
  const given = expectObject(options, 'options', OPTION_NAMES);
  if (given['keepBackground'] !== undefined) {
    throw invalidOption('keepBackground', 'is for createSandbox() and the commands of its sandboxes');
  }
  const user = resolveUser(given['user']);
  const filesystem = resolveFilesystem(given['filesystem']);
  const resolved = {
    limits: resolveLimits(given['limits'], filesystem.scratchOnDisk),
    ...filesystem,
    env: resolveEnvironment(given['env']),
    cwd: resolveCwd(given['cwd'], user),
    user,
    stdin: expectOneOf(given['stdin'] ?? 'empty', 'stdin', ['empty', 'pipe']),
    stdout: expectOneOf(given['stdout'] ?? 'pipe', 'stdout', OUTPUT_MODES),
    stderr: expectOneOf(given['stderr'] ?? 'pipe', 'stderr', OUTPUT_MODES),
    encoding: expectOneOf(given['encoding'] ?? 'utf8', 'encoding', ['utf8', 'buffer']),
    collect: resolveCollect(given['collect']),
    reject: resolveFlag(given['reject'], 'reject'),
    terminal: resolveTerminal(given),
    network: expectOneOf(given['network'] ?? 'none', 'network', ['none', 'host']),
    syscalls: resolveSyscalls(given['syscalls'] as SandboxOptions['syscalls']),
    coreScheduling: resolveFlag(given['coreScheduling'], 'coreScheduling'),
    allowMissing: resolveAllowMissing(given['allowMissing']),
    allowWeaker: resolveAllowWeaker(given['allowWeaker']),
    killGrace: given['killGrace'] === undefined ? DEFAULT_KILL_GRACE : parseDuration(given['killGrace'], 'killGrace'),
  } satisfies ResolvedOptions;
  if (resolved.network === 'host' && !resolved.allowMissing.includes('net')) {
    throw invalidOption(
      'network',
      "'host' gives the step the app's own network; accept that with allowMissing: ['net']",
    );
  }
  if (resolved.mounts.some(({ access }) => access === 'writable')) checkSetId(resolved.syscalls);
  if (resolved.terminal !== undefined) checkTerminalCalls(resolved.syscalls);
  return resolved;
}

/** What a step leaves in a directory of the host must not have more rights there than its owner. */
function checkSetId(syscalls: ResolvedSyscallPolicy): void {
  if (refusesSetId(syscalls, resolveSyscalls('default', syscalls.architecture))) return;
  throw invalidOption(
    'syscalls',
    'lets set-id bits through, which a step could leave in a directory of filesystem.writable; extend a preset, or refuse them as it does',
  );
}

/** The home directory is the default because it alone is writable, empty, and the step's own by its mode. */
function resolveCwd(option: unknown, user: ResolvedUser): string {
  if (option === undefined) return user.home;
  const cwd = expectText(option, 'cwd');
  if (!isAbsolute(cwd)) throw invalidOption('cwd', `must be an absolute path inside the sandbox, and is ${show(cwd)}`);
  return normalize(cwd);
}

/** In bytes. */
export function resolveCollect(option: unknown): number {
  if (option === undefined) return DEFAULT_COLLECT;
  return option === false ? 0 : parseSize(option, 'collect');
}

/** @default false */
export function resolveFlag(option: unknown, name: string): boolean {
  if (option === undefined) return false;
  if (typeof option !== 'boolean') throw invalidOption(name, `must be true or false, and is ${show(option)}`);
  return option;
}
