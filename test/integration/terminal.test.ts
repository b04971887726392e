import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createSandbox, createZygote, type SandboxOptions, spawnSandbox, type Step } from 'spawn-sandbox';
import { run, stdoutOf } from '../helpers/run.js';
import { screenOf } from '../helpers/screen.js';
import { testWith } from '../helpers/tools.js';
import { until } from '../helpers/until.js';

const MEBIBYTE = 2 ** 20;
const SIZE = { columns: 80, rows: 24 };

function inTerminal(context: TestContext, script: string, options: SandboxOptions = {}): Step {
  return started(context, spawnSandbox('sh', ['-c', script], { terminal: SIZE, ...options }));
}

function bash(context: TestContext, options: SandboxOptions = {}): Step {
  const args = ['--norc', '--noprofile', '--noediting', '-i'];
  return started(context, spawnSandbox('bash', args, { terminal: SIZE, env: { PS1: '$ ' }, ...options }));
}

function started(context: TestContext, step: Step): Step {
  context.after(async () => {
    step.kill();
    await step.result;
  });
  return step;
}

void suite('a step with a terminal', () => {
  void test('has it as stdin, stdout and stderr, under a name, and as its controlling one', async () => {
    const script =
      'tty; test -t 0 && test -t 1 && test -t 2 && echo all; echo by name > /dev/tty; echo $TERM; stty size';
    const { stdout, stderr } = await run('sh', ['-c', script], { terminal: { columns: 132, rows: 50 } });
    assert.equal(stdout, '/dev/pts/0\r\nall\r\nby name\r\nxterm-256color\r\n50 132\r\n');
    assert.equal(stderr, '');
    assert.match(await stdoutOf('sh', ['-c', 'tty; test -t 1 || echo no']), /^not a tty\nno$/, 'and without one, not');
  });

  void test('leads its session, and is the foreground', async () => {
    const text = await stdoutOf('cat', ['/proc/self/stat'], { terminal: SIZE });
    const [, pid, ...leading] = /^(\d+) \(cat\) \S \d+ (\d+) (\d+) \d+ (\d+) /.exec(text) ?? [];
    assert.ok(pid !== undefined);
    assert.deepEqual(leading, [pid, pid, pid], 'its process group, its session, and the foreground');
  });

  void test('owns it alone', async () => {
    assert.equal(await stdoutOf('stat', ['-c', '%u %a', '/dev/pts/0'], { terminal: SIZE }), '1000 600');
  });

  void test('reads what is typed, line by line, and sees it echoed', async (context) => {
    const step = inTerminal(context, 'read line; echo "got <$line>"');
    const screen = screenOf(step);
    screen.type('helo\x7flo\n');
    await screen.until(/got <hello>\r\n/);
    assert.equal((await step).status, 0);
    assert.match(screen.shown, /^helo\x08 \x08lo\r\n/, 'as it was typed, corrections too');
  });

  void test('erases characters and not bytes', async (context) => {
    const step = inTerminal(context, 'read line; echo "got <$line>"');
    const screen = screenOf(step);
    screen.type('a€\x7fb\n');
    await screen.until(/got <ab>\r\n/);
    await step;
  });

  void test('can turn the echo off', async (context) => {
    const step = inTerminal(context, 'stty -echo; echo ready; read secret; stty echo; echo "length ${#secret}"');
    const screen = screenOf(step);
    await screen.until(/ready/);
    screen.type('secret\n');
    await screen.until(/length 6/);
    await step;
    assert.doesNotMatch(screen.shown, /secret/);
  });

  void test('is interrupted by ^C, which sends SIGINT to what runs in the foreground', async (context) => {
    const step = inTerminal(context, 'echo up; exec sleep 100');
    const screen = screenOf(step);
    await screen.until(/up/);
    screen.type('\x03');
    const { cause, status, signal } = await step;
    assert.deepEqual([cause, status, signal], ['signal', -2, 'SIGINT']);
  });

  void test('^C ends the job of a shell and not the shell, which tells 130', async (context) => {
    const step = bash(context);
    const screen = screenOf(step);
    await screen.until(/\$ $/);
    screen.type('sleep 100\n');
    await screen.until(/sleep 100\r\n/);
    await pause(100);
    screen.type('\x03');
    await screen.until(/\$ $/);
    screen.type('echo "was $?"\n');
    await screen.until(/was 130/);
    screen.type('exit 3\n');
    assert.equal((await step).status, 3);
  });

  void test('^Z stops a job, fg and bg go on with it', async (context) => {
    const step = bash(context);
    const screen = screenOf(step);
    await screen.until(/\$ $/);
    screen.type('cat\n');
    await screen.until(/cat\r\n/);
    screen.type('one\n');
    await screen.until(/one\r\none\r\n/);
    screen.type('\x1a');
    await screen.until(/Stopped\s+cat/);
    screen.type('jobs\n');
    await screen.until(/Stopped\s+cat/);
    screen.type('fg\n');
    await screen.until(/fg\r\ncat\r\n/);
    screen.type('two\n');
    await screen.until(/two\r\ntwo\r\n/);
    screen.type('\x04');
    await screen.until(/\$ $/);
    screen.type('sleep 0.1 & wait; echo "done"\n');
    await screen.until(/done\r\n/);
    screen.type('exit\n');
    assert.equal((await step).status, 0);
  });

  void test('of a size that can be changed, of which it is told', async (context) => {
    const step = inTerminal(context, 'trap "stty size; exit 0" WINCH; echo up; while :; do sleep 0.05; done');
    const screen = screenOf(step);
    await screen.until(/up/);
    step.resize({ columns: 100, rows: 30 });
    await screen.until(/30 100/);
    assert.equal((await step).status, 0);
    step.resize({ columns: 1, rows: 1 }); // it is over: nothing happens
  });

  void test('also before it has been sent', async (context) => {
    const step = inTerminal(context, 'until [ "$(stty size)" = "7 65535" ]; do sleep 0.01; done');
    step.resize({ columns: 65535, rows: 7 });
    assert.equal((await step).status, 0);
  });

  void test('no other size and no step without a terminal has one', async (context) => {
    const step = inTerminal(context, ':');
    for (const size of [
      { columns: 0, rows: 1 },
      { columns: 1.5, rows: 1 },
      { columns: 1 },
      { columns: 65536, rows: 1 },
    ])
      assert.throws(
        () => {
          step.resize(size as typeof SIZE);
        },
        { code: 'ERR_INVALID_OPTION' },
      );
    const without = spawnSandbox('true');
    assert.throws(
      () => {
        without.resize(SIZE);
      },
      { code: 'ERR_INVALID_OPTION' },
    );
    await Promise.all([step, without]);
  });

  void test('ends at ^D, typed or by the end of stdin', async (context) => {
    for (const end of [(step: Step) => step.stdin?.write('\x04'), (step: Step) => step.stdin?.end()]) {
      const step = inTerminal(context, 'cat > /dev/null; echo "end"; exit 4');
      end(step);
      assert.equal((await step).status, 4);
    }
  });

  void test('is given input as if it were typed, to the end of the last line', async () => {
    const { stdout } = await run(
      'sh',
      ['-c', 'stty -echo; while read -r line; do echo "<$line>"; done; echo "<$line>"'],
      {
        terminal: SIZE,
        input: (function* () {
          yield 'one\ntw';
          yield Buffer.from('o\nthree');
        })(),
      },
    );
    assert.match(stdout, /<one>\r\n<two>\r\n<three>\r\n$/);
  });

  void test('takes long input at the pace of its reader', async (context) => {
    const step = inTerminal(context, 'stty -echo; echo ready; sleep 0.2; wc -c');
    const screen = screenOf(step);
    await screen.until(/ready\r\n/);
    assert.ok(step.stdin);
    const line = `${'x'.repeat(99)}\n`;
    await pipeline(Readable.from(Array.from({ length: 20 }, () => line.repeat(500))), step.stdin);
    await screen.until(/^1000000\r\n$/);
    assert.equal((await step).status, 0);
  });

  void test('is hung up when stdin is destroyed', async (context) => {
    const step = inTerminal(context, 'trap "exit 9" HUP; echo up; while :; do sleep 0.05; done');
    await screenOf(step).until(/up/);
    step.stdin?.destroy();
    const { cause, status } = await step;
    assert.deepEqual([cause, status], ['exit', 9]);
  });

  void test('and ends by that if it does nothing about it, also before it has started', async (context) => {
    for (const ms of [0, 300]) {
      const step = inTerminal(context, 'exec sleep 100');
      if (ms > 0) await pause(ms);
      step.stdin?.destroy();
      const { cause, signal } = await step;
      assert.deepEqual([cause, signal], ['signal', 'SIGHUP']);
    }
  });

  void test('says nothing on stderr, which ends at once', async (context) => {
    const step = inTerminal(context, 'echo error >&2; read end');
    const screen = screenOf(step);
    await screen.until(/error/);
    assert.deepEqual(await step.stderr.toArray(), []);
    screen.type('\n');
    assert.equal((await step).stderr, '');
  });

  void test('makes lines without \\r', async (context) => {
    const lines: string[] = [];
    for await (const line of inTerminal(context, 'echo one; echo two >&2; printf three')) lines.push(line);
    assert.deepEqual(lines, ['one', 'two', 'three']);
  });
});

