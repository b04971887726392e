// An app of its own that is always at work over overlays, for tests that end it in its middle:
// `node app-with-overlays.js STATE-DIRECTORY ORIGINAL WRITABLE MARKER`. It says "up" when the first command has ended, and
// ends itself, with status 0, when it is told that its spawner has died.
import {
  configureSpawner,
  createSandbox,
  SandboxError,
  type SandboxOptions,
  spawnSandbox,
  type StepResult,
} from 'spawn-sandbox';
import { runOperations } from './file-operations.js';
import { ANY_FORM } from './weaker.js';

const [stateDirectory = '', original = '', writable = '', marker = ''] = process.argv.slice(2);
configureSpawner({ stateDirectory, pool: 2 });

const OPTIONS: SandboxOptions = {
  ...ANY_FORM,
  filesystem: {
    overlay: [{ source: original, target: '/work' }],
    writable: [{ source: writable, target: '/out' }],
    hide: ['/work/secret', '/out/secret', '/work/**/*.key'],
    protect: ['/work/d/deep', '/out/kept'],
  },
  cwd: '/work',
};

let seed = process.pid;

function work(): readonly [string, readonly string[]] {
  return ['sh', ['-c', runOperations(seed++, 20), marker]];
}

function check({ cause, detail, stderr }: StepResult): void {
  if (cause !== 'exit') throw new Error(`a command ended by ${cause}: ${detail} ${String(stderr)}`);
  process.stdout.write('up\n');
}

async function oneShots(): Promise<never> {
  for (;;) check(await spawnSandbox(...work(), OPTIONS));
}

async function living(): Promise<never> {
  for (;;) {
    const sandbox = await createSandbox(OPTIONS);
    for (const result of await Promise.all([sandbox.spawn(...work()), sandbox.spawn(...work())])) check(result);
    await sandbox.changes();
    await sandbox.diff();
    await sandbox.discard();
    check(await sandbox.spawn(...work()));
    await sandbox.destroy();
  }
}

try {
  await Promise.all([oneShots(), living(), living()]);
} catch (error) {
  if (!(error instanceof SandboxError) || error.code !== 'ERR_SPAWNER_DIED') throw error;
  process.exit(0);
}
