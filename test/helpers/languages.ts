import { type SandboxOptions, spawnSandbox, type Step } from 'spawn-sandbox';

/** What a rule needs a step to do, said in one language. */
export interface Language {
  readonly name: 'python' | 'node';
  command(code: string, options?: SandboxOptions): Step;
  exit(status: number): string;
  signal(number: 11): string;
  /** Prints a line at once. */
  say(text: string): string;
  /** Writes so many letters to stdout and as many to stderr. */
  writeBoth(letters: number): string;
  writeBytes(): string;
  sumLines(): string;
  /** Takes so many MiB, and then prints `survived`. */
  hog(mebibytes: number): string;
  inChild(code: string): string;
  readonly sleep: string;
  readonly spin: string;
  readonly write: string;
  /** Exits with the status when it gets SIGTERM. */
  onTerm(status: number): string;
  connect(port: number): string;
  readonly forbidden: string;
  readonly compute: string;
  readonly leaveChild: string;
}

export const PYTHON: Language = {
  name: 'python',
  command: (code, options) => spawnSandbox('python3', ['-c', code], options),
  exit: (status) => `raise SystemExit(${status})`,
  signal: (number) => `import os; os.kill(os.getpid(), ${number})`,
  say: (text) => `print(${JSON.stringify(text)}, flush=True)\n`,
  writeBoth: (letters) =>
    `import sys\nfor i in range(${letters / 10_000}):\n  sys.stdout.write("o" * 10000); sys.stderr.write("e" * 10000)`,
  writeBytes: () => 'import sys; sys.stdout.buffer.write(bytes(range(256)))',
  sumLines: () => 'import sys; print(sum(map(int, sys.stdin)))',
  hog: (mebibytes) => `x = bytearray(${mebibytes} << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint("survived")`,
  inChild: (code) => `import os\nif os.fork() == 0:\n  exec(${JSON.stringify(code)})\nos.wait()\nprint("went on")`,
  // In pieces: a signal that comes just before a sleep begins is looked at when that ends.
  sleep: 'import time\nfor _ in range(1000): time.sleep(0.1)',
  spin: 'while True: pass',
  write: 'while True: print("x" * 1000)',
  onTerm: (status) => `import signal, sys\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(${status}))\n`,
  connect: (port) =>
    `import socket\ntry: socket.create_connection(("127.0.0.1", ${port}), 1); print("connected")\nexcept OSError: print("refused")`,
  forbidden: 'import os; os.getpriority(os.PRIO_PROCESS, 0); print("allowed")',
  compute: 'x = bytearray(30 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nsum(range(2000000))',
  leaveChild: 'import os, time\nif os.fork() == 0: time.sleep(100)\nprint("ended", flush=True)\nos._exit(0)',
};

export const NODE: Language = {
  name: 'node',
  command: (code, options) => spawnSandbox(process.execPath, ['-e', code], options),
  exit: (status) => `process.exit(${status})`,
  signal: (number) => `process.kill(process.pid, ${number}); setTimeout(() => {}, 1000)`,
  say: (text) => `require('fs').writeSync(1, ${JSON.stringify(`${text}\n`)});\n`,
  writeBoth: (letters) =>
    `const fs = require('fs'); for (let i = 0; i < ${letters / 10_000}; i++) { fs.writeSync(1, 'o'.repeat(10000)); fs.writeSync(2, 'e'.repeat(10000)); }`,
  writeBytes: () => `process.stdout.write(Buffer.from([...Array(256).keys()]))`,
  sumLines: () =>
    `console.log(require('fs').readFileSync(0, 'utf8').trim().split('\\n').reduce((sum, line) => sum + Number(line), 0))`,
  hog: (mebibytes) => `const x = Buffer.alloc(${mebibytes} << 20, 1); console.log('survived')`,
  inChild: (code) =>
    `require('child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(code)}], { stdio: 'inherit' }); console.log('went on')`,
  sleep: 'setTimeout(() => {}, 100000)',
  spin: 'for (;;);',
  write: `const fs = require('fs'); for (;;) fs.writeSync(1, 'x'.repeat(1000) + '\\n')`,
  onTerm: (status) => `process.on('SIGTERM', () => process.exit(${status}));\n`,
  connect: (port) =>
    `require('net').connect(${port}, '127.0.0.1').on('connect', () => { console.log('connected'); process.exit() }).on('error', () => console.log('refused'))`,
  forbidden: `require('os').getPriority(); console.log('allowed')`,
  compute: 'const x = Buffer.alloc(30 << 20, 1); let sum = 0; for (let i = 0; i < 3e7; i++) sum += i',
  leaveChild: `require('child_process').spawn('sleep', ['100'], { stdio: 'inherit' }); require('fs').writeSync(1, 'ended\\n'); process.exit(0)`,
};