void suite('the output of a terminal', () => {
  void test('of 10 MiB is whole but for \\r, also when its writer exits at once', async () => {
    const { stdout } = await run('seq', ['1', '1400000'], { terminal: SIZE, collect: '64MiB' });
    const expected = Array.from({ length: 1_400_000 }, (_, index) => `${index + 1}\r\n`).join('');
    assert.ok(expected.length > 10 * MEBIBYTE);
    assert.ok(stdout === expected, `${stdout.length} of ${expected.length} bytes`);
  });

  void test('is whole in each of many short steps', async () => {
    const all = await Promise.all(
      Array.from({ length: 60 }, () => stdoutOf('sh', ['-c', 'seq 1 900; printf end'], { terminal: SIZE })),
    );
    const expected = `${Array.from({ length: 900 }, (_, index) => `${index + 1}\r\n`).join('')}end`;
    assert.deepEqual(new Set(all), new Set([expected]));
  });

  void test('of a raw terminal is every byte as it was written', async () => {
    const script = 'stty raw -echo; i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %o $i)"; i=$((i+1)); done';
    const { stdout } = await spawnSandbox('sh', ['-c', script], { terminal: SIZE, encoding: 'buffer' });
    assert.deepEqual(
      [...(stdout as Uint8Array)],
      Array.from({ length: 256 }, (_, index) => index),
    );
  });

  void test('goes on after the step has closed it everywhere and opened it again', async () => {
    const script = 'echo one; exec <&- >&- 2>&-; sleep 0.2; seq 1 20000 > /dev/tty; sleep 0.1; echo two > /dev/tty';
    const { stdout } = await run('sh', ['-c', script], { terminal: SIZE });
    assert.match(stdout, /^one\r\n1\r\n2\r\n[^]*\r\n20000\r\ntwo\r\n$/);
  });

  void test('ends with the step, also if something in the background holds it', async () => {
    const begun = performance.now();
    const { stdout } = await run('sh', ['-c', 'trap "" HUP; sleep 100 & setsid -f sleep 100; echo last'], {
      terminal: SIZE,
    });
    assert.equal(stdout, 'last\r\n');
    assert.ok(performance.now() - begun < 5000);
  });

  void test('counts in limits.output and limits.idleTime, and collect bounds what is kept', async () => {
    const flood = await spawnSandbox('yes', [], { terminal: SIZE, limits: { output: 100_000 } });
    assert.deepEqual([flood.cause, flood.stdout.length], ['outputLimit', 100_000]);
    const silent = await spawnSandbox('sh', ['-c', 'echo one; sleep 100'], {
      terminal: SIZE,
      limits: { idleTime: '200ms' },
    });
    assert.deepEqual([silent.cause, silent.stdout], ['idleTimeout', 'one\r\n']);
    const { stdout, truncated } = await run('seq', ['1000'], { terminal: SIZE, collect: 10 });
    assert.deepEqual([stdout, truncated], ['1\r\n2\r\n3\r\n4', true]);
  });

  void test('holds the step back while nobody takes it', async (context) => {
    const step = inTerminal(context, 'yes | head -c 2000000; echo end');
    const { stdout } = step;
    await once(stdout, 'readable');
    await pause(300);
    assert.ok(stdout.readableLength < 600_000, `${stdout.readableLength} bytes were read ahead`);
    const whole = Buffer.concat((await stdout.toArray()) as Buffer[]).toString();
    assert.ok(whole === `${'y\r\n'.repeat(1_000_000)}end\r\n`, `${whole.length} characters`);
  });

  void test('stops at ^S and goes on at ^Q', async (context) => {
    const step = inTerminal(context, 'while :; do echo tick; sleep 0.02; done');
    const screen = screenOf(step);
    await screen.until(/tick/);
    screen.type('\x13');
    await pause(200);
    const { length } = screen.shown;
    await pause(200);
    assert.equal(screen.shown.length, length);
    screen.type('\x11');
    await until('it goes on', () => screen.shown.length > length);
    step.kill();
    assert.equal((await step).cause, 'killed');
  });
});

