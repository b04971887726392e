import { SandboxError } from '../errors.js';
import { type ResolvedSpawnerOptions, resolveSpawnerOptions, type SpawnerOptions } from '../options/spawner-options.js';
import { Connection } from './connection.js';
import { loadAddon, requireLinux } from './locate.js';

/** One spawner per thread: each thread has its own copy of this module. */
let current: Connection | undefined;
let configured: ResolvedSpawnerOptions | undefined;
let closing: Promise<void> | undefined;

/** Every handle that must end before the spawner may. */
const running = new Set<{ destroy(): void }>();

/** The spawner of this thread, started now if there is none. */
export function sharedConnection(): Connection {
  if (current?.alive === true) return current;
  current = new Connection(loadAddon(), spawnerOptions());
  return current;
}

/** How this thread's spawner works, or would. */
export function spawnerOptions(): ResolvedSpawnerOptions {
  return configured ?? resolveSpawnerOptions({});
}

/**
 * Sets how the spawner works, before the first step of this thread (or after `closeSpawner()`).
 *
 * @throws SandboxError `ERR_INVALID_OPTION` for a wrong option, and when the spawner is running already.
 */
export function configureSpawner(options: SpawnerOptions): void {
  requireLinux();
  if (current?.alive === true) {
    throw new SandboxError('ERR_INVALID_OPTION', 'configureSpawner() comes too late: the spawner is running.', {
      remedy: 'Call it before the first step, or after `await closeSpawner()`.',
    });
  }
  configured = resolveSpawnerOptions(options);
}

/**
 * Ends the spawner of this thread. Steps that are running end with it, with cause `'destroyed'`. A later step starts a new one.
 *
 * @returns resolves when every step has its result and the spawner's process has ended
 */
export async function closeSpawner(): Promise<void> {
  const connection = current;
  if (connection !== undefined) {
    // Before anything is awaited: a step that starts from now on gets another spawner.
    current = undefined;
    for (const step of running) step.destroy();
    closing = Promise.all([closing, connection.close()]).then(() => undefined);
  }
  await closing;
}

export function trackStep(step: { destroy(): void }): void {
  running.add(step);
}

export function untrackStep(step: { destroy(): void }): void {
  running.delete(step);
}
