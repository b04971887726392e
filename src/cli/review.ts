import { closeSync, openSync, readSync } from 'node:fs';
import { SandboxError } from '../errors.js';
import type { LimitOptions } from '../options/limits.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import type { StepResult } from '../result.js';
import type { Change } from '../sandbox/overlays/change.js';
import { printable, quoted } from '../printable.js';
import { createSandbox } from '../sandbox/sandbox.js';
import type { Sandbox } from '../sandbox/types.js';
import type { ReviewMode } from './run-arguments.js';

/** Runs a command in a sandbox whose overlays are looked at before it is gone. All of it is told on stderr: stdout is the command's. */
export async function runReviewed(
  options: SandboxOptions,
  run: (sandbox: Sandbox, limits: LimitOptions) => PromiseLike<StepResult>,
  mode: ReviewMode,
): Promise<StepResult> {
  // The deadlines are the command's: the sandbox waits for an answer.
  const { wallTime = COMMAND_TIME, idleTime = Infinity, ...limits } = options.limits ?? {};
  const sandbox = await createSandbox({ ...options, limits });
  try {
    const result = await run(sandbox, { wallTime, idleTime });
    await review(sandbox, result, mode);
    return result;
  } finally {
    await sandbox.destroy();
  }
}

async function review(sandbox: Sandbox, result: StepResult, mode: ReviewMode): Promise<void> {
  if (process.stderr.isTTY) process.stderr.write(RESET);
  const changes = await sandbox.changes();
  if (changes.length === 0) {
    say('Nothing was changed.');
    return;
  }
  for (const change of changes) say(lineOf(change));
  if (mode === 'discard' || (mode === 'commit' && !result.ok)) {
    say(mode === 'discard' ? 'Discarded.' : 'Discarded, because the command has not succeeded.');
    return;
  }
  if (mode === 'ask' && !(await isWanted(sandbox))) {
    say('Discarded.');
    return;
  }
  const kept = await sandbox.commit();
  say(`Kept ${kept.length} change${kept.length === 1 ? '' : 's'}.`);
}

/** The command may have left the terminal with hidden letters, other signs for them or a part that does not scroll. */
const RESET = '\u001b[!p\u001b[0m\u001b(B\u000f';

/** As without a review. */
const COMMAND_TIME = '60s';
const SIGNS = { added: 'A', modified: 'M', deleted: 'D' } as const;

/** Others are told. */
const USUAL_MODES = { file: 0o644, directory: 0o755, symlink: 0o777, other: 0o644 } as const;

/** As of a version control system; names that could pass for more than a name, or move the cursor, are quoted. */
function lineOf({ kind, path, now, before, content }: Change): string {
  const name = /^[\p{L}\p{N}\p{M}\p{P}\p{S}]*$/u.test(path) && !/["\\\uFFFD]/.test(path) ? path : quoted(path);
  const mode =
    now !== undefined && now.mode !== (before?.mode ?? USUAL_MODES[now.type]) ? ` mode ${now.mode.toString(8)}` : '';
  const link = now?.link === undefined ? '' : ` -> ${quoted(now.link)}`;
  const size = now?.type === 'file' && content ? ` ${now.size} bytes` : '';
  const type = now?.type ?? before?.type ?? '';
  return `${SIGNS[kind]} ${name}${type === 'file' ? '' : ` (${type})`}${link}${size}${mode}`;
}

/**
 * Asks whoever sits at the terminal; stdin may be the command's. It waits in the read: a terminal that is watched would take what is typed ahead, and
 * nothing else is to be done meanwhile.
 */
async function isWanted(sandbox: Sandbox): Promise<boolean> {
  const terminal = openTerminal();
  try {
    for (;;) {
      process.stderr.write('Keep these changes? [y]es, [N]o, show the [d]ifference: ');
      const answer = readLine(terminal).trim().toLowerCase();
      if (answer !== 'd') return answer === 'y' || answer === 'yes';
      process.stderr.write(printable(await sandbox.diff(), '\n\t'));
    }
  } finally {
    closeSync(terminal);
  }
}

/** Empty at the end of what is typed. */
function readLine(terminal: number): string {
  const line = Buffer.alloc(1024);
  return line.toString('utf8', 0, readSync(terminal, line));
}

function openTerminal(): number {
  try {
    return openSync('/dev/tty', 'r');
  } catch (cause) {
    throw new SandboxError('ERR_INVALID_OPTION', '--review asks on a terminal, and there is none. Nothing was kept.', {
      cause,
      remedy: 'Use --commit or --discard in scripts.',
    });
  }
}

function say(line: string): void {
  process.stderr.write(`spawn-sandbox: ${line}\n`);
}
