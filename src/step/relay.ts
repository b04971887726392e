import type { Writable } from 'node:stream';
import type { ChunkQueue } from './chunk-queue.js';

/** Passes a step's output on to a stream of the app's, no faster than that takes it. */
export function relay(queue: ChunkQueue, into: Writable): void {
  let waiting = false;
  const pump = (): void => {
    while (!waiting) {
      const chunk = queue.take();
      if (chunk === undefined) return;
      if (into.write(chunk)) continue;
      waiting = true;
      into.once('drain', () => {
        waiting = false;
        pump();
      });
    }
  };
  queue.onChange = pump;
  pump();
}
