import { readdirSync, readFileSync } from 'node:fs';
import { until } from './until.js';

/** A process of the machine. A pid may be used again, together with the start time it may not. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: string;
  readonly parent: number;
}

interface Seen extends ProcessId {
  readonly name: string;
  readonly state: string;
}

let lastMarker = 0;

/** An argument that no other process has: what carries it was started by this test. */
export function uniqueMarker(): string {
  return `marker-${process.pid}-${Date.now().toString(36)}-${++lastMarker}`;
}

/** The processes with a marker among their arguments, seen from the host: no namespace hides them. Zombies have none. */
export function processesWith(marker: string): readonly number[] {
  return allPids().filter((pid) => readProc(pid, 'cmdline').split('\0').includes(marker));
}

/** Waits until a number of processes carry the marker. */
export async function untilRunning(marker: string, count = 1): Promise<void> {
  await until(`${count} processes with ${marker} run`, () => processesWith(marker).length === count);
}

/** Waits until no process carries the marker any more. */
export async function untilGone(marker: string, within: number): Promise<void> {
  await until(`no process with ${marker} is left`, () => processesWith(marker).length === 0, { within });
}

/** Children, their children and so on. */
export function descendantsOf(ancestor: number): readonly ProcessId[] {
  const all = allPids().flatMap(look);
  const found: Seen[] = [];
  const parents = new Set([ancestor]);
  for (let before = -1; before !== found.length;) {
    before = found.length;
    for (const one of all) {
      if (!parents.has(one.parent) || parents.has(one.pid)) continue;
      parents.add(one.pid);
      found.push(one);
    }
  }
  return found;
}

/** The spawners of an app: one for each of its threads that uses the library. */
export function spawnersOf(app: number): readonly number[] {
  return allPids()
    .flatMap(look)
    .filter(({ parent, name }) => parent === app && name === 'sandbox-spawner')
    .map(({ pid }) => pid);
}

/** Whether it still exists, be it only as a zombie. */
export function exists({ pid, startTime }: ProcessId): boolean {
  return look(pid).some((seen) => seen.startTime === startTime);
}

/** Whether it still runs. An orphan that has ended is a zombie for as long as the machine's init likes. */
export function runs({ pid, startTime }: ProcessId): boolean {
  return look(pid).some((seen) => seen.startTime === startTime && seen.state !== 'Z');
}

/** The name that the kernel keeps of it, and its state. Nothing of a process that is gone. */
export function startedAs({ pid }: ProcessId): string {
  return look(pid)
    .map(({ name, state }) => `${name} ${state}`)
    .join();
}

/** How many descriptors a process has open. */
export function countDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function allPids(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Nothing when it has ended meanwhile. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

function look(pid: number): Seen[] {
  const stat = readProc(pid, 'stat');
  const end = stat.lastIndexOf(')');
  if (end < 0) return [];
  const name = stat.slice(stat.indexOf('(') + 1, end);
  const [state = '', parent = '', ...rest] = stat.slice(end + 2).split(' ');
  return [{ pid, name, state, parent: Number(parent), startTime: rest[17] ?? '' }];
}