void suite('terminals made inside', () => {
  testWith(['python3'], 'pty.openpty() and pty.spawn() work in a step with a terminal', async () => {
    const code = [
      'import os, pty, sys',
      'master, slave = pty.openpty()',
      'os.write(slave, b"through\\n")',
      'print(os.ttyname(slave), os.read(master, 100))',
      'sys.stdout.flush()',
      'status = pty.spawn(["sh", "-c", "tty; exit 5"])',
      'print(os.waitstatus_to_exitcode(status))',
    ].join('\n');
    const { stdout } = await run('python3', ['-c', code], { terminal: SIZE });
    assert.match(stdout, /^\/dev\/pts\/1 b'through\\r\\n'\r\n\/dev\/pts\/\d\r*\n5\r\n$/);
  });

  void test('script works', async () => {
    const { stdout } = await run('sh', ['-c', 'script -qec "tty; echo inner" /tmp/log > /dev/null; cat /tmp/log'], {
      terminal: SIZE,
    });
    assert.match(stdout, /\/dev\/pts\/1[\r]*\ninner/);
  });

  void test('there are few, and none without the option', async () => {
    const count =
      'import os\nopened = 0\ntry:\n  while True:\n    os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)\n    opened += 1\nexcept OSError as error: print(opened, error.errno)';
    assert.equal(await stdoutOf('python3', ['-c', count], { terminal: SIZE }), '31 28');
    assert.equal(await stdoutOf('python3', ['-c', count]), '0 2');
  });
});

