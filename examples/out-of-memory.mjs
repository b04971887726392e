// A step that wants more memory than it may have is ended, and the result says why, with evidence.
import { spawnSandbox } from 'spawn-sandbox';

const hog = `
blocks = []
while True:
    blocks.append(bytearray(1 << 20))
`;

const result = await spawnSandbox('python3', ['-c', hog], { limits: { memory: '64MiB' } });
const { peakMemoryBytes, wallTimeMs } = result.usage;

console.log(`status:   ${result.status}`);
console.log(`cause:    ${result.cause}`);
console.log(`detail:   ${result.detail}`);
console.log(
  `peak:     ${peakMemoryBytes === undefined ? 'not known' : `${(peakMemoryBytes / 2 ** 20).toFixed(1)} MiB`}`,
);
console.log(`lived:    ${wallTimeMs.toFixed(0)} ms`);
console.log(`limited:  ${result.enforced.memory.by} (${result.enforced.memory.state})`);
process.exitCode = result.cause === 'oom' && result.status === -9 ? 0 : 1;
