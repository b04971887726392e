import { parseArgs } from 'node:util';
import { SandboxError } from '../errors.js';
import type { Layer } from '../layers.js';
import { nearest } from '../options/did-you-mean.js';
import type { FilesystemOptions, Mount } from '../options/filesystem.js';
import type { LimitOptions } from '../options/limits.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { layersOf } from './layers.js';

/** What `spawn-sandbox run` or `shell` was asked for. */
export interface RunArguments {
  readonly help: boolean;
  /** Of run: the step has a terminal of its own. */
  readonly terminal: boolean;
  /** Of shell: nothing is said at its start. */
  readonly quiet: boolean;
  /** Empty for a shell that may be any. */
  readonly file: string;
  readonly args: readonly string[];
  readonly options: SandboxOptions;
  readonly resultFile: string | undefined;
  /** What becomes of what was written to overlays. @default it is thrown away unseen */
  readonly review: ReviewMode | undefined;
}

/** Shown, and then: asked about, kept if the command has succeeded, or thrown away. */
export type ReviewMode = 'ask' | 'commit' | 'discard';
type Verb = 'run' | 'shell';

const OF_RUN = ['terminal'];
const OF_SHELL = ['quiet'];

const FLAGS = {
  memory: { type: 'string' },
  'wall-time': { type: 'string' },
  'cpu-time': { type: 'string' },
  'idle-time': { type: 'string' },
  processes: { type: 'string' },
  output: { type: 'string' },
  scratch: { type: 'string' },
  'scratch-on': { type: 'string' },
  'read-only': { type: 'string', multiple: true },
  writable: { type: 'string', multiple: true },
  overlay: { type: 'string', multiple: true },
  hide: { type: 'string', multiple: true },
  protect: { type: 'string', multiple: true },
  root: { type: 'string' },
  review: { type: 'boolean' },
  commit: { type: 'boolean' },
  discard: { type: 'boolean' },
  env: { type: 'string', multiple: true },
  cwd: { type: 'string' },
  network: { type: 'string' },
  'core-scheduling': { type: 'boolean' },
  'allow-missing': { type: 'string' },
  'allow-weaker': { type: 'string' },
  'result-file': { type: 'string' },
  terminal: { type: 'boolean' },
  quiet: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** The command begins behind `--`, so that no argument of its own can be taken for one of ours. */
export function parseRunArguments(argv: readonly string[], verb: Verb = 'run'): RunArguments {
  const end = argv.indexOf('--');
  const ours = end < 0 ? argv : argv.slice(0, end);
  const values = parseFlags(ours, verb);
  const [file, ...args] = end < 0 ? [] : argv.slice(end + 1);
  const help = values.help === true;
  if (file === undefined && !help && verb === 'run') {
    throw usage('There is no command', 'Put it behind --, as in: spawn-sandbox run --memory 256MiB -- python3 job.py');
  }
  return {
    help,
    terminal: values.terminal === true,
    quiet: values.quiet === true,
    file: file ?? '',
    args,
    options: toOptions(values),
    resultFile: values['result-file'],
    review: toReview(values),
  };
}

type Flags = ReturnType<typeof parseArgs<{ options: typeof FLAGS }>>['values'];

function parseFlags(argv: readonly string[], verb: Verb): Flags {
  let values: Flags;
  try {
    values = parseArgs({ args: [...argv], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    throw explain(cause, argv);
  }
  const other = (verb === 'run' ? OF_SHELL : OF_RUN).find((name) => Object.hasOwn(values, name));
  if (other !== undefined) throw usage(`Option --${other} is not one of ${verb}`, 'See spawn-sandbox --help.');
  return values;
}

function explain(cause: unknown, argv: readonly string[]): SandboxError {
  const code = (cause as NodeJS.ErrnoException).code;
  const wrong = argv
    .map((argument) => argument.replace(/=.*/s, ''))
    .find((argument) => argument.startsWith('-') && !isFlag(argument));
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' && wrong !== undefined) {
    const near = nearest(wrong.replace(/^-+/, ''), Object.keys(FLAGS));
    return usage(
      `Unknown option ${wrong}`,
      near === undefined ? 'See spawn-sandbox --help.' : `Did you mean --${near}?`,
    );
  }
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL')
    return usage('The command must stand behind --', 'As in: spawn-sandbox run -- true');
  return usage(
    cause instanceof Error ? (cause.message.split('. ')[0] ?? '') : String(cause),
    'See spawn-sandbox --help.',
  );
}

function isFlag(argument: string): boolean {
  return argument === '-h' || Object.hasOwn(FLAGS, argument.replace(/^--/, ''));
}

function usage(problem: string, remedy: string): SandboxError {
  return new SandboxError('ERR_INVALID_OPTION', `${problem}.`, { remedy });
}

function toReview({ review, commit, discard, overlay }: Flags): ReviewMode | undefined {
  if (commit === true && discard === true)
    throw usage('--commit and --discard exclude each other', 'Give one of them.');
  if (commit !== true && discard !== true && review !== true) return undefined;
  if (overlay === undefined) throw usage('There is nothing to review', 'Name a directory by --overlay.');
  if (commit === true) return 'commit';
  return discard === true ? 'discard' : 'ask';
}

/** Only what was given: the library's own defaults hold for the rest, and its own checks for all. */
function toOptions(flags: Flags): SandboxOptions {
  return withoutUndefined({
    limits: withoutUndefined<LimitOptions>({
      memory: bare(flags.memory),
      wallTime: bare(flags['wall-time']),
      cpuTime: bare(flags['cpu-time']),
      idleTime: bare(flags['idle-time']),
      processes: flags.processes === undefined ? undefined : Number(flags.processes),
      output: bare(flags.output),
      scratch: bare(flags.scratch),
      // Whoever runs the command line is also who gives the input.
      input: Infinity,
    }),
    filesystem: withoutUndefined<FilesystemOptions>({
      readOnly: (flags['read-only'] ?? []).map(toMount),
      writable: (flags.writable ?? []).map(toMount),
      overlay: flags.overlay?.map(toMount),
      hide: flags.hide,
      protect: flags.protect,
      root: flags.root,
      scratchOn: flags['scratch-on'] as FilesystemOptions['scratchOn'],
    }),
    env: Object.fromEntries((flags.env ?? []).map(toVariable)),
    cwd: flags.cwd,
    network: flags.network as SandboxOptions['network'],
    coreScheduling: flags['core-scheduling'],
    allowMissing: optionalLayers(flags['allow-missing']),
    allowWeaker: optionalLayers(flags['allow-weaker']),
  });
}

/** A plain number means bytes or milliseconds, as in the library. */
function bare(text: string | undefined): string | number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text;
}

/** `SRC:DST`; a colon that no absolute path follows is part of the source. */
function toMount(text: string): Mount {
  const colon = text.indexOf(':/');
  return colon < 0 ? text : { source: text.slice(0, colon), target: text.slice(colon + 1) };
}

function toVariable(text: string): readonly [string, string | true] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, true] : [text.slice(0, equals), text.slice(equals + 1)];
}

function optionalLayers(text: string | undefined): readonly Layer[] | undefined {
  return text === undefined ? undefined : layersOf(text);
}

function withoutUndefined<T extends object>(values: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
