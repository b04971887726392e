// An app of its own that leases identities without end: `node leaser.js STATE-DIRECTORY RANGE-START RANGE-COUNT AT-ONCE`. Each step says whom the
// host takes it for, and from when to when it was that; each line of stdin that is "go on" asks for a line as soon as ten more have ended well.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { closeSpawner, configureSpawner, SandboxError, spawnSandbox } from 'spawn-sandbox';
import { isRoot } from '../../helpers/privileges.js';
import { ANY_FORM } from '../../helpers/weaker.js';
import type { Lease } from './lease.js';

const [stateDirectory = '', start = '', count = '', atOnce = '4'] = process.argv.slice(2);
const uidRange = { start: Number(start), count: Number(count) };
configureSpawner({ stateDirectory, pool: 1, queueTimeout: '60s', ...(isRoot ? { uidRange } : {}) });

/** `/proc/uptime` counts hundredths of a second, the same for all sandboxes. */
const SCRIPT = `
read -r from rest < /proc/uptime
while read -r inside outside count; do echo "$outside"; done < /proc/self/uid_map
sleep 0.05
read -r to rest < /proc/uptime
echo "$from $to"`;

let leases: Lease[] = [];
let isOver = false;

async function work(): Promise<void> {
  while (!isOver) {
    const result = await spawnSandbox('sh', ['-c', SCRIPT], ANY_FORM).result.catch(unlessAllAreLeased);
    if (result === undefined) continue;
    const { ok, stdout, detail, stderr } = result;
    if (!ok) throw new Error(`${detail} ${String(stderr)}`);
    const lines = String(stdout).trim().split('\n');
    const [from = 0, to = 0] = (lines.pop() ?? '').split(' ').map(Number);
    leases.push({ uids: lines.map(Number), from, to });
    if (leases.length >= 10) enough?.();
  }
}

/** The other app may have all that there are, for a moment. */
async function unlessAllAreLeased(error: unknown): Promise<undefined> {
  if (!(error instanceof SandboxError) || error.path !== 'host user ids') throw error;
  await pause(20);
}

let enough: (() => void) | undefined;
const workers = Promise.all(Array.from({ length: Number(atOnce) }, work));
for await (const word of createInterface({ input: process.stdin })) {
  if (word !== 'go on') break;
  leases = [];
  await Promise.race([new Promise<void>((resolve) => (enough = resolve)), workers]);
  console.log(JSON.stringify(leases));
}
isOver = true;
await workers;
await closeSpawner();
