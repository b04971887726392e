import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A process that answers a line for each path: `ok`, or why it cannot read the file. One that takes too long is ended, and dies of nothing else. */
export class Reader {
  readonly #command: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #answered: ((answer: string) => void) | undefined;

  constructor(command: string, args: readonly string[]) {
    this.#command = command;
    this.#args = args;
  }

  /** @param limit milliseconds */
  async read(path: string, limit: number): Promise<string> {
    const child = (this.#child ??= this.#start());
    return await new Promise((resolve) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        this.#answered?.(`it hung for ${limit} ms`);
      }, limit);
      this.#answered = (answer) => {
        clearTimeout(timer);
        this.#answered = undefined;
        if (answer.startsWith('it ')) this.#child = undefined;
        resolve(answer);
      };
      child.stdin?.write(`${path}\n`);
    });
  }

  close(): void {
    this.#child?.stdin?.end();
  }

  #start(): ChildProcess {
    const child = spawn(this.#command, this.#args, { stdio: ['pipe', 'pipe', 'ignore'] });
    const answer = (text: string): void => {
      if (this.#child === child) this.#answered?.(text);
    };
    child.on('error', (error) => {
      answer(`it did not start: ${error.message}`);
    });
    child.on('exit', (status, signal) => {
      answer(`it ended with ${signal ?? status ?? ''}`);
    });
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', answer);
    return child;
  }
}
