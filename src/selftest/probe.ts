import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { SandboxError } from '../errors.js';
import { proberPath } from '../spawner/locate.js';
import type { Answer } from './check.js';
import { planText, parseReport, type PlanLine } from './plan.js';
import type { Stage } from './stage.js';
import type { Target } from './target.js';

/** Longer than any check takes (`LONGEST_S` in `native/selftest/main.c`). */
const SILENCE_MS = 60_000;
/** For a launcher to end when its command has, also where that has left somebody behind. */
const END_MS = 5_000;
/** For what may still be on its way when the command has ended. */
const LINGER_MS = 500;
const ERRORS_KEPT = 2_000;

/** For sandboxes that do not show where the prober lies: it comes by stdin, before the plan. Its length is the first argument. */
const TAKE_FROM_STDIN =
  'for d in /tmp /dev/shm /var/tmp "$HOME" .; do p="$d/selftest-prober-$$"; if : 2>/dev/null > "$p"; then break; fi; done; dd bs="$1" count=1 iflag=fullblock of="$p" 2>/dev/null && chmod 700 "$p" && { "$p"; s=$?; rm -f "$p"; exit $s; }';

export type Answers = ReadonlyMap<string, Answer>;

/** Runs plans in one sandbox after another until each of their lines has an answer. */
export class Prober {
  readonly #target: Target;
  readonly #stage: Stage;
  #byStdin = false;

  constructor(target: Target, stage: Stage) {
    this.#target = target;
    this.#stage = stage;
  }

  /** What starts the prober itself. */
  get command(): readonly string[] {
    const program = proberPath();
    return [...this.#target.command(program, this.#stage.writable), program];
  }

  /** @throws {SandboxError} when the prober cannot be run in it at all */
  async answers(lines: readonly PlanLine[]): Promise<Answers> {
    const answers = new Map<string, Answer>();
    for (let left = lines; left.length > 0; left = left.filter(({ id }) => !answers.has(id))) {
      const run = await this.#run(left, answers);
      // Whoever ends at a call ends all: the next one begins behind it.
      if (run.begun !== undefined && !answers.has(run.begun))
        answers.set(run.begun, { kind: run.silent ? 'hung' : 'ended' });
      else if (!run.progressed) this.#giveUp(run.errors);
    }
    return answers;
  }

  #giveUp(errors: string): void {
    if (!this.#byStdin) {
      this.#byStdin = true;
      return;
    }
    throw new SandboxError(
      'ERR_COMMAND_NOT_EXECUTABLE',
      `The selftest cannot run its program by: ${this.#target.name}.`,
      {
        remedy: `It is ${proberPath()}; the sandbox must show it, or have a directory for temporary files. It said:\n${errors}`,
      },
    );
  }

  async #run(lines: readonly PlanLine[], answers: Map<string, Answer>): Promise<Run> {
    const run = new Run(this.#start(planText(lines)), answers);
    await run.end();
    run.errors ||= readFileSync(this.#stage.errors, 'utf8').slice(-ERRORS_KEPT);
    return run;
  }

  #start(plan: string): ChildProcess {
    const program = proberPath();
    const before = this.#target.command(program, this.#stage.writable);
    const bytes = this.#byStdin ? readFileSync(program) : Buffer.alloc(0);
    const [file, ...args] = this.#byStdin
      ? [...before, '/bin/sh', '-c', TAKE_FROM_STDIN, 'sh', String(bytes.length)]
      : [...before, program];
    const errors = openSync(this.#stage.errors, 'w');
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', errors, this.#stage.descriptor],
      env: { ...process.env, SPAWN_SANDBOX_SELFTEST: this.#stage.token },
    });
    closeSync(errors);
    child.stdin?.on('error', () => undefined); // who does not begin takes none
    child.stdin?.end(Buffer.concat([bytes, Buffer.from(plan)]));
    return child;
  }
}

/** One command, from its start to its end. */
class Run {
  begun: string | undefined;
  progressed = false;
  silent = false;
  errors = '';
  readonly #child: ChildProcess;
  readonly #answers: Map<string, Answer>;
  #timer: NodeJS.Timeout | undefined;

  constructor(child: ChildProcess, answers: Map<string, Answer>) {
    this.#child = child;
    this.#answers = answers;
    const { stdout } = child;
    if (stdout === null) throw new Error('the prober has no output');
    createInterface({ input: stdout }).on('line', (line) => {
      this.#take(line);
    });
    this.#beSilent();
  }

  /** It does not wait for somebody who keeps the output open. */
  async end(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    await new Promise<void>((resolve) => {
      this.#child.once('exit', resolve);
      this.#child.once('error', ({ message }) => {
        this.errors = message;
        resolve();
      });
    });
    clearTimeout(this.#timer);
    const lingering = new Promise((resolve) => setTimeout(resolve, LINGER_MS).unref());
    await Promise.race([closed, lingering]);
    this.#child.stdout?.destroy();
  }

  #take(line: string): void {
    const report = parseReport(line);
    if (report === undefined) return;
    this.#beSilent(report.kind === 'finished' ? END_MS : SILENCE_MS);
    if (report.kind === 'begun') this.begun = report.id;
    if (report.kind !== 'answered') return;
    this.progressed = true;
    this.#answers.set(report.id, report.answer);
  }

  #beSilent(milliseconds = SILENCE_MS): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.silent = true;
      this.#child.kill('SIGKILL');
    }, milliseconds);
  }
}
