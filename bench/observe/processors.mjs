import { sum } from '../statistics.mjs';
import { machineCpuMs } from './machine.mjs';
import { descendants, processorMs } from './processes.mjs';

/** Whose processor time is told apart. */
export const SHARES = ['app', 'spawner', 'makers', 'zygote', 'steps', 'kernel'];
/** The parent of the kernel's own threads. */
const KTHREADD = 2;

/**
 * Starts to watch who uses the processors; the returned function tells it: the milliseconds of each share, and how many processors
 * those kept busy, and all that is not ours.
 */
export function watchProcessors() {
  const before = processorTime();
  const begun = performance.now();
  return () => {
    const elapsed = performance.now() - begun;
    const { machine, ...spent } = since(before, processorTime());
    const ours = sum(Object.values(spent));
    return { elapsed, spent, ours: ours / elapsed, others: Math.max(0, machine - ours) / elapsed };
  };
}

/**
 * Milliseconds so far: of the machine, and of each process with the share that it belongs to. What has ended is counted where it
 * was waited for: a zygote's short-lived processes with the zygote, sandboxes with the init above them.
 */
function processorTime() {
  const { user, system } = process.cpuUsage();
  const spent = new Map([
    ['machine', { share: 'machine', millis: machineCpuMs() }],
    ['app', { share: 'app', millis: (user + system) / 1000 }],
  ]);
  for (const { pid } of descendants(KTHREADD)) {
    spent.set(pid, { share: 'kernel', millis: processorMs(pid)?.own ?? 0 });
  }
  for (const found of descendants()) {
    const { share, below } = shareOf(found);
    const { own, waitedFor } = processorMs(found.pid) ?? { own: 0, waitedFor: 0 };
    spent.set(found.pid, { share, millis: below ? waitedFor : own });
    if (share === 'zygote') spent.set(`${found.pid} forks`, { share, millis: waitedFor });
  }
  return spent;
}

function shareOf({ depth, name }) {
  if (depth === 1) return { share: 'spawner' };
  if (depth === 2) return { share: 'makers' };
  if (depth === 3) return { share: 'steps', below: true };
  return { share: depth === 4 && !name.startsWith('sandbox') ? 'zygote' : 'unfinished' };
}

/** A process that is new has spent all of its time since; one that is gone has left it to whoever waited for it. */
function since(before, after) {
  const spent = Object.fromEntries(['machine', ...SHARES].map((share) => [share, 0]));
  for (const [key, { share, millis }] of after) {
    if (share in spent) spent[share] += millis - (before.get(key)?.millis ?? 0);
  }
  return spent;
}
