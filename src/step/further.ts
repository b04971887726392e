import type { FurtherDescriptor } from '../spawner/connection.js';
import type { Reactor } from '../spawner/native.js';

/** What a step is given besides stdin, stdout and stderr, in this order. */
export type Further =
  | {
      readonly kind: 'pipe';
      /**
       * What the step writes there, as it comes; it counts in `limits.output`. `null` once, when all of it has been read and the step has ended, before there is a
       * result; never when that is an error.
       */
      onData(chunk: Buffer | null): void;
    }
  | Exclude<FurtherDescriptor, { readonly kind: 'pipe' }>;

interface Pipe {
  readonly onData: (chunk: Buffer | null) => void;
  id: number;
  /** Read to its end. */
  read: boolean;
  told: boolean;
}

/** The pipes among what a step is given. */
export class FurtherPipes {
  /** As they were given; undefined for what is no pipe. */
  readonly #pipes: readonly (Pipe | undefined)[];
  readonly #open = new Map<number, Pipe>();

  constructor(further: readonly Further[]) {
    this.#pipes = further.map((one) =>
      one.kind === 'pipe'
        ? {
            onData: (chunk) => {
              one.onData(chunk);
            },
            id: -1,
            read: false,
            told: false,
          }
        : undefined,
    );
  }

  /** The pipes exist; -1 where there is none. */
  open(reactor: Reactor, ids: readonly number[]): void {
    for (const [index, pipe] of this.#pipes.entries()) {
      if (pipe === undefined) continue;
      pipe.id = ids[index] ?? -1;
      if (pipe.id < 0) pipe.read = true;
      else {
        this.#open.set(pipe.id, pipe);
        reactor.resume(pipe.id);
      }
    }
  }

  has(id: number): boolean {
    return this.#open.has(id);
  }

  accept(id: number, chunk: Buffer): void {
    this.#open.get(id)?.onData(chunk);
  }

  endOne(id: number, outcomeKnown: boolean): void {
    const pipe = this.#open.get(id);
    if (pipe !== undefined) end(pipe, outcomeKnown);
  }

  endAll(): void {
    for (const pipe of this.#present) end(pipe, true);
  }

  /** The step has ended: reads what is left, also if something still holds a pipe open. */
  drain(reactor: Reactor): void {
    for (const pipe of this.#present) {
      if (pipe.read) end(pipe, true);
      else reactor.drain(pipe.id);
    }
  }

  get ended(): boolean {
    return this.#present.every(({ read }) => read);
  }

  get ids(): readonly number[] {
    return [...this.#open.keys()];
  }

  get #present(): readonly Pipe[] {
    return this.#pipes.filter((pipe) => pipe !== undefined);
  }
}

function end(pipe: Pipe, outcomeKnown: boolean): void {
  pipe.read = true;
  if (!outcomeKnown || pipe.told) return;
  pipe.told = true;
  pipe.onData(null);
}
