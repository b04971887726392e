import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { closeSpawner, configureSpawner, spawnSandbox } from 'spawn-sandbox';
import { recordedCgroups } from './cgroup-records.js';
import { descendantsOf, type ProcessId, processesWith, runs, spawnersOf, uniqueMarker } from './marked-processes.js';
import { type Cleaning, temporaryDirectory } from './temporary-directory.js';
import { until } from './until.js';
import { ANY_FORM } from './weaker.js';

export type Victim = 'app' | 'spawner' | 'both';

/** An app of its own that is killed, or whose spawner is. */
export class KilledApp {
  readonly marker = uniqueMarker();
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #lines = new Set<string>();
  readonly #ended: Promise<unknown>;
  #processes: readonly ProcessId[] = [];
  #cgroups: readonly string[] = [];

  /** @param args what the program is given after its state directory; `MARKER` stands for what its commands are known by */
  constructor(context: Cleaning, program: string, args: readonly string[]) {
    this.#directory = temporaryDirectory(context);
    mkdirSync(this.#temporary);
    const given = [this.#state, ...args.map((argument) => (argument === 'MARKER' ? this.marker : argument))];
    this.#child = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url)), ...given], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: this.#temporary },
    });
    context.after(() => this.#child.kill('SIGKILL'));
    this.#ended = once(this.#child, 'close');
    assert.ok(this.#child.stdout);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#lines.add(line));
  }

  get #state(): string {
    return join(this.#directory, 'state');
  }

  get #temporary(): string {
    return join(this.#directory, 'tmp');
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async hasSaid(line: string): Promise<void> {
    await until(`the app says ${line}`, () => this.#lines.has(line) || !this.isRunning, { within: 180_000, every: 1 });
    assert.ok(this.#lines.has(line), `the app ended without saying ${line}`);
  }

  /** Resolves, when the app has ended too, to how many commands were running then. */
  async kill(victim: Victim): Promise<number> {
    const { pid = 0 } = this.#child;
    if (victim === 'spawner') await until('there is a spawner', () => spawnersOf(pid).length > 0 || !this.isRunning);
    const spawners = spawnersOf(pid);
    this.#processes = descendantsOf(pid);
    this.#cgroups = recordedCgroups(this.#state);
    const running = processesWith(this.marker).filter((one) => one !== pid).length;
    if (victim !== 'spawner') this.#child.kill('SIGKILL');
    if (victim !== 'app') spawners.forEach(killQuietly);
    await until('the app has ended', () => !this.isRunning, { within: 30_000 });
    await this.#ended;
    if (victim === 'spawner') assert.equal(this.#child.exitCode, 0, 'the app was told that its spawner has died');
    return running;
  }

  /** Starts and closes the next spawner, and waits until nothing is left of the app. */
  async leavesNothing(mounted: readonly string[]): Promise<void> {
    await until('none of its processes runs', () => !this.#processes.some(runs) && this.#strays(mounted) === '');
    configureSpawner({ stateDirectory: this.#state });
    const { ok, detail } = await spawnSandbox('true', [], ANY_FORM);
    assert.ok(ok, detail);
    await closeSpawner();
    assert.deepEqual(
      this.#cgroups.filter((path) => existsSync(path)),
      [],
    );
    assert.deepEqual(readdirSync(this.#state), ['uid-locks']);
    assert.deepEqual(readdirSync(this.#temporary), []);
    assert.deepEqual(readdirSync(this.#directory).toSorted(), ['state', 'tmp']);
    assert.equal(this.#strays(mounted), '');
  }

  /** Who carries the marker, or has something mounted of one of the directories. */
  #strays(mounted: readonly string[]): string {
    return [...processesWith(this.marker), ...whoMounts(mounted)].join(' ');
  }
}

/** The processes, of all of the machine, that have something mounted of one of the directories. */
export function whoMounts(directories: readonly string[]): readonly string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    const mounts = readQuietly(`/proc/${pid}/mountinfo`);
    return directories.some((directory) => mounts.includes(directory));
  });
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has just ended
  }
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has just ended
  }
}
