// A short tour: `npm start`. Every statement is checked while it is made; the exit status is 0 only if all of them hold.
import { closeSpawner } from 'spawn-sandbox';
import { crunch } from './tour/crunch.mjs';
import { layers } from './tour/layers.mjs';
import { verdict } from './tour/print.mjs';
import { noNetwork, noSecrets, tooMuchMemory, tooMuchTime } from './tour/refusals.mjs';
import { speed } from './tour/speed.mjs';
import { warm } from './tour/warm.mjs';

const started = performance.now();
console.log('spawn-sandbox runs code that nobody should trust. A short tour, on this machine, right now:');

const first = await crunch();
await tooMuchMemory();
await tooMuchTime();
await noNetwork();
await noSecrets();
await speed();
await warm();
layers(first);

await closeSpawner();
process.exitCode = verdict(performance.now() - started);
