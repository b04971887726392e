// An app of its own, for tests that end it in its middle: `node app-with-steps.js STATE-DIRECTORY COUNT`. It says "running" and waits.
import { configureSpawner, spawnSandbox } from 'spawn-sandbox';
import { ANY_FORM } from './weaker.js';

const [stateDirectory = '', count = '1'] = process.argv.slice(2);
configureSpawner({ stateDirectory });
const steps = Array.from({ length: Number(count) }, () =>
  spawnSandbox('sh', ['-c', 'echo up; (sleep 300 &); sleep 300'], ANY_FORM),
);
for (const step of steps) {
  for await (const line of step) {
    if (line === 'up') break;
  }
}
console.log('running');
await Promise.allSettled(steps); // what becomes of them is told by the test that ends us
