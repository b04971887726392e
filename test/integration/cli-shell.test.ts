import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PACKAGE } from '../helpers/app.js';
import { uniqueMarker, untilGone, untilRunning } from '../helpers/marked-processes.js';
import { PseudoTerminal } from '../helpers/pseudo-terminal.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

const CLI = join(PACKAGE, 'dist/cli/main.js');

function start(context: TestContext, ...args: readonly string[]): PseudoTerminal {
  return new PseudoTerminal(context, [process.execPath, CLI, ...args]);
}

/** With its stdin from a file and not from a terminal. */
function withoutTerminal(
  args: readonly string[],
  input = '',
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, ...args], { timeout: 60_000, killSignal: 'SIGKILL' });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(input);
  return new Promise((resolve) =>
    child.on('close', (status) => {
      resolve({ status, stdout, stderr });
    }),
  );
}

void suite('spawn-sandbox shell', () => {
  void test('is a shell in a terminal of its own, says what it sees, and exits as it does', async (context) => {
    const terminal = start(context, 'shell', '--env', 'ASKED=for');
    const { screen } = terminal;
    await screen.until(
      /spawn-sandbox: a new sandbox, in \/home\/sandbox, with no network; of the host it sees \/usr\./,
    );
    await screen.until(/\[sandbox\] /);
    assert.equal(await terminal.isRaw(), true);
    screen.type('tty; stty size; pwd; echo "$TERM $ASKED"\n');
    await screen.until(/\/dev\/pts\/0\r\n25 90\r\n\/home\/sandbox\r\nvt220 for\r\n/);
    screen.type('exit 7\n');
    assert.deepEqual(await terminal.ended, { status: 7, restored: true });
  });

  void test('gets each key, ^C too, and is told of a new size', async (context) => {
    const terminal = start(context, 'shell', '--', 'bash', '--norc', '--noediting', '-i');
    const { screen } = terminal;
    await screen.until(/\$ $/);
    screen.type('sleep 100\n');
    await screen.until(/sleep 100\r\n/);
    await pause(100);
    screen.type('\x03');
    await screen.until(/\^C[^]*\$ $/);
    terminal.resize(111, 33);
    screen.type('until [ "$(stty size)" = "33 111" ]; do sleep 0.01; done; echo "was $?"\n');
    await screen.until(/was 0\r\n/);
    screen.type('sleep 100\n');
    await screen.until(/sleep 100\r\n/);
    await pause(100);
    screen.type('\x1a');
    await screen.until(/Stopped/);
    screen.type('fg\n');
    await screen.until(/fg\r\nsleep 100\r\n/);
    await pause(100);
    screen.type('\x03');
    await screen.until(/\^C[^]*\$ $/);
    screen.type('exit 9\n');
    assert.deepEqual(await terminal.ended, { status: 9, restored: true });
  });

  void test('says nothing with --quiet, and 128 + n after signal n', async (context) => {
    const terminal = start(context, 'shell', '--quiet', '--', 'sh', '-c', 'echo first; exec sleep 100');
    await terminal.screen.until(/^first\r\n/);
    terminal.screen.type('\x03');
    assert.deepEqual(await terminal.ended, { status: 130, restored: true });
  });

  const STATUSES: readonly (readonly [what: string, args: readonly string[], status: number])[] = [
    ['124 after a timeout', ['--wall-time', '300ms', '--', 'sleep', '100'], 124],
    ['125 when the sandbox cannot be made', ['--read-only', '/no/such/path'], 125],
    ['125 for a mistake', ['--memry', '1MiB'], 125],
    ['127 when it was not found', ['--', 'no-such-program-anywhere'], 127],
  ];
  for (const [what, args, status] of STATUSES) {
    void test(`exits with ${what}, and the terminal is as it was`, async (context) => {
      assert.deepEqual(await start(context, 'shell', ...args).ended, { status, restored: true });
    });
  }

  for (const [signal, status] of [
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    void test(`${signal} is passed on, and the terminal is as it was`, async (context) => {
      const terminal = start(context, 'shell', '--', 'sh', '-c', 'echo up; exec sleep 100');
      await terminal.screen.until(/up\r\n/);
      assert.equal(await terminal.isRaw(), true);
      await terminal.kill(signal);
      assert.deepEqual(await terminal.ended, { status, restored: true });
    });
  }

  void test('after a stop and a continuation each key is the step’s again', async (context) => {
    const terminal = start(context, 'shell', '--', 'sh', '-c', 'echo up; read line; echo "<$line>"');
    await terminal.screen.until(/up\r\n/);
    await terminal.kill('SIGSTOP');
    await terminal.kill('SIGCONT');
    await pause(100);
    assert.equal(await terminal.isRaw(), true);
    terminal.screen.type('x\n');
    await terminal.screen.until(/<x>/);
    assert.equal((await terminal.ended).status, 0);
  });

  void test('gives the terminal its settings back also when the spawner dies', async (context) => {
    const terminal = start(context, 'shell', '--', 'sh', '-c', 'echo up; exec sleep 100');
    await terminal.screen.until(/up\r\n/);
    const pid = await terminal.pid;
    for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' '))
      process.kill(Number(child), 'SIGKILL');
    assert.deepEqual(await terminal.ended, { status: 125, restored: true });
    await terminal.screen.until(/spawn-sandbox: The spawner/);
  });

  void test('ends with its window, and so does all in it', async (context) => {
    const marker = uniqueMarker();
    const script = `sh -c 'trap "" HUP; sleep 1000; :' ${marker} & echo up; cat`;
    const terminal = start(context, 'shell', '--', 'sh', '-c', script, marker);
    await terminal.screen.until(/up\r\n/);
    await untilRunning(marker, 1).catch(() => undefined);
    const pid = await terminal.pid;
    await terminal.close();
    await untilGone(marker, 10_000);
    await until('the command line is gone', () => !isAlive(pid));
  });

  void test('needs a terminal, and says so', async () => {
    const { status, stderr } = await withoutTerminal(['shell'], 'echo hello\n');
    assert.equal(status, 125);
    assert.match(stderr, /stdin is not a terminal\. Start it in a terminal, or run commands by: spawn-sandbox run/);
  });

  void test('its options are those of run, but for two', async (context) => {
    const result = join(temporaryDirectory(context), 'result.json');
    assert.equal((await start(context, 'shell', '--result-file', result, '--', 'echo', 'text').ended).status, 0);
    assert.equal((JSON.parse(readFileSync(result, 'utf8')) as { stdout: string }).stdout, 'text\r\n');
    assert.match((await withoutTerminal(['shell', '--terminal'])).stderr, /--terminal is not one of shell/);
    assert.match((await withoutTerminal(['run', '--quiet', '--', 'true'])).stderr, /--quiet is not one of run/);
  });
});

void suite('spawn-sandbox run --terminal', () => {
  void test('gives the command a terminal, of the size of ours', async (context) => {
    const terminal = start(
      context,
      'run',
      '--terminal',
      '--',
      'sh',
      '-c',
      'stty size; read line; echo "<$line>"; exit 3',
    );
    await terminal.screen.until(/^25 90\r\n/);
    terminal.screen.type('x\n');
    await terminal.screen.until(/<x>/);
    assert.deepEqual(await terminal.ended, { status: 3, restored: true });
  });

  void test('types what comes from a pipe, and then ^D', async () => {
    const { status, stdout } = await withoutTerminal(
      ['run', '--terminal', '--', 'sh', '-c', 'tty; stty size; cat'],
      'one\ntwo',
    );
    assert.equal(status, 0);
    for (const expected of [/\/dev\/pts\/0\r\n/, /24 80\r\n/, /one\r\ntwo$/]) assert.match(stdout, expected);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
