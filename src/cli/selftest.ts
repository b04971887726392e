import { parseArgs } from 'node:util';
import { printable } from '../printable.js';
import { selftestReport, selftestText } from '../selftest/report.js';
import { runChecks } from '../selftest/run.js';
import { commandTarget, ownTarget, type Target } from '../selftest/target.js';
import { EXIT } from './exit-status.js';
import { packageVersion } from './version.js';

const USAGE = `Usage: spawn-sandbox selftest [--json] [--verbose] [--allow-missing LAYER,...] [--allow-weaker LAYER,...]
       spawn-sandbox selftest [--json] [--verbose] --via 'COMMAND [ARG...]'

Attacks a sandbox from inside in several hundred ways, each of which is tried without a sandbox, too: only what succeeds
there proves something. Then it tries what programs need. --via points it at another sandbox: the command line up to where
the command begins, as in --via 'bwrap --ro-bind / / --unshare-all --'; {writable} in it stands for a directory that it is
to show for writing at the same path. Takes half a minute, up to a GiB of memory and 300 processes, and harms nothing.
Exit status: 0 when nothing is broken, 1 when something is, 125 when it cannot be tried.
`;

const FLAGS = {
  json: { type: 'boolean' },
  verbose: { type: 'boolean' },
  via: { type: 'string' },
  'allow-missing': { type: 'string' },
  'allow-weaker': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** `spawn-sandbox selftest` */
export async function selftest(argv: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({ args: [...argv], options: FLAGS, strict: true, allowPositionals: false });
    if (values.help === true) return say(USAGE, 0);
    const started = performance.now();
    const target = targetOf(values);
    const results = await runChecks(target, { onProgress });
    const seconds = Math.round((performance.now() - started) / 1000);
    const report = selftestReport(results, { target: target.name, version: packageVersion(), seconds });
    const { broken, fails } = report.score;
    const text = values.json === true ? `${JSON.stringify(report, null, 2)}\n` : selftestText(report, values);
    return say(text, broken + fails === 0 ? 0 : 1);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`spawn-sandbox: ${printable(message, '\n\t')}\n`);
    return EXIT.failed;
  }
}

interface Values {
  readonly via?: string | undefined;
  readonly 'allow-missing'?: string | undefined;
  readonly 'allow-weaker'?: string | undefined;
}

function targetOf({ via, ...accepted }: Values): Target {
  const names = ['allow-missing', 'allow-weaker'] as const;
  if (via === undefined) return ownTarget(names.flatMap((name) => flag(name, accepted[name])));
  const refused = names.find((name) => accepted[name] !== undefined);
  if (refused !== undefined) throw new Error(`--${refused} is for sandboxes of spawn-sandbox, not for --via.`);
  return commandTarget(via);
}

function flag(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [`--${name}`, value];
}

function onProgress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`selftest: ${what}\n`);
}

function say(text: string, status: number): number {
  process.stdout.write(text);
  return status;
}
