import { SandboxError } from '../errors.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { resolveOptions } from '../options/resolve.js';
import { findInPath } from '../policy/lookup.js';
import { spawnSandbox } from '../spawn-sandbox.js';
import { HELP } from './help.js';
import { conclude, exitStatus } from './relay.js';
import { runReviewed } from './review.js';
import { parseRunArguments } from './run-arguments.js';
import { type Spawn, withTerminal } from './terminal.js';

/** `spawn-sandbox shell`: a shell in a new sandbox, in our terminal. Nobody waits for its end, so only what is asked for bounds it. */
export function shell(argv: readonly string[]): Promise<number> {
  return exitStatus(async () => {
    const { help, quiet, file, args, options, resultFile, review } = parseRunArguments(argv, 'shell');
    if (help) {
      process.stdout.write(HELP);
      return 0;
    }
    if (!process.stdin.isTTY) throw noTerminal();
    const own = { ...options, limits: { wallTime: Infinity, output: Infinity, ...options.limits } };
    if (process.stdout.isTTY && !quiet) process.stderr.write(`spawn-sandbox: ${whatItSees(own)}\n`);
    const command = file === '' ? usualShell() : { file, args };
    const start = (spawn: Spawn, more: SandboxOptions): ReturnType<typeof withTerminal> =>
      withTerminal(command.file, command.args, { ...more, env: { ...command.env, ...own.env }, ...streams }, spawn);
    const streams: SandboxOptions = { stdout: 'inherit', ...(resultFile === undefined ? { collect: false } : {}) };
    const result = await (review === undefined
      ? start(spawnSandbox, own)
      : runReviewed(own, (sandbox, limits) => start((...shell) => sandbox.spawn(...shell), { limits }), review));
    return conclude(result, resultFile);
  });
}

interface Shell {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The user's own one may lie where the sandbox does not see it. */
function usualShell(): Shell {
  if (findInPath('bash', process.env['PATH'] ?? '') === undefined)
    return { file: 'sh', args: ['-i'], env: { PS1: '[sandbox] $ ' } };
  return { file: 'bash', args: [], env: { PS1: '[sandbox] \\w\\$ ' } };
}

function whatItSees(options: SandboxOptions): string {
  const { cwd, mounts, network, root } = resolveOptions(options);
  const shown = [
    root === undefined ? '/usr' : `the root ${root}`,
    ...mounts.map(({ target, access }) => (access === 'readOnly' ? target : `${target} (${access})`)),
  ];
  const net = network === 'none' ? 'no network' : "the host's network";
  return `a new sandbox, in ${cwd}, with ${net}; of the host it sees ${shown.join(', ')}. What else it writes is gone at its end.`;
}

function noTerminal(): SandboxError {
  return new SandboxError('ERR_INVALID_OPTION', 'Cannot run an interactive shell: stdin is not a terminal.', {
    remedy: 'Start it in a terminal, or run commands by: spawn-sandbox run -- bash < FILE',
  });
}
