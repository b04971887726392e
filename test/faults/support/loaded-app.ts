import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ProcessId, spawnersOf, startedAs, uniqueMarker } from '../../helpers/marked-processes.js';
import { type Cleaning, temporaryDirectory } from '../../helpers/temporary-directory.js';
import { until } from '../../helpers/until.js';
import { readProc } from '../../helpers/zygote-processes.js';
import { type LoadLine, monotonicMs } from '../programs/load-lines.js';
import { candidates, type Victim } from './population.js';
import { pick, type Random } from '../../helpers/random.js';

const PROGRAM = fileURLToPath(new URL('../programs/load.js', import.meta.url));
const WITHIN = { within: 90_000, every: 5 };

/** Directories of apps that follow each other: what one has left lies where the next one sweeps. */
export class Places {
  readonly state: string;
  readonly temporary: string;
  readonly mounted: string;

  constructor(context: Cleaning) {
    const directory = temporaryDirectory(context);
    this.state = join(directory, 'state');
    this.temporary = join(directory, 'tmp');
    this.mounted = join(directory, 'mounted');
    for (const each of [this.temporary, this.mounted]) mkdirSync(each);
  }
}

type LineOf<Type> = Extract<LoadLine, { readonly type: Type }>;

/** A kill: when, in milliseconds of the machine's clock, and of whom. */
export interface Strike {
  readonly victim: Victim;
  readonly at: number;
  readonly who: string;
}

/** A running `load.js`. */
export class LoadedApp {
  readonly marker = uniqueMarker();
  readonly lost: LineOf<'lost'>[] = [];
  readonly wrong: LineOf<'wrong'>[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #answers: LoadLine[] = [];

  constructor(context: Cleaning, { state, temporary, mounted }: Places, seed: number) {
    this.#child = spawn(process.execPath, [PROGRAM, state, mounted, this.marker, String(seed)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, TMPDIR: temporary },
    });
    context.after(() => this.#child.kill('SIGKILL'));
    this.#ended = once(this.#child, 'close');
    assert.ok(this.#child.stdout);
    createInterface({ input: this.#child.stdout }).on('line', (text) => {
      this.#hear(JSON.parse(text) as LoadLine);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #hear(line: LoadLine): void {
    if (line.type === 'lost') this.lost.push(line);
    else if (line.type === 'wrong') this.wrong.push(line);
    else this.#answers.push(line);
  }

  async #answer<Type extends LoadLine['type']>(type: Type): Promise<LineOf<Type>> {
    const found = (): LoadLine | undefined => this.#answers.find((line) => line.type === type);
    const isOver = (): boolean => found() !== undefined || this.wrong.length > 0 || !this.isRunning;
    await until(`the load is ${type}`, isOver, WITHIN);
    assert.deepEqual(this.wrong, [], `while it was to be ${type}; ${this.lost.length} were lost`);
    const answer = found();
    assert.ok(answer, `the app ended and was not ${type}`);
    this.#answers = this.#answers.filter((line) => line !== answer);
    return answer as LineOf<Type>;
  }

  async isUp(): Promise<void> {
    await this.#answer('up');
  }

  /** One of each kind succeeds. */
  async isWell(): Promise<LineOf<'well'>> {
    this.#child.stdin?.write('probe\n');
    return await this.#answer('well');
  }

  /** Ends by itself, and says what it has left. */
  async stop(): Promise<LineOf<'stopped'>> {
    this.#child.stdin?.end('stop\n');
    const answer = await this.#answer('stopped');
    await this.#ended;
    assert.equal(this.#child.exitCode, 0);
    return answer;
  }

  /**
   * Kills one of these, if there is any at this moment.
   *
   * @returns nothing if there was none
   */
  async strike(victim: Victim, random: Random): Promise<Strike | undefined> {
    if (victim === 'app' || victim === 'app and spawner') {
      const spawners = spawnersOf(this.pid);
      this.#child.kill('SIGKILL');
      if (victim === 'app and spawner') spawners.forEach((pid) => killed({ pid }));
      await this.#ended;
      return { victim, at: monotonicMs(), who: victim };
    }
    const chosen = pick(random, candidates(this.pid, victim, this.marker));
    if (chosen === undefined) return undefined;
    const who = `${startedAs(chosen)} ${readProc(chosen.pid, 'cmdline').replaceAll('\0', ' ').slice(0, 60)}`;
    const at = monotonicMs();
    return killed(chosen) ? { victim, at, who } : undefined;
  }

  /** Until `go()`, which is still possible when the app is dead. */
  stopSpawner(): { go(): void } {
    const spawners = spawnersOf(this.pid);
    for (const pid of spawners) process.kill(pid, 'SIGSTOP');
    let stopped = true;
    return {
      go: () => {
        if (stopped) for (const pid of spawners) process.kill(pid, 'SIGCONT');
        stopped = false;
      },
    };
  }
}

/** Whether it was there to be killed. */
function killed({ pid }: Pick<ProcessId, 'pid'>): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false; // it has just ended
  }
}
