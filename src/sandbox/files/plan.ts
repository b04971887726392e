import { mergeOptions } from '../../options/merge.js';
import { hardLimitOfOpenFiles } from '../../options/open-files.js';
import { type ResolvedOptions, resolveFlag, resolveOptions } from '../../options/resolve.js';
import type { SandboxOptions } from '../../options/sandbox-options.js';
import type { Plan } from '../../plan.js';
import type { Policy } from '../../policy/policy.js';
import { startSettings } from '../../policy/start-settings.js';
import { encodeStartSettings } from '../../spawner/codec.js';
import { BUILTIN } from '../../spawner/messages.js';

/** Each level of a tree takes one. */
const OPEN_FILES = 256;
const NO_PROGRAM = { file: '', key: '', mounts: [], bins: [] };
const PROGRAM = Buffer.from('/');
const NAME = Buffer.from('files');

export interface FilesRequest {
  /** The operation, and what it is given. */
  readonly words: readonly Buffer[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly hasContent: boolean;
}

/** Plans commands with a program of the library's, which have the limits of the sandbox's other commands but for what is bounded here. */
export function filesPlanner(sandbox: SandboxOptions): (request: FilesRequest, policy: Policy) => Plan {
  let resolved: ResolvedOptions | undefined; // not before somebody asks for it
  return ({ words, timeout, hasContent }, policy) => {
    const options = (resolved ??= filesOptions(sandbox));
    const limited = { ...options, limits: { ...options.limits, wallTime: timeout } };
    const settings = { ...startSettings(limited, NO_PROGRAM, hasContent), builtin: BUILTIN.files };
    return { options: limited, policy, settings: encodeStartSettings(settings), file: PROGRAM, argv: [NAME, ...words] };
  };
}

function filesOptions(sandbox: SandboxOptions): ResolvedOptions {
  const { keepBackground, ...common } = sandbox;
  resolveFlag(keepBackground, 'keepBackground'); // nothing of ours outlives its operation
  return resolveOptions(
    mergeOptions(common, {
      limits: {
        idleTime: Infinity,
        input: Infinity,
        output: Infinity,
        openFiles: Math.min(OPEN_FILES, hardLimitOfOpenFiles()),
      },
      cwd: '/',
      stdout: 'pipe',
      stderr: 'ignore',
      collect: false,
      encoding: 'buffer',
      reject: false,
    }),
  );
}
