import { invalidOption } from '../options/check.js';
import { checkTerminalSize } from '../options/terminal.js';
import type { Connection } from '../spawner/connection.js';
import type { TerminalSize } from '../spawner/messages.js';
import type { Keyboard } from './terminal-input.js';

/** The terminal of a step, from before the step is sent. */
export class StepTerminal {
  readonly #exists: boolean;
  #connection: Connection | undefined;
  #stream = -1;
  /** What it was to be changed to. */
  #size: TerminalSize | undefined;

  constructor(size: TerminalSize | undefined) {
    this.#exists = size !== undefined;
  }

  /** Of a step without one, nothing. */
  open(connection: Connection, stream: number): Keyboard | undefined {
    if (!this.#exists || stream < 0) return undefined;
    this.#connection = connection;
    this.#stream = stream;
    if (this.#size !== undefined) this.resize(this.#size);
    return {
      write: (bytes) => connection.reactor.write(stream, bytes),
      hangUp: () => {
        connection.drop(stream);
      },
    };
  }

  /** @throws SandboxError `ERR_INVALID_OPTION` */
  resize(size: TerminalSize): void {
    this.#size = checkTerminalSize(size, 'resize()');
    if (!this.#exists) throw invalidOption('resize()', 'is for steps with a terminal');
    this.#connection?.reactor.resize(this.#stream, this.#size.columns, this.#size.rows);
  }
}
