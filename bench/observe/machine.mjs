import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

const TICK_MS = 10;

/** Processor time that the whole machine has spent, in milliseconds: everything but idle, waiting for disks, and guests (counted twice). */
export function machineCpuMs() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_MS;
}

export function availableBytes() {
  return Number(/^MemAvailable: +(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? NaN) * 1024;
}

export function describeMachine() {
  return {
    kernel: `Linux ${release()} ${process.arch}`,
    node: process.version,
    processors: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    user: process.geteuid?.() === 0 ? 'root' : 'an ordinary user',
  };
}
