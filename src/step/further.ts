import type { FurtherDescriptor } from '../spawner/connection.js';
import type { Reactor } from '../spawner/native.js';
import type { Flow } from './output.js';

/** What a step is given besides stdin, stdout and stderr, in this order. */
export type Further =
  | {
      readonly kind: 'pipe';
      /**
       * What the step writes there, as it comes; it counts in `limits.output`. `null` once, when all of it has been read and the step has ended, before there is a
       * result; never when that is an error.
       */
      onData(chunk: Buffer | null): void;
      /** Called when the pipe exists: whoever cannot take more may pause it. When the step has ended, it is read to its end all the same. */
      onOpen?(flow: Flow): void;
    }
  | Exclude<FurtherDescriptor, { readonly kind: 'pipe' }>;

interface Pipe {
  readonly onData: (chunk: Buffer | null) => void;
  readonly onOpen: (flow: Flow) => void;
  id: number;
  paused: boolean;
  /** The step has ended. */
  finished: boolean;
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
            onOpen: (flow) => one.onOpen?.(flow),
            id: -1,
            paused: false,
            finished: false,
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
        pipe.onOpen(flowOf(pipe, reactor));
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
      pipe.finished = true;
      if (pipe.read) {
        end(pipe, true);
        continue;
      }
      if (pipe.paused) reactor.resume(pipe.id);
      pipe.paused = false;
      reactor.drain(pipe.id);
    }
  }

  /** The app does not take what is there. */
  get paused(): boolean {
    return this.#present.some(({ paused, read }) => paused && !read);
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

function flowOf(pipe: Pipe, reactor: Reactor): Flow {
  const adjust = (paused: boolean): void => {
    if (pipe.paused === paused || pipe.read || pipe.finished) return;
    pipe.paused = paused;
    if (paused) reactor.pause(pipe.id);
    else reactor.resume(pipe.id);
  };
  return {
    pause: () => {
      adjust(true);
    },
    resume: () => {
      adjust(false);
    },
  };
}

function end(pipe: Pipe, outcomeKnown: boolean): void {
  pipe.read = true;
  if (!outcomeKnown || pipe.told) return;
  pipe.told = true;
  pipe.onData(null);
}
