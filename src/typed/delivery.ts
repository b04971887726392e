import { setImmediate as turn } from 'node:timers/promises';
import { SandboxError } from '../errors.js';
import { inTurn } from '../step/in-turn.js';

/** What waits for somebody who iterates: enough to keep them busy, little enough to hold back a fast step. In bytes. */
const HIGH_WATER_MARK = 64 * 1024;
/** So many in a row that were there already, and the rest of the app has its turn: a loop that never waits would keep it out. */
const GIVEN_AT_ONCE = 1024;
/** What an item costs besides its own bytes. */
const ITEM_COST = 128;

interface Item<T> {
  readonly value: T;
  readonly cost: number;
}

/**
 * Items for one iterator. Before anybody iterates, the first of them are kept; if nobody does, the rest is dropped, and the step is
 * not held back. Once somebody does, `full` says when it is to wait. Who leaves the loop wants no more.
 */
export class Delivery<T> {
  readonly #what: string;
  readonly #onTaken: () => void;
  #items: Item<T>[] = [];
  /** How many of those were taken: taking each from the front of a long array would move all the others. */
  #taken = 0;
  #cost = 0;
  #state: 'unread' | 'attached' | 'left' = 'unread';
  #dropped = false;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** `what`: named when its beginning is gone. `onTaken`: there is room again. */
  constructor(what: string, onTaken: () => void) {
    this.#what = what;
    this.#onTaken = onTaken;
  }

  get full(): boolean {
    return this.#state === 'attached' && this.#cost >= HIGH_WATER_MARK;
  }

  /** `bytes`: about how much memory it holds. */
  push(value: T, bytes: number): void {
    if (this.#state === 'left') return;
    if (this.#state === 'unread' && (this.#dropped || this.#cost >= HIGH_WATER_MARK)) {
      this.#dropped = true;
      return;
    }
    const cost = bytes + ITEM_COST;
    this.#items.push({ value, cost });
    this.#cost += cost;
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.end();
  }

  /**
   * What comes of all from the first one on: `convert` may make several of an item, or none, as they are asked for, and `atEnd` those
   * that follow the last.
   *
   * @throws SandboxError `ERR_OUTPUT_GONE` from the iteration, when somebody has iterated before or the beginning was dropped
   */
  iterate<U>(convert: (value: T) => Iterable<U>, atEnd: () => Iterable<U> = () => []): AsyncIterableIterator<U> {
    let attached = false;
    let finished = false;
    let given = 0;
    let ready: Iterator<U, unknown> = ([] as U[])[Symbol.iterator]();
    const attach = (): void => {
      if (attached) return;
      if (this.#state !== 'unread' || this.#dropped) throw this.#gone();
      attached = true;
      this.#state = 'attached';
    };
    const next = inTurn(async (): Promise<IteratorResult<U, undefined>> => {
      attach();
      for (;;) {
        if (this.#state === 'left') return { done: true, value: undefined };
        const one = ready.next();
        if (one.done !== true) {
          if (++given % GIVEN_AT_ONCE === 0) await turn();
          return { done: false, value: one.value };
        }
        const item = this.#take();
        if (item !== undefined) ready = convert(item.value)[Symbol.iterator]();
        else if (!this.#ended) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          this.#wake = undefined;
        } else if (this.#error !== undefined) {
          throw this.#error;
        } else if (finished) {
          return { done: true, value: undefined };
        } else {
          finished = true;
          ready = atEnd()[Symbol.iterator]();
        }
      }
    });
    const leave = (): Promise<IteratorResult<U, undefined>> => {
      if (attached) this.#leave();
      return Promise.resolve({ done: true, value: undefined });
    };
    const iterator: AsyncIterableIterator<U> = {
      next,
      return: leave,
      [Symbol.asyncIterator]: () => {
        attach();
        return iterator;
      },
    };
    return iterator;
  }

  #take(): Item<T> | undefined {
    const item = this.#items[this.#taken];
    if (item === undefined) return undefined;
    this.#taken++;
    if (this.#taken === this.#items.length) {
      this.#items = [];
      this.#taken = 0;
    }
    const wasFull = this.full;
    this.#cost -= item.cost;
    this.#madeRoom(wasFull);
    return item;
  }

  #madeRoom(wasFull: boolean): void {
    if (wasFull && !this.full) this.#onTaken();
  }

  #leave(): void {
    this.#state = 'left';
    this.#items = [];
    this.#taken = 0;
    this.#cost = 0;
    this.#wake?.();
    this.#onTaken();
  }

  #gone(): SandboxError {
    return new SandboxError(
      'ERR_OUTPUT_GONE',
      `Cannot give ${this.#what} from the beginning: they were read before, or nobody did in time.`,
      {
        remedy: 'Iterate once, and start in the same turn as the call.',
      },
    );
  }
}
