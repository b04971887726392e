/**
 * What `convert` makes of each, after `first`. Who leaves it leaves the source in the same turn: a generator in between would wait until
 * the source has answered what it was asked for, which may be never, while it waits for somebody to leave.
 */
export function mapEach<T, U>(
  source: AsyncIterable<T>,
  convert: (value: T) => U,
  first: readonly U[] = [],
): AsyncIterable<U> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = source[Symbol.asyncIterator]();
      const before = first[Symbol.iterator]();
      return {
        next: async (): Promise<IteratorResult<U, undefined>> => {
          const one = before.next();
          if (one.done !== true) return { done: false, value: one.value };
          const next = await iterator.next();
          return next.done === true ? { done: true, value: undefined } : { done: false, value: convert(next.value) };
        },
        return: async (): Promise<IteratorResult<U, undefined>> => {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