void suite('a command with a terminal in a sandbox that lives', () => {
  void test('has one of its own beside others without', async (context) => {
    const sandbox = await createSandbox();
    context.after(() => sandbox.destroy());
    const one = sandbox.spawn('sh', ['-c', 'tty; stty size; read line; echo "<$line>"; exit 6'], { terminal: SIZE });
    const screen = screenOf(one);
    await screen.until(/\/dev\/pts\/\d+\r\n24 80\r\n/);
    assert.match(String((await sandbox.spawn('tty')).stdout), /not a tty/);
    const other = await sandbox.spawn('tty', [], { terminal: SIZE });
    assert.match(String(other.stdout), /^\/dev\/pts\/\d+\r\n$/);
    assert.ok(!screen.shown.startsWith(String(other.stdout)));
    screen.type('x\n');
    await screen.until(/<x>/);
    assert.equal((await one).status, 6);
  });

  void test('ends though another command holds it, and keeps all that it wrote', async (context) => {
    const sandbox = await createSandbox();
    context.after(() => sandbox.destroy());
    const step = sandbox.spawn('sh', ['-c', 'tty; read line; seq 1 1000; printf end'], { terminal: SIZE });
    const screen = screenOf(step);
    await screen.until(/pts\/\d+/);
    const name = /\/dev\/pts\/\d+/.exec(screen.shown)?.[0] ?? '';
    const holder = sandbox.spawn('sh', ['-c', `exec 3<> ${name}; echo held; exec sleep 100`]);
    for await (const line of holder) {
      assert.equal(line, 'held');
      break;
    }
    screen.type('\n');
    const { stdout, cause } = await step;
    assert.equal(cause, 'exit');
    assert.match(String(stdout), /\r\n1000\r\nend$/);
    holder.kill();
    await holder;
  });
});

void test('steps of zygotes have none', async (context) => {
  const code = { code: 'ERR_INVALID_OPTION', message: /terminal/ };
  await assert.rejects(createZygote({ runtime: 'python', terminal: SIZE }), code);
  await assert.rejects(createSandbox({ terminal: SIZE }), code);
  const zygote = await createZygote({ runtime: 'python' });
  context.after(() => zygote.destroy());
  assert.throws(() => zygote.spawn({ code: '' }, { terminal: SIZE }), code);
});
