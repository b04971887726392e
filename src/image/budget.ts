import { formatSize } from '../units.js';
import { ImageProblem } from './problem.js';

/** Of one image with all its layers: what they take of time and space is in proportion to these two. */
export class Budget {
  readonly #limit: number;
  readonly #mostEntries: number;
  #bytes = 0;
  #entries = 0;

  constructor(limit: number, mostEntries: number) {
    this.#limit = limit;
    this.#mostEntries = mostEntries;
  }

  /** Counts what was uncompressed, before anything is done with it. */
  bytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes <= this.#limit) return;
    throw new ImageProblem(`its layers are more than ${formatSize(this.#limit)} uncompressed`, 'Raise limit.');
  }

  entry(): void {
    this.#entries += 1;
    if (this.#entries <= this.#mostEntries) return;
    throw new ImageProblem(`its layers have more than ${this.#mostEntries} entries`, 'Raise entries.');
  }
}
