import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Cleaning } from './temporary-directory.js';
import { Screen } from './screen.js';

/** Runs a command in a terminal made by Python: one that is not the library's own. Told by lines, and answers by lines. */
const DRIVER = `
import base64, fcntl, json, os, pty, select, struct, sys, termios
def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
def say(**what):
    sys.stdout.write(json.dumps(what) + "\\n")
    sys.stdout.flush()
master, slave = pty.openpty() # kept open, so that the settings can be asked for at any time
resize(master, 90, 25)
first = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.closerange(3, 100)
    os.execvp(sys.argv[1], sys.argv[1:])
say(pid=pid)
asked, over = b"", False
while True:
    readable, _, _ = select.select([master, 0], [], [], 0.02)
    if master in readable:
        say(shown=base64.b64encode(os.read(master, 65536)).decode())
        continue
    if not over:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            over = True
            say(status=os.waitstatus_to_exitcode(status), restored=termios.tcgetattr(slave) == first)
    if 0 not in readable:
        continue
    data = os.read(0, 65536)
    if not data:
        break
    *lines, asked = (asked + data).split(b"\\n")
    for line in lines:
        order = json.loads(line)
        if "type" in order:
            os.write(master, order["type"].encode())
        elif "columns" in order:
            resize(master, order["columns"], order["rows"])
        else:
            say(raw=not termios.tcgetattr(slave)[3] & termios.ICANON)
`;

interface End {
  /** Minus the signal, if that ended it. */
  readonly status: number;
  /** The terminal has the settings that it had before. */
  readonly restored: boolean;
}

interface Told extends Partial<End> {
  readonly pid?: number;
  readonly shown?: string;
  readonly raw?: boolean;
}

export class PseudoTerminal {
  readonly screen: Screen;
  readonly ended: Promise<End>;
  readonly #driver: ChildProcess;
  readonly #pid: Promise<number>;
  #answer: (raw: boolean) => void = () => undefined;

  constructor(context: Cleaning, command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const driver = spawn('python3', ['-c', DRIVER, ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TERM: 'vt220', ...env },
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    this.#driver = driver;
    context.after(() => {
      driver.kill('SIGKILL');
    });
    this.screen = new Screen((text) => {
      this.#order({ type: text });
    });
    let begun: (pid: number) => void = () => undefined;
    this.#pid = new Promise((resolve) => (begun = resolve));
    this.ended = new Promise((resolve, reject) => {
      const told = ({ pid, shown, status, restored = false, raw }: Told): void => {
        if (pid !== undefined) begun(pid);
        if (shown !== undefined) this.screen.show(Buffer.from(shown, 'base64'));
        if (status !== undefined) resolve({ status, restored });
        if (raw !== undefined) this.#answer(raw);
      };
      void eachLine(driver, told).then(() => {
        reject(new Error('the terminal has gone'));
      }, reject);
    });
    this.ended.catch(() => undefined);
  }

  resize(columns: number, rows: number): void {
    this.#order({ columns, rows });
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    process.kill(await this.#pid, signal);
  }

  isRaw(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.#order({});
    });
  }

  /** As when its window is closed. */
  async close(): Promise<void> {
    this.#driver.kill('SIGKILL');
    if (this.#driver.exitCode === null && this.#driver.signalCode === null) await once(this.#driver, 'exit');
  }

  get pid(): Promise<number> {
    return this.#pid;
  }

  #order(order: object): void {
    this.#driver.stdin?.write(`${JSON.stringify(order)}\n`);
  }
}

async function eachLine(driver: ChildProcess, told: (line: Told) => void): Promise<void> {
  let rest = '';
  for await (const chunk of driver.stdout ?? []) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) told(JSON.parse(line) as Told);
  }
}
