import { readdirSync, readFileSync } from 'node:fs';

/** Every process below this one, with its depth: 1 spawner, 2 maker, 3 init, 4 and more what runs in the sandbox. */
export function descendants(root = process.pid) {
  const children = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const status = read(`/proc/${entry}/stat`);
    if (status === undefined) continue;
    const parent = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [];
  const walk = (pid, depth) => {
    for (const child of children.get(pid) ?? []) {
      found.push({ pid: child, depth, name: read(`/proc/${child}/comm`)?.trim() ?? '' });
      walk(child, depth + 1);
    }
  };
  walk(root, 1);
  return found;
}

/** The spawner of this process. */
export function spawnerPid() {
  return descendants().find(({ depth, name }) => depth === 1 && name === 'sandbox-spawner')?.pid;
}

/** Bytes of a process: its share of all pages, what only it has, and what of that it wrote. `undefined` where that may not be read. */
export function memoryOf(pid) {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  if (rollup === undefined) return undefined;
  const field = (name) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) * 1024;
  return { share: field('Pss'), own: field('Private_Clean') + field('Private_Dirty'), dirty: field('Private_Dirty') };
}

const TICK_MS = 10;

/** Milliseconds of processor time of a process, and of those of its children that have ended and that it waited for. */
export function processorMs(pid) {
  const status = read(`/proc/${pid}/stat`);
  if (status === undefined) return undefined;
  const [user, system, usersBelow, systemBelow] = status
    .slice(status.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map((ticks) => Number(ticks) * TICK_MS);
  return { own: user + system, waitedFor: usersBelow + systemBelow };
}

export function descriptorCount(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined;
  }
}

export function mountCount(pid) {
  return read(`/proc/${pid}/mountinfo`)?.trim().split('\n').length;
}

export function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // it ended, or is not ours to look at
  }
}
