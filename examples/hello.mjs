// The shortest use: run something confined, read its lines, look at what became of it.
import { spawnSandbox } from 'spawn-sandbox';

const step = spawnSandbox('python3', ['-c', 'print(6 * 7)'], { limits: { memory: '256MiB', wallTime: '10s' } });
for await (const line of step) console.log(line);

const { ok, status, cause } = await step;
console.log(`ok: ${ok}, status: ${status}, cause: ${cause}`);
