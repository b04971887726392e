// An app of its own with deadlines that are running, for a test that stops it in its middle: `node stoppable.js STATE-DIRECTORY MARKER`.
// It says "running" when all steps are, and at last how each ended, as JSON.
import { closeSpawner, configureSpawner, createSandbox, spawnSandbox, type Step } from 'spawn-sandbox';
import { ANY_FORM } from '../../helpers/weaker.js';

const [stateDirectory = '', marker = ''] = process.argv.slice(2);
configureSpawner({ stateDirectory });
const sandbox = await createSandbox({ ...ANY_FORM, limits: { wallTime: '2s' } });
const says = (script: string): readonly [string, readonly string[]] => ['sh', ['-c', `echo up; ${script}`, marker]];
const steps: Readonly<Record<string, Step>> = {
  wall: spawnSandbox(...says('while :; do read -r line; done'), {
    ...ANY_FORM,
    stdin: 'pipe',
    limits: { wallTime: '1s' },
  }),
  cpu: spawnSandbox(...says('while :; do :; done'), { ...ANY_FORM, limits: { cpuTime: '500ms' } }),
  // Its pipe is full soon, for nobody reads it.
  flooding: spawnSandbox(...says('while :; do echo more; done'), {
    ...ANY_FORM,
    limits: { wallTime: '1s', output: Infinity },
  }),
  // Says something more often than it must, and is not to be taken for silent because nobody listened.
  talking: spawnSandbox('sh', ['-c', 'echo up; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.25; echo $i; done'], {
    ...ANY_FORM,
    limits: { idleTime: '1500ms' },
  }),
  inSandbox: sandbox.spawn(...says('while :; do read -r line; done'), { stdin: 'pipe' }),
};
for (const step of Object.values(steps)) {
  for await (const line of step) if (line === 'up') break;
}
console.log('running');
const ends = await Promise.all(
  Object.entries(steps).map(async ([name, step]) => {
    const { cause, scope, usage, stdout } = await step;
    const last = String(stdout).trim().split('\n').at(-1);
    return [name, { cause, scope, wallTimeMs: usage.wallTimeMs, last }] as const;
  }),
);
const { cause } = await sandbox.ended;
const next = await spawnSandbox('echo', ['next'], ANY_FORM);
await closeSpawner();
console.log(JSON.stringify({ ...Object.fromEntries(ends), sandbox: { cause }, next: next.stdout }));
