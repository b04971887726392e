// An app of its own that is always at work, for tests that kill whatever there is of it: `node load.js STATE-DIRECTORY MOUNTED MARKER SEED`.
// It says in lines of JSON what became of its steps, and hears two words: `probe` (one of each kind is to succeed) and `stop`.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import {
  closeSpawner,
  configureSpawner,
  createSandbox,
  createZygote,
  SandboxError,
  type SandboxOptions,
  spawnSandbox,
  type StepResult,
} from 'spawn-sandbox';
import { countDescriptors, descendantsOf } from '../../helpers/marked-processes.js';
import { ANY_FORM } from '../../helpers/weaker.js';
import { integer, randomNumbers } from '../../helpers/random.js';
import { type Kind, KINDS, type LoadLine, monotonicMs } from './load-lines.js';

/** How long anything may take before it counts as never: far more than a machine needs that does a hundred things at once. */
const NEVER_MS = 60_000;
const WORKERS: Readonly<Record<Kind, number>> = { command: 3, sandbox: 2, warm: 2, deadline: 1 };
const DEADLINE_MS = 150;

const [stateDirectory = '', mounted = '', marker = '', seed = '1'] = process.argv.slice(2);
const random = randomNumbers(Number(seed));
const OPTIONS: SandboxOptions = { ...ANY_FORM, filesystem: { readOnly: [{ source: mounted, target: '/load' }] } };
const ECHO = 'while read -r line; do echo "$line"; done; echo "end $1"';
const WARM_ECHO = (name: string): string =>
  `import sys\nfor line in sys.stdin: sys.stdout.write(line)\nprint("end ${name}")`;
/** What may be said of a step that was killed by somebody else, or whose sandbox, zygote or spawner was. */
const LOSSES = ['ERR_SPAWNER_DIED', 'ERR_STEP_LOST', 'ERR_ZYGOTE', 'ERR_SANDBOX_CLOSED'];
/** Of the command that was to work on a file. */
const ENDED = /was ended: Ended by SIGKILL, which was not sent by the library/;

const done: Record<Kind, number> = { command: 0, sandbox: 0, warm: 0, deadline: 0 };
let lost = 0;
let isOver = false;
let lastName = 0;

