import type { Readable } from 'node:stream';
import type { ResolvedOptions } from '../options/resolve.js';
import type { Reactor } from '../spawner/native.js';
import type { ChunkQueue } from './chunk-queue.js';
import { type Further, FurtherPipes } from './further.js';
import { Output } from './output.js';
import { OutputStream } from './output-stream.js';
import { relay } from './relay.js';

export type OutputName = 'stdout' | 'stderr';
const NAMES = ['stdout', 'stderr'] as const;

/** Both output streams of a step, what other pipes it was given, and the limit that they share. */
export class StepOutputs {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly #ids = { stdout: -1, stderr: -1 };
  readonly #streams: Partial<Record<OutputName, OutputStream>> = {};
  readonly #further: FurtherPipes;
  #left: number;
  #tooMuch = false;
  /** Pipes that were read to their end. */
  readonly #read = { stdout: false, stderr: false };
  /** Before what became of the step is known, the end of a pipe may be the end of the spawner, and an error is about to come. */
  #outcomeKnown = false;

  constructor({ collect, limits, terminal }: ResolvedOptions, further: readonly Further[] = []) {
    this.stdout = new Output('stdout', collect);
    this.stderr = new Output('stderr', collect);
    if (terminal !== undefined) this.stderr.end(); // all that it says is in stdout
    this.#further = new FurtherPipes(further);
    this.#left = limits.output;
  }

  /** More than `limits.output` was written. */
  get tooMuch(): boolean {
    return this.#tooMuch;
  }

  /** Everything that was written has been read. */
  get ended(): boolean {
    return this.#read.stdout && this.#read.stderr && this.#further.ended;
  }

  /** The app does not read fast enough, so the step may be unable to write. */
  get heldBack(): boolean {
    return this.stdout.paused || this.stderr.paused || this.#further.paused;
  }

  /** Relays what is not only to be piped. Before the first byte, so that nothing is missed. */
  relay({ stdout, stderr }: ResolvedOptions): void {
    if (stdout === 'inherit') relay(this.stdout.attach(), process.stdout);
    if (stderr === 'inherit') relay(this.stderr.attach(), process.stderr);
  }

  /** The pipes exist; -1 where there is none. */
  open(reactor: Reactor, stdout: number, stderr: number, further: readonly number[] = []): void {
    this.#ids.stdout = stdout;
    this.#ids.stderr = stderr;
    for (const name of NAMES) {
      const id = this.#ids[name];
      if (id < 0) this.#end(name);
      else
        this[name].open({
          pause: () => {
            reactor.pause(id);
          },
          resume: () => {
            reactor.resume(id);
          },
        });
    }
    this.#further.open(reactor, further);
  }

  /** Answers false for the bytes with which the limit is exceeded; what is beyond it is dropped. */
  accept(id: number, chunk: Buffer): boolean {
    const accepted = chunk.length <= this.#left ? chunk : chunk.subarray(0, this.#left);
    this.#left -= accepted.length;
    if (accepted.length > 0) {
      if (this.#further.has(id)) this.#further.accept(id, accepted);
      else this.#byId(id).accept(accepted);
    }
    if (accepted.length === chunk.length || this.#tooMuch) return true;
    this.#tooMuch = true;
    return false;
  }

  endOne(id: number): void {
    if (this.#further.has(id)) this.#further.endOne(id, this.#outcomeKnown);
    else this.#end(id === this.#ids.stdout ? 'stdout' : 'stderr');
  }

  /** The step has ended: reads what is left in its pipes, also if something still holds them open. */
  drain(reactor: Reactor): void {
    this.#outcomeKnown = true;
    for (const name of NAMES) {
      if (this.#read[name]) {
        this[name].end();
        continue;
      }
      this[name].finish();
      reactor.drain(this.#ids[name]);
    }
    this.#further.drain(reactor);
  }

  /** The step was never sent: there is nothing to read. */
  endAll(): void {
    this.#outcomeKnown = true;
    for (const name of NAMES) this.#end(name);
    this.#further.endAll();
  }

  /** Answers whether a stream passes the error on to somebody who listens. */
  fail(error: Error): boolean {
    const heard = NAMES.some((name) => (this.#streams[name]?.listenerCount('error') ?? 0) > 0);
    for (const name of NAMES) this[name].fail(error);
    return heard;
  }

  /** The numbers of the pipes that there are. */
  get pipes(): readonly number[] {
    return [...NAMES.map((name) => this.#ids[name]).filter((id) => id >= 0), ...this.#further.ids];
  }

  stream(name: OutputName): Readable {
    return (this.#streams[name] ??= new OutputStream(this[name].attach()));
  }

  attach(from: OutputName | 'both'): readonly ChunkQueue[] {
    return (from === 'both' ? NAMES : [from]).map((name) => this[name].attach());
  }

  #end(name: OutputName): void {
    this.#read[name] = true;
    if (this.#outcomeKnown) this[name].end();
  }

  #byId(id: number): Output {
    return id === this.#ids.stdout ? this.stdout : this.stderr;
  }
}
