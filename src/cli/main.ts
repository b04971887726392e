#!/usr/bin/env node
import { doctor } from './doctor.js';
import { EXIT } from './exit-status.js';
import { HELP } from './help.js';
import { run } from './run.js';
import { shell } from './shell.js';
import { unpack } from './unpack.js';
import { packageVersion } from './version.js';

/** One file per verb; each answers the exit status. */
const VERBS: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = {
  doctor,
  run,
  shell,
  unpack,
};

async function main([verb = '', ...argv]: readonly string[]): Promise<number> {
  if (verb === '--version' || verb === '-v') return say(packageVersion());
  if (verb === '--help' || verb === '-h' || verb === 'help') return say(HELP);
  const handler = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (handler !== undefined) return handler(argv);
  process.stderr.write(verb === '' ? HELP : `spawn-sandbox: Unknown verb '${verb}'. Try spawn-sandbox --help.\n`);
  return EXIT.failed;
}

function say(text: string): number {
  process.stdout.write(`${text.trimEnd()}\n`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
