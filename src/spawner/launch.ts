import type { Readable } from 'node:stream';
import { SandboxError } from '../errors.js';
import { spawnerPath } from './locate.js';

/** Its last words; what comes before is of little use. */
const STDERR_KEPT = 4096;

/** The running spawner, as far as the client cares. */
export interface SpawnerProcess {
  readonly pid: number | undefined;
  /** Resolves, never rejects, when it has ended: how, in words. */
  readonly ended: Promise<string>;
  /** What it wrote to stderr, the last 4 KiB of it. */
  lastWords(): string;
  kill(): void;
  /** Let the event loop wait for its end. */
  ref(): void;
}

/**
 * Starts the spawner with one end of the channel as descriptor 3. It ends itself when the other end closes, however
 * this process ends, so nobody has to end it; and it keeps the event loop alive only after `ref()`.
 */
export async function launchSpawner(descriptor: number): Promise<SpawnerProcess> {
  const path = spawnerPath();
  // Imported here: it takes longer than everything else that the library loads.
  const { execa } = await import('execa');
  const child = execa(path, [], {
    // A descriptor's number is passed on as it is; execa's types know that for the first three only.
    stdio: ['ignore', 'ignore', 'pipe', descriptor as unknown as 'ignore'],
    detached: false,
    cleanup: false,
    buffer: false,
    reject: false,
    extendEnv: false,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    cwd: '/',
  });
  const words = keepLastWords(child.stderr);
  child.unref();
  return {
    pid: child.pid,
    ended: child.then(describeEnd),
    lastWords: words,
    kill: () => child.kill('SIGKILL'),
    ref: () => {
      child.ref();
    },
  };
}

function keepLastWords(stderr: Readable): () => string {
  let words = '';
  stderr.setEncoding('utf8');
  stderr.on('data', (text: string) => {
    words = (words + text).slice(-STDERR_KEPT);
  });
  (stderr as Readable & { unref?: () => void }).unref?.();
  return () => words.trim();
}

interface End {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly code?: string | undefined;
  readonly shortMessage?: string | undefined;
}

function describeEnd(result: End): string {
  if (result.signal !== undefined) return `was ended by ${result.signal}`;
  if (result.exitCode !== undefined) return `exited with status ${result.exitCode}`;
  return `could not be started: ${result.shortMessage ?? result.code ?? 'unknown reason'}`;
}

/** The error of every step that was waiting for a spawner that is gone. */
export function spawnerDied(how: string, lastWords: string): SandboxError {
  const said = lastWords === '' ? '' : ` It said: ${lastWords}`;
  const started = !how.startsWith('could not be started');
  return new SandboxError(started ? 'ERR_SPAWNER_DIED' : 'ERR_SPAWNER_START', `The spawner ${how}.${said}`, {
    remedy: started ? 'The next step starts a new one. Steps that were running have been ended with it.' : undefined,
  });
}

/** The error when there never was a spawner. */
export function cannotLaunch(cause: unknown): SandboxError {
  if (cause instanceof SandboxError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SandboxError('ERR_SPAWNER_START', `Cannot start the spawner: ${reason}.`, { cause });
}
