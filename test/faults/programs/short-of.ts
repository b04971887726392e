// An app of its own from which something is taken: `node short-of.js STATE-DIRECTORY`. A line of its stdin says how many steps to run at once, each
// under a policy that nothing is ready for; it answers with how they ended. Another step runs all the time, and has to go on.
import { createInterface } from 'node:readline';
import { closeSpawner, configureSpawner, SandboxError, type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { ANY_FORM } from '../../helpers/weaker.js';

const [stateDirectory = '', first = 'first'] = process.argv.slice(2);
let policies = 0;
configureSpawner({ stateDirectory, pool: 1, queueTimeout: '10s' });

function newPolicy(): SandboxOptions {
  return { ...ANY_FORM, limits: { scratch: 2 ** 20 + 4096 * ++policies } };
}

/** `ok`, or the code of an error that says what to do; anything else is told in full. */
async function outcomeOf(options: SandboxOptions): Promise<string> {
  try {
    const { ok, stdout, detail } = await spawnSandbox('echo', ['done'], options);
    return ok && stdout === 'done\n' ? 'ok' : detail;
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    return error.remedy === undefined ? `${error.code} without a remedy: ${error.message}` : error.code;
  }
}

/** Says each word that it hears. */
function startOther(): { hears(word: string): Promise<string>; end(): Promise<boolean> } {
  const step = spawnSandbox('sh', ['-c', 'while read -r line; do echo "$line"; done'], { ...ANY_FORM, stdin: 'pipe' });
  const lines = step[Symbol.asyncIterator]();
  return {
    hears: async (word) => {
      step.stdin?.write(`${word}\n`);
      return String((await lines.next()).value);
    },
    end: async () => {
      step.stdin?.end();
      return (await step).ok;
    },
  };
}

const other = first === 'first' ? startOther() : undefined;
console.log(JSON.stringify([(await other?.hears('up')) ?? 'up']));
for await (const count of createInterface({ input: process.stdin })) {
  const outcomes = await Promise.all(Array.from({ length: Number(count) }, () => outcomeOf(newPolicy())));
  if ((await other?.hears(`after ${count}`)) !== (other && `after ${count}`))
    outcomes.push('the other one does not go on');
  console.log(JSON.stringify(outcomes));
}
if ((await other?.end()) === false) throw new Error('the other one has not ended well');
await closeSpawner();
