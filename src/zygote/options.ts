import { expectArray, expectInteger, expectObject, expectOneOf, expectText, invalidOption } from '../options/check.js';
import { OPTION_NAMES } from '../options/resolve.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { checkSignal } from '../options/signal.js';
import type { Sandbox } from '../sandbox/types.js';
import { parseSize, type Size } from '../units.js';
import { DEFAULT_INTERPRETERS, type RuntimeName } from './runtimes.js';

/** How a zygote's steps are made. */
export type ZygoteMode = 'fork' | 'parked';

/**
 * What a zygote preloads, and what its steps may do and use unless they are given others. The zygote itself runs under the same `env`, `user` and
 * `filesystem`, all of it read-only, and may use 1 GiB, or `limits.memory` if that is more. `signal` gives up a start that takes too long, which else is given
 * up after two minutes. `input`, `stdin`, `terminal` and `filesystem.root` cannot be given.
 */
export interface ZygoteOptions extends SandboxOptions {
  /** CPython from 3.9 on, Node from 20 on, or a program that links `native/build/zygote.a`. */
  readonly runtime: 'python' | 'node' | 'native';
  /** The program: a name that is looked up in the app's PATH, or an absolute path. @default 'python3', or the app's own Node; required for `'native'` */
  readonly interpreter?: string;
  /** Modules that are imported before the first step, in order. @default [] */
  readonly preload?: readonly string[];
  /** Code that is run after them, in a module of its own. What it leaves in memory, each step finds. @default none */
  readonly preloadCode?: string;
  /**
   * `'fork'`: steps are forked from one warm process. `'parked'`: each is a process of its own that has started and preloaded
   * ahead of its job. It needs more memory, and has an address layout and threads of its own.
   * @default 'fork', and 'parked' where the interpreter cannot be forked
   */
  readonly mode?: ZygoteMode;
  /** Steps that are kept confined and waiting for their job, 256 at most. @default 0, or 1 in mode 'parked' */
  readonly parked?: number;
  /** When the process is replaced by a new one, without a pause. Its steps share its address layout, so it should not live for ever. @default after 5000 steps */
  readonly recycle?: {
    /** Steps that it has forked. @default 5000 */
    readonly steps?: number;
    /** Resident memory, in bytes or as `'1GiB'`, looked at every 32 steps. @default Infinity */
    readonly rss?: Size;
  };
}

/** What a job is run with. */
export interface ZygoteSpawnOptions extends SandboxOptions {
  /**
   * One that `createSandbox()` has made: the job runs there, beside its commands, and not in a fresh one. What the sandbox is made of (`filesystem`,
   * `user`, `network`, `syscalls`, `coreScheduling`, `allowMissing`, `allowWeaker`, `limits.scratch`) is the sandbox's then, and cannot be given with the job. The first job in a
   * sandbox starts the runtime there, which takes as long as it does anywhere; from then on as many as `parked` says, one at least, wait there for
   * those that follow, and what they use counts for the sandbox's limits.
   * @default a fresh one
   */
  readonly sandbox?: Sandbox;
}

/** Options with every default filled in. */
export interface ResolvedZygoteOptions {
  readonly runtime: RuntimeName;
  readonly interpreter: string;
  readonly preload: readonly string[];
  readonly preloadCode: string | undefined;
  /** Undefined: by fork, if that can be. */
  readonly mode: ZygoteMode | undefined;
  readonly parked: number;
  readonly recycleSteps: number;
  /** Bytes. */
  readonly recycleRss: number;
  /** Ends the start, and nothing afterwards. */
  readonly signal: AbortSignal | undefined;
  /** What the steps have unless they are given others. */
  readonly sandbox: SandboxOptions;
}

const OWN_NAMES = ['runtime', 'interpreter', 'preload', 'preloadCode', 'mode', 'parked', 'recycle', 'signal'] as const;
const DEFAULT_RECYCLE_STEPS = 5000;
const MOST_PARKED = 256;

export function resolveZygoteOptions(options: unknown): ResolvedZygoteOptions {
  const given = expectObject(options, 'options', [...OWN_NAMES, ...OPTION_NAMES]);
  const runtime = expectOneOf(given['runtime'], 'runtime', ['python', 'node', 'native']);
  const recycle = expectObject(given['recycle'], 'recycle', ['steps', 'rss']);
  const sandbox = Object.fromEntries(
    Object.entries(given).filter(([name]) => !(OWN_NAMES as readonly string[]).includes(name)),
  ) as SandboxOptions;
  for (const name of ['input', 'stdin'] as const) {
    if (sandbox[name] !== undefined) throw invalidOption(name, 'belongs to one step: give it to zygote.spawn()');
  }
  refuseTerminal(sandbox);
  const parked = given['parked'] === undefined ? 0 : expectInteger(given['parked'], 'parked', 0, MOST_PARKED);
  checkFilesystem(sandbox, parked);
  return {
    runtime,
    interpreter: expectText(given['interpreter'] ?? DEFAULT_INTERPRETERS[runtime], 'interpreter'),
    preload: expectArray(given['preload'], 'preload').map((name, index) => expectText(name, `preload[${index}]`)),
    preloadCode: given['preloadCode'] === undefined ? undefined : expectText(given['preloadCode'], 'preloadCode'),
    mode: given['mode'] === undefined ? undefined : expectOneOf<ZygoteMode>(given['mode'], 'mode', ['fork', 'parked']),
    parked,
    recycleSteps:
      recycle['steps'] === undefined
        ? DEFAULT_RECYCLE_STEPS
        : expectInteger(recycle['steps'], 'recycle.steps', 1, 2 ** 31 - 1),
    recycleRss: recycle['rss'] === undefined ? Infinity : parseSize(recycle['rss'], 'recycle.rss'),
    signal: checkSignal(given['signal']),
    sandbox,
  };
}

/**
 * What a zygote has preloaded belongs to its own root; and what a rule names is looked for when a step's sandbox is made, which for one that is parked
 * would be too early.
 *
 * @throws SandboxError `ERR_INVALID_OPTION`
 */
export function checkFilesystem({ filesystem = {} }: SandboxOptions, parked: number): void {
  if (filesystem.root !== undefined) throw invalidOption('filesystem.root', 'cannot be given to a zygote or its steps');
  const hasRules = (filesystem.hide?.length ?? 0) + (filesystem.protect?.length ?? 0) > 0;
  if (parked > 0 && hasRules) {
    throw invalidOption(
      'filesystem.hide and filesystem.protect',
      'cannot be had together with parked: they are looked for when a step is asked for',
    );
  }
}

/** A runtime that is warm has taken its streams for what they were. */
export function refuseTerminal({ terminal }: SandboxOptions): void {
  if (terminal !== undefined) {
    throw invalidOption('terminal', 'is not for steps of a zygote: give it to spawnSandbox() or sandbox.spawn()');
  }
}
