import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createSandbox, type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { PACKAGE } from '../helpers/app.js';
import { PseudoTerminal } from '../helpers/pseudo-terminal.js';
import { run, stdoutOf } from '../helpers/run.js';
import { screenOf } from '../helpers/screen.js';
import { until } from '../helpers/until.js';

const MEBIBYTE = 2 ** 20;
const TERMINAL: SandboxOptions = { terminal: { columns: 80, rows: 24 } };
const { EIO, ENOTTY, EPERM } = constants.errno;

/** Prints the errno of each request on stdin, 0 for one that was carried out. */
const ASK = `
import fcntl, struct, sys
for request in sys.argv[1:]:
    try:
        fcntl.ioctl(0, int(request, 16), struct.pack("16s", b"x"))
        print(0, end=" ")
    except OSError as error:
        print(error.errno, end=" ")
print("asked")
`;
const TIOCSTI = '0x5412';
/** Of which the kernel reads 32 bits. */
const TIOCSTI_WITH_GARBAGE = '0x100005412';
const TIOCLINUX = '0x541c';
const TIOCSETD = '0x5423';
const TIOCCONS = '0x541d';
const TIOCVHANGUP = '0x5437';
const TIOCPKT = '0x5420';
const TIOCEXCL = '0x540c';
const TIOCSPTLCK = '0x40045431';

