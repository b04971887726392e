// An app of its own that is always at work over overlays, for tests that end it in its middle:
// `node app-with-overlays.js STATE-DIRECTORY ORIGINAL WRITABLE MARKER`. It says "up" when the first command has ended, and
// ends itself, with status 0, when it is told that its spawner has died.
import {
  closeSpawner,
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
    overlay: [{ source: original, target: '/project' }],
    writable: [{ source: writable, target: '/out' }],
    hide: ['/project/secret', '/out/secret', '/project/**/*.key'],
    protect: ['/project/d/deep', '/out/kept'],
  },
  cwd: '/project',
};

let seed = process.pid;

function work(): readonly [string, readonly string[]] {
  return ['sh', ['-c', runOperations(seed++, 20), marker]];
}

function check({ cause, detail, stderr }: StepResult): void {
  if (cause !== 'exit') throw new Error(`a command ended by ${cause}: ${detail} ${String(stderr)}`);
  process.stdout.write('up\n');
}

async function oneShot(): Promise<void> {
  check(await spawnSandbox(...work(), OPTIONS));
}

async function living(): Promise<void> {
  const sandbox = await createSandbox(OPTIONS);
  for (const result of await Promise.all([sandbox.spawn(...work()), sandbox.spawn(...work())])) check(result);
  await sandbox.files.write('written', 'x'.repeat(100_000));
  await sandbox.files.list('.');
  await sandbox.changes();
  await sandbox.diff();
  await sandbox.discard();
  check(await sandbox.spawn(...work()));
  await sandbox.destroy();
}

/** Again and again, until one of those that do something has heard that the spawner has died. */
async function repeat(act: () => Promise<void>): Promise<void> {
  while (!isOver) {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof SandboxError) || !EXPECTED.includes(error.code)) throw error;
      isOver = true;
    }
  }
}

let isOver = false;
/** The latter when it has died between two commands of a sandbox. */
const EXPECTED = ['ERR_SPAWNER_DIED', 'ERR_SANDBOX_CLOSED'];

await Promise.all([oneShot, living, living].map(repeat));
await closeSpawner();
