import type { SandboxOptions } from '../options/sandbox-options.js';
import { spawnSandbox } from '../spawn-sandbox.js';
import { HELP } from './help.js';
import { conclude, exitStatus, relayed } from './relay.js';
import { parseRunArguments } from './run-arguments.js';
import { type Spawn, withTerminal } from './terminal.js';

/** `spawn-sandbox run`: the step's streams are ours, and so is its exit status. */
export function run(argv: readonly string[]): Promise<number> {
  return exitStatus(async () => {
    const { help, terminal, file, args, options, resultFile, review } = parseRunArguments(argv);
    if (help) {
      process.stdout.write(HELP);
      return 0;
    }
    const streams: SandboxOptions = { stdout: 'inherit', ...(resultFile === undefined ? { collect: false } : {}) };
    const start = (spawn: Spawn, own: SandboxOptions): ReturnType<typeof relayed> =>
      terminal
        ? withTerminal(file, args, { ...own, ...streams }, spawn)
        : relayed(spawn(file, args, { ...own, ...streams, stdin: 'pipe', stderr: 'inherit' }));
    const result = await (review === undefined
      ? start(spawnSandbox, options)
      : (await import('./review.js')).runReviewed(
          options,
          (sandbox, limits) => start((...command) => sandbox.spawn(...command), { limits }),
          review,
        ));
    return conclude(result, resultFile);
  });
}
