#!/usr/bin/env node
import { EXIT } from './exit-status.js';
import { HELP } from './help.js';
import { packageVersion } from './version.js';

type Verb = (argv: readonly string[]) => Promise<number>;

/** One file per verb, of which only what is asked for is loaded; each answers the exit status. */
const VERBS: Readonly<Record<string, () => Promise<Verb>>> = {
  doctor: async () => (await import('./doctor.js')).doctor,
  run: async () => (await import('./run.js')).run,
  selftest: async () => (await import('./selftest.js')).selftest,
  shell: async () => (await import('./shell.js')).shell,
  unpack: async () => (await import('./unpack.js')).unpack,
};

async function main([verb = '', ...argv]: readonly string[]): Promise<number> {
  if (verb === '--version' || verb === '-v') return say(packageVersion());
  if (verb === '--help' || verb === '-h' || verb === 'help') return say(HELP);
  const load = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (load !== undefined) return (await load())(argv);
  process.stderr.write(verb === '' ? HELP : `spawn-sandbox: Unknown verb '${verb}'. Try spawn-sandbox --help.\n`);
  return EXIT.failed;
}

function say(text: string): number {
  process.stdout.write(`${text.trimEnd()}\n`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