function tell(line: LoadLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Neither right nor truthfully lost. */
class WrongResult extends Error {}

function nextName(): string {
  return `${process.pid}-${++lastName}`;
}

/** Lines that no other step is given. */
function lines(name: string): string {
  return Array.from({ length: 1 + integer(random, 60) }, (_, index) => `${name} ${index} ${random()}\n`).join('');
}

/** In pieces, so that kills meet steps in their middle. */
async function* slowly(text: string): AsyncGenerator<string> {
  const middle = integer(random, text.length);
  yield text.slice(0, middle);
  await pause(integer(random, 40));
  yield text.slice(middle);
}

/** Whether it went well; `false` when it was lost, and says so truthfully. */
async function act(kind: Kind, body: () => Promise<void>): Promise<boolean> {
  const from = monotonicMs();
  try {
    await Promise.race([body(), neverWithin(kind)]);
    done[kind]++;
    return true;
  } catch (error) {
    const by = lossOf(error);
    if (by === undefined) tell({ type: 'wrong', kind, detail: String((error as Error).stack) });
    else tell({ type: 'lost', kind, by, from, to: monotonicMs() });
    lost++;
    return false;
  }
}

async function neverWithin(kind: Kind): Promise<never> {
  await pause(NEVER_MS, undefined, { ref: false });
  throw new WrongResult(`a ${kind} has not ended for ${NEVER_MS} ms`);
}

class Killed extends Error {}

function lossOf(error: unknown): string | undefined {
  if (error instanceof Killed) return error.message;
  if (!(error instanceof SandboxError)) return undefined;
  const isLoss = LOSSES.includes(error.code) || (error.code === 'ERR_FILES' && ENDED.test(error.message));
  return isLoss ? `${error.code}: ${error.message}` : undefined;
}

function brief(output: string | Uint8Array): string {
  return `${output.length} bytes, at last ${JSON.stringify(String(output).slice(-200))}`;
}

/** The whole output and a good end; or what it had written until it was killed. */
function check(result: StepResult, expected: string): void {
  const { ok, cause, status, signal, detail, stdout } = result;
  const isKilled = status === -9 && ((cause === 'signal' && signal === 'SIGKILL') || cause === 'destroyed');
  if (ok ? stdout !== expected : !expected.startsWith(String(stdout)))
    throw new WrongResult(`wrote ${brief(stdout)} and not ${brief(expected)}: ${detail}`);
  if (isKilled) throw new Killed(`${cause} SIGKILL`);
  if (!ok) throw new WrongResult(`${cause} ${status}: ${detail} ${String(result.stderr)}`);
}

const BODIES: Readonly<Record<Kind, () => Promise<void>>> = {
  command: async () => {
    const name = nextName();
    const text = lines(name);
    check(
      await spawnSandbox('sh', ['-c', ECHO, marker, name], { ...OPTIONS, input: slowly(text) }),
      `${text}end ${name}\n`,
    );
  },
  warm: async () => {
    const name = nextName();
    const text = lines(name);
    check(await zygote.spawn({ code: WARM_ECHO(name) }, { input: slowly(text) }), `${text}end ${name}\n`);
  },
  sandbox: async () => {
    const sandbox = await createSandbox(OPTIONS);
    try {
      const name = nextName();
      const text = lines(name);
      await sandbox.files.write('kept', text);
      const both = [1, 2].map(
        (index) => sandbox.spawn('sh', ['-c', `exec < kept; ${ECHO}`, marker, `${name} ${index}`]).result,
      );
      const [first, second] = await Promise.all(both);
      check(first as StepResult, `${text}end ${name} 1\n`);
      check(second as StepResult, `${text}end ${name} 2\n`);
      const kept = Buffer.from(await sandbox.files.read('kept')).toString();
      if (kept !== text) throw new WrongResult(`a file held ${brief(kept)} and not ${brief(text)}`);
    } finally {
      await sandbox.destroy();
    }
  },
  deadline: async () => {
    const limits = { wallTime: DEADLINE_MS };
    const result = await spawnSandbox('sh', ['-c', 'read -r line', marker], { ...OPTIONS, limits, stdin: 'pipe' });
    const { cause, usage } = result;
    if (cause !== 'wallTimeout') check(result, '');
    if (cause !== 'wallTimeout' || usage.wallTimeMs < DEADLINE_MS)
      throw new WrongResult(`${cause} after ${usage.wallTimeMs} ms: ${result.detail}`);
  },
};

async function work(kind: Kind): Promise<void> {
  while (!isOver) {
    await act(kind, BODIES[kind]);
    await pause(integer(random, 20));
  }
}

/** Until one of each kind has succeeded: what began just before somebody was found dead may still be lost. */
async function probe(): Promise<number> {
  let tries = 0;
  const succeed = async (kind: Kind): Promise<void> => {
    const since = monotonicMs();
    do {
      tries++;
      if (monotonicMs() - since > NEVER_MS) tell({ type: 'wrong', kind, detail: 'no other one has succeeded since' });
      await pause(1); // what fails at once would keep the event loop from everything else
    } while (!(await act(kind, BODIES[kind])));
  };
  await Promise.all(KINDS.map(succeed));
  return tries;
}

const descriptors = countDescriptors(process.pid);
configureSpawner({ stateDirectory, pool: 2 });
const zygote = await createZygote({ ...OPTIONS, runtime: 'python', parked: 1 });
tell({ type: 'up', tries: await probe() });
const workers = KINDS.flatMap((kind) => Array.from({ length: WORKERS[kind] }, () => work(kind)));
for await (const word of createInterface({ input: process.stdin })) {
  if (word === 'probe') tell({ type: 'well', tries: await probe(), done, lost });
  if (word === 'stop') break;
}
isOver = true;
await Promise.all(workers);
await zygote.destroy();
await closeSpawner();
tell({
  type: 'stopped',
  children: descendantsOf(process.pid).length,
  descriptors: { before: descriptors, after: countDescriptors(process.pid) },
  done,
  lost,
});