void suite('what a step can do with its terminal', () => {
  void test('is not to type into it, to load line disciplines, or to take the console', async (context) => {
    const refused = [TIOCSTI, TIOCLINUX, TIOCSETD];
    const inside = await stdoutOf('python3', ['-c', ASK, ...refused, TIOCCONS, TIOCVHANGUP, TIOCEXCL], TERMINAL);
    assert.equal(inside, `${EPERM} ${EPERM} ${EPERM} ${EPERM} ${EPERM} 0 asked`);
    const outside = new PseudoTerminal(context, ['python3', '-c', ASK, TIOCSTI, TIOCLINUX, TIOCSETD]);
    await outside.screen.until(/asked/);
    // What is typed is echoed in between.
    const [, typed, ...others] = (/(\d+) (\d+) (\d+) asked/.exec(outside.screen.shown) ?? []).map(Number);
    assert.ok([0, EIO].includes(typed ?? -1), 'the control: outside it is typed, or refused in another way');
    assert.equal(others.length, 2);
    assert.ok(!others.includes(EPERM), `and of the others none is refused as inside: ${others.join()}`);
  });

  void test('also with bits that the kernel cuts off', async () => {
    const code = `import ctypes; libc = ctypes.CDLL(None, use_errno=True); libc.syscall(16 if __import__("platform").machine() == "x86_64" else 29, 0, ${TIOCSTI_WITH_GARBAGE}, b"x"); print(ctypes.get_errno())`;
    assert.equal(await stdoutOf('python3', ['-c', code], TERMINAL), String(EPERM));
  });

  void test('is nothing that belongs to the other end', async () => {
    const answers = await stdoutOf('python3', ['-c', ASK, TIOCPKT, TIOCSPTLCK], TERMINAL);
    assert.equal(answers, `${ENOTTY} ${ENOTTY} asked`);
  });

  void test('is not to keep the other end, or what brought it to the app', async () => {
    const list =
      'import os; print([(fd, os.readlink(f"/proc/self/fd/{fd}")) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")])';
    const expected = "[('0', '/dev/pts/0'), ('1', '/dev/pts/0'), ('2', '/dev/pts/0')]";
    assert.equal(await stdoutOf('python3', ['-c', list], TERMINAL), expected);
    const sandbox = await createSandbox();
    try {
      assert.match(
        String((await sandbox.spawn('python3', ['-c', list], TERMINAL)).stdout),
        /^\[('?\(?['\d, ]+\/dev\/pts\/\d'\)[, ]*){3}\]\r\n$/,
      );
    } finally {
      await sandbox.destroy();
    }
  });
});

void suite('terminals of others', () => {
  void test('are in no sandbox: each has a file system of its own for them', async () => {
    const devices = await Promise.all(
      [1, 2].map(() => stdoutOf('sh', ['-c', 'stat -c %d /dev/pts; sleep 0.3'], TERMINAL)),
    );
    const all = [...devices, String(statSync('/dev/pts').dev)];
    assert.equal(new Set(all).size, 3, all.join());
  });

  void test('get nothing of what a step writes into all that it finds', async (context) => {
    const quiet = spawnSandbox('sh', ['-c', 'tty; read line'], TERMINAL);
    const screen = screenOf(quiet);
    await screen.until(/\/dev\/pts\/0\r\n/);
    const outside = new PseudoTerminal(context, ['sh', '-c', 'echo up; sleep 100']);
    await outside.screen.until(/up/);
    const script =
      'for t in /dev/pts/* /dev/tty* /dev/console /proc/[0-9]*/fd/*; do echo LOUD > $t; done 2>/dev/null; tty';
    const { stdout } = await run('bash', ['-c', script], TERMINAL);
    assert.match(stdout, /LOUD[^]*\/dev\/pts\/0/, 'the control: its own, of the same name, gets it');
    await pause(100);
    assert.doesNotMatch(screen.shown + outside.screen.shown, /LOUD/);
    quiet.kill();
    await quiet;
  });

  void test('the app’s keeps its settings, whatever the step does to its own', async (context) => {
    const hostile = `
import fcntl, os, signal, struct, termios, tty
names = ["/dev/tty", "/dev/console", "/proc/1/fd/0", "/proc/1/fd/1"] + ["/dev/pts/" + n for n in os.listdir("/dev/pts")]
opened = [0, 1, 2]
for name in names:
    try: opened.append(os.open(name, os.O_RDWR | os.O_NOCTTY))
    except OSError: pass
for fd in opened:
    for attempt in (lambda: tty.setraw(fd), lambda: fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 1, 1, 0, 0)),
                    lambda: fcntl.ioctl(fd, termios.TIOCEXCL), lambda: fcntl.ioctl(fd, termios.TIOCSCTTY, 1),
                    lambda: termios.tcflow(fd, termios.TCIOFF), lambda: termios.tcflow(fd, termios.TCOON)):
        try: attempt()
        except OSError: pass
own = termios.tcgetattr(0)
os.write(1, b"changed " + str(bool(own[3] & termios.ICANON)).encode() + b"\\n")
os.kill(os.getpid(), signal.SIGKILL)
`;
    const cli = join(PACKAGE, 'dist/cli/main.js');
    const terminal = new PseudoTerminal(context, [process.execPath, cli, 'shell', '--', 'python3', '-c', hostile]);
    await terminal.screen.until(/changed False/);
    assert.deepEqual(await terminal.ended, { status: 137, restored: true });
  });
});

/** The longest time, in milliseconds, for which the app's loop did nothing else. */
async function longestDelay(during: () => Promise<void>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  await during();
  delay.disable();
  return delay.max / 1e6;
}

void suite('a hostile step and the app', () => {
  void test('a flood that nobody reads takes no memory', async () => {
    const limits = { output: Infinity, wallTime: '10m' };
    const step = spawnSandbox('cat', ['/dev/zero'], { ...TERMINAL, limits, collect: false });
    const { stdout } = step;
    let read = 0;
    const begun = performance.now();
    stdout.on('data', (chunk: Buffer) => (read += chunk.length));
    await until('the control: it does flood', () => read > 4 * MEBIBYTE, { within: 60_000 });
    const floodMs = performance.now() - begun;
    stdout.pause();
    const before = process.memoryUsage().rss;
    await pause(Math.max(1000, 10 * floodMs)); // enough for 40 MiB
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 32 * MEBIBYTE, `${Math.round(grown / MEBIBYTE)} MiB`);
    step.kill();
    assert.equal((await step).cause, 'killed');
  });

  const STATES: readonly (readonly [what: string, script: string])[] = [
    ['stopped while it reads', 'import os, signal; print("up", flush=True); os.kill(os.getpid(), signal.SIGSTOP)'],
    ['in raw mode without reading', 'import time, tty; tty.setraw(0); print("up", flush=True); time.sleep(100)'],
    [
      'with its output held back by itself',
      'import os, termios, time; print("up", flush=True); time.sleep(0.1); termios.tcflow(1, termios.TCOOFF); os.write(1, b"x" * 10**6)',
    ],
    [
      'changing everything again and again',
      `import fcntl, termios, tty, struct, os
print("up", flush=True)
pids = [os.fork() for _ in range(3)]
while True:
    for mode in (tty.setraw, tty.setcbreak): mode(0, termios.TCSANOW)
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 1, 1, 0, 0))
    termios.tcflush(0, termios.TCIOFLUSH)
    fcntl.ioctl(0, termios.TIOCEXCL)`,
    ],
    [
      'closing and opening it again and again',
      `import os
print("up", flush=True)
for fd in range(3): os.close(fd)
while True:
    fd = os.open("/dev/tty", os.O_RDWR); os.write(fd, b"x"); os.close(fd)`,
    ],
  ];
  for (const [what, script] of STATES) {
    void test(`the app goes on, and ends it in time, with one ${what}`, { timeout: 60_000 }, async () => {
      const code = `import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n${script}`;
      const options = { ...TERMINAL, collect: false, limits: { output: Infinity } } as const;
      const step = spawnSandbox('python3', ['-c', code], options);
      const screen = screenOf(step);
      await screen.until(/up/);
      const delay = await longestDelay(async () => {
        step.stdin?.write(Buffer.alloc(2 * MEBIBYTE, 'x\n'));
        for (let i = 0; i < 20; i++) {
          for (let j = 1; j <= 20; j++) step.resize({ columns: 80 + j, rows: 24 });
          await pause(20);
        }
        step.stdin?.destroy();
        await pause(100);
      });
      assert.ok(delay < 1000, `the app's loop stood still for ${Math.round(delay)} ms`);
      const killed = performance.now();
      step.kill();
      await step;
      assert.ok(performance.now() - killed < 3000);
    });
  }

  void test('one that opens all terminals there can be leaves others theirs', async () => {
    const hoard =
      'import os\nfds = []\ntry:\n  while True: fds.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))\nexcept OSError: print(len(fds), flush=True)\nimport time; time.sleep(100)';
    const steps = Array.from({ length: 4 }, () => spawnSandbox('python3', ['-c', hoard], TERMINAL));
    for (const step of steps) {
      for await (const line of step) {
        assert.equal(line, '31');
        break;
      }
    }
    assert.equal(await stdoutOf('tty', [], TERMINAL), '/dev/pts/0');
    for (const step of steps) step.kill();
    await Promise.all(steps);
  });

  void test('commands of one sandbox that have taken all there can be leave it an error, and the app goes on', async () => {
    const hoard =
      'import os, time\ntry:\n  while True: os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)\nexcept OSError: print("all", flush=True)\ntime.sleep(100)';
    const sandbox = await createSandbox();
    try {
      for await (const line of sandbox.spawn('python3', ['-c', hoard])) {
        assert.equal(line, 'all');
        break;
      }
      const refused = sandbox.spawn('tty', [], TERMINAL);
      await assert.rejects(refused.result, { code: 'ERR_RESOURCES', message: /\/dev\/pts/ });
      assert.equal((await sandbox.spawn('true')).status, 0);
    } finally {
      await sandbox.destroy();
    }
  });

  void test('commands that may reach into each other have none: one could make the app wait for another', async () => {
    const sandbox = await createSandbox({
      syscalls: { extends: 'default', rules: [{ name: 'ptrace', verdict: 'allow', reason: 'a debugger' }] },
    });
    try {
      assert.throws(() => sandbox.spawn('tty', [], TERMINAL), { code: 'ERR_INVALID_OPTION', message: /ptrace/ });
    } finally {
      await sandbox.destroy();
    }
  });
});
