import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SandboxError } from '../errors.js';
import type { Bait } from './check.js';

/** A sandbox next door has to start first, and one of another kind may take its time. */
const PATIENCE_MS = 20_000;

/** A process of `native/selftest/bait.c`, and what it has noticed. */
export class LaidBait implements Omit<Bait, 'first'> {
  readonly events = new Set<string>();

  readonly token: string;
  readonly directory: string;
  readonly key: number;
  readonly pid: number;
  readonly port: number;
  readonly laid: ReadonlySet<string>;
  readonly session = ownSession();
  readonly pidNamespace = readlinkSync('/proc/self/ns/pid');
  readonly #process: ChildProcess;

  private constructor(
    { token, directory, key }: Pick<Bait, 'token' | 'directory' | 'key'>,
    { pid, port, laid }: Ready,
    child: ChildProcess,
  ) {
    this.token = token;
    this.directory = directory;
    this.key = key;
    this.pid = pid;
    this.port = port;
    this.laid = new Set(laid);
    this.#process = child;
  }

  /** @param command what runs the prober: alone, or behind the command of a sandbox */
  static async lay([file = '', ...args]: readonly string[], token: string, directory: string): Promise<LaidBait> {
    const key = randomInt(1, 2 ** 30);
    const child = spawn(file, [...args, 'bait', token, directory, '0', String(key)], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const lines = createInterface({ input: child.stdout });
    const bait = new LaidBait({ token, directory, key }, await ready(child, lines, file), child);
    lines.on('line', (line) => bait.events.add(line.replace(/^event /, '')));
    return bait;
  }

  /** One that has ended is found by nobody, which shows nothing. */
  get stands(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async takeAway(): Promise<void> {
    if (!this.stands) return;
    const end = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin?.end();
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), PATIENCE_MS);
    await end;
    clearTimeout(timer);
  }
}

interface Ready {
  readonly pid: number;
  readonly port: number;
  readonly laid: readonly string[];
}

function ready(child: ChildProcess, lines: NodeJS.EventEmitter, file: string): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new SandboxError('ERR_RESOURCES', `The selftest cannot lay its bait by ${file}: it did not begin.`));
    };
    const timer = setTimeout(giveUp, PATIENCE_MS);
    child.once('error', giveUp);
    child.once('exit', giveUp);
    lines.once('line', (line: string) => {
      const [word, pid, port, ...laid] = line.split(' ');
      if (word !== 'ready') {
        giveUp();
        return;
      }
      clearTimeout(timer);
      child.off('exit', giveUp);
      resolve({ pid: Number(pid), port: Number(port), laid });
    });
  });
}

/** What stands on the host while the checks run. */
export class Stage implements Disposable {
  readonly token = newToken();
  /** Readable for everybody, and shown to nobody; holds `secret`. */
  readonly directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-selftest-'));
  /** In it, for those that may be given one. */
  readonly writable = join(this.directory, 'writable');
  /** What the last command said on stderr: a file, which can be opened anew by its name in /dev, as a socket cannot. */
  readonly errors = join(this.directory, 'errors');
  /** That every command inherits. */
  readonly descriptor: number;

  constructor() {
    chmodSync(this.directory, 0o755);
    writeFileSync(join(this.directory, 'secret'), this.token, { mode: 0o644 });
    this.clean();
    this.descriptor = openSync(this.directory, 'r');
    for (const signal of ENDING) process.on(signal, this.#endWith);
  }

  /** What was planted there before is no answer. */
  clean(): void {
    rmSync(this.writable, { recursive: true, force: true });
    mkdirSync(this.writable);
  }

  [Symbol.dispose](): void {
    for (const signal of ENDING) process.off(signal, this.#endWith);
    closeSync(this.descriptor);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Whoever interrupts it is left nothing either; the bait ends with us, and takes away what is its own. */
  readonly #endWith = (signal: NodeJS.Signals): void => {
    this[Symbol.dispose]();
    process.kill(process.pid, signal);
  };
}

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The sixth field, and the fourth behind the name, which may hold anything. */
function ownSession(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
}

/** Nothing else on the machine is called so. */
export function newToken(): string {
  return `selftest-${randomBytes(8).toString('hex')}`;
}
