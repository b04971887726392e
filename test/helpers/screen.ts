import type { Step } from 'spawn-sandbox';
import { until } from './until.js';

/** What a terminal shows, and somebody who types into it. */
export class Screen {
  #shown = '';
  #seen = 0;
  readonly #type: (text: string) => void;

  constructor(type: (text: string) => void) {
    this.#type = type;
  }

  show(bytes: Buffer): void {
    this.#shown += bytes.toString('latin1');
  }

  /** Everything. */
  get shown(): string {
    return this.#shown;
  }

  type(text: string): void {
    this.#type(text);
  }

  /** Waits for what matches, behind what was waited for before. */
  async until(pattern: RegExp): Promise<void> {
    const isShown = (): boolean => {
      const found = pattern.exec(this.#shown.slice(this.#seen));
      if (found !== null) this.#seen += found.index + found[0].length;
      return found !== null;
    };
    await until(`the terminal shows ${String(pattern)}`, isShown, { within: 30_000 }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; it shows ${JSON.stringify(this.#shown.slice(this.#seen))}`);
    });
  }
}

export function screenOf(step: Step): Screen {
  const screen = new Screen((text) => step.stdin?.write(text));
  step.stdout.on('data', (chunk: Buffer) => {
    screen.show(chunk);
  });
  return screen;
}
