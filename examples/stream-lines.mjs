// Lines in both directions: the app feeds the step piece by piece and sees each answer as soon as it is written.
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnSandbox } from 'spawn-sandbox';

const program = `
import sys
for number in map(int, sys.stdin):
    if number < 0:
        print(f"{number} has no root", file=sys.stderr, flush=True)
    else:
        print(f"the root of {number} is {number ** 0.5:.3f}", flush=True)
`;

async function* questions() {
  for (const number of [2, 16, -1, 1764]) {
    await sleep(50);
    yield `${number}\n`;
  }
}

const started = performance.now();
const step = spawnSandbox('python3', ['-c', program], { input: questions(), limits: { idleTime: '5s' } });
for await (const line of step.lines('both')) {
  console.log(`${(performance.now() - started).toFixed(0).padStart(5)} ms  ${line}`);
}

const result = await step;
console.log(`${result.detail} It wrote ${result.stdout.length} bytes to stdout and ${result.stderr.length} to stderr.`);
