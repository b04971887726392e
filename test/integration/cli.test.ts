import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { PACKAGE } from '../helpers/app.js';
import { uniqueMarker, untilGone, untilRunning } from '../helpers/marked-processes.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

const CLI = join(PACKAGE, 'dist/cli/main.js');

interface End {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<End>;
}

function start(
  context: TestContext,
  args: readonly string[],
  {
    input,
    env = {},
    open = false,
  }: { readonly input?: string; readonly env?: Readonly<Record<string, string>>; readonly open?: boolean } = {},
): Running {
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: 'pipe',
    env: { ...process.env, ...env },
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  context.after(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => undefined); // the command has ended without reading all of it
  if (!open) child.stdin.end(input);
  const ended = new Promise<End>((resolve) =>
    child.on('close', (status, signal) => {
      resolve({ status, signal, stdout, stderr });
    }),
  );
  return { child, ended };
}

function cli(context: TestContext, args: readonly string[], options: Parameters<typeof start>[2] = {}): Promise<End> {
  return start(context, args, options).ended;
}

void suite('spawn-sandbox run', () => {
  void test('relays the streams and exits as the command does', async (context) => {
    const { status, stdout, stderr } = await cli(context, ['run', '--', 'sh', '-c', 'cat; echo err >&2; exit 7'], {
      input: 'from stdin',
    });
    assert.deepEqual([status, stdout, stderr], [7, 'from stdin', 'err\n']);
  });

  const STATUSES: readonly (readonly [what: string, args: readonly string[], status: number])[] = [
    ['128 + n after signal n', ['--', 'sh', '-c', 'kill -TERM $$'], 143],
    ['124 after wallTime', ['--wall-time', '100ms', '--', 'sleep', '1000'], 124],
    ['124 after cpuTime', ['--cpu-time', '100ms', '--', 'sh', '-c', 'while :; do :; done'], 124],
    ['124 after idleTime', ['--idle-time', '100ms', '--', 'sleep', '1000'], 124],
    ['137 when out of memory', ['--memory', '32MiB', '--', 'tail', '/dev/zero'], 137],
    ['137 after too much output', ['--output', '1000', '--', 'yes'], 137],
    ['125 when the sandbox cannot be made', ['--read-only', '/no/such/path', '--', 'true'], 125],
    ['125 for a mistake', ['--wall-tim', '1s', '--', 'true'], 125],
    ['126 when it cannot be executed', ['--', '/usr/bin'], 126],
    ['127 when it was not found', ['--', 'no-such-program-anywhere'], 127],
  ];
  for (const [what, args, expected] of STATUSES) {
    void test(`exits with ${what}`, async (context) => {
      const { status, signal, stderr } = await cli(context, ['run', ...args]);
      assert.deepEqual([status, signal], [expected, null], stderr);
      if (expected >= 124 && expected <= 127) assert.match(stderr, /^spawn-sandbox: \S/);
    });
  }

  void test('a mistyped option is named with what may have been meant', async (context) => {
    const { stderr } = await cli(context, ['run', '--wall-tim', '1s', '--', 'true']);
    assert.match(stderr, /Unknown option --wall-tim\..*--wall-time/);
  });

  void test('without -- there is no command', async (context) => {
    const { status, stderr } = await cli(context, ['run', 'true']);
    assert.equal(status, 125);
    assert.match(stderr, /--/);
  });

  void test('options of the command are its own', async (context) => {
    assert.equal((await cli(context, ['run', '--', 'echo', '--memory', '-h', '--'])).stdout, '--memory -h --\n');
  });

  void test('--env, --cwd, --read-only and --writable', async (context) => {
    const directory = temporaryDirectory(context, { 'in/file': 'content', 'out/.keep': '' });
    const script = 'echo "$ONE $TWO ${THREE-unset}"; pwd; cat file; echo written > /out/file';
    const args = [
      'run',
      '--env',
      'ONE=1=1',
      '--env',
      'TWO',
      '--cwd',
      '/in',
      '--read-only',
      `${directory}/in:/in`,
      '--writable',
      `${directory}/out:/out`,
      '--',
      'sh',
      '-c',
      script,
    ];
    const { status, stdout, stderr } = await cli(context, args, { env: { TWO: 'two', THREE: 'three' } });
    assert.deepEqual([status, stdout], [0, '1=1 two unset\n/in\ncontent'], stderr);
    assert.equal(readFileSync(join(directory, 'out/file'), 'utf8'), 'written\n');
  });

  void test('--processes and --scratch', async (context) => {
    const script = 'df -k --output=size /tmp | tail -1; for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; echo all';
    const { stdout } = await cli(context, ['run', '--processes', '5', '--scratch', '1MiB', '--', 'sh', '-c', script]);
    assert.match(stdout, /^\s*1024\n$/);
  });

  void test('--network host needs --allow-missing net', async (context) => {
    const refused = await cli(context, ['run', '--network', 'host', '--', 'true']);
    assert.equal(refused.status, 125);
    const { status } = await cli(context, ['run', '--network', 'host', '--allow-missing', 'net', '--', 'true']);
    assert.equal(status, 0);
  });

  void test('--result-file gets the result as JSON, whatever the end', async (context) => {
    const file = join(temporaryDirectory(context), 'result.json');
    const { status } = await cli(context, ['run', '--result-file', file, '--', 'sh', '-c', 'echo out; exit 3']);
    const result = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    assert.equal(status, 3);
    assert.deepEqual([result['ok'], result['status'], result['cause'], result['stdout']], [false, 3, 'exit', 'out\n']);
    assert.ok(typeof result['enforced'] === 'object' && typeof result['usage'] === 'object');
    await cli(context, ['run', '--wall-time', '100ms', '--result-file', file, '--', 'sleep', '1000']);
    assert.equal((JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)['cause'], 'wallTimeout');
  });

  void test('binary data passes unchanged, much of it, and no faster than it is taken', async (context) => {
    const input = 'line of text\n'.repeat(400_000);
    const { stdout, status } = await cli(context, ['run', '--', 'cat'], { input });
    assert.equal(status, 0);
    assert.ok(stdout === input);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    void test(`${signal} is passed on, and its command may take its time`, async (context) => {
      const script = `trap "echo cleaned; exit 9" ${signal.slice(3)}; echo up; while :; do sleep 0.05; done`;
      const { child, ended } = start(context, ['run', '--', 'sh', '-c', script], { open: true });
      let seen = '';
      child.stdout?.on('data', (chunk: Buffer) => (seen += chunk.toString()));
      await until('it is up', () => seen === 'up\n');
      child.kill(signal);
      const { status, stdout } = await ended;
      assert.deepEqual([status, stdout], [9, 'up\ncleaned\n']);
    });
  }

  void test('SIGKILL leaves nothing of the command', async (context) => {
    const marker = uniqueMarker();
    const { child } = start(
      context,
      ['run', '--', 'sh', '-c', '(setsid -f sh -c "sleep 1000; :" x); sleep 1000; :', 'x'].map((word) =>
        word === 'x' ? marker : word,
      ),
      { open: true },
    );
    await untilRunning(marker, 1).catch(() => undefined);
    child.kill('SIGKILL');
    await until('nothing is left but the name in its own arguments', () => child.signalCode === 'SIGKILL');
    await untilGone(marker, 3000);
  });

  void test('a reader that goes away ends the command', async (context) => {
    const { child, ended } = start(context, ['run', '--output', 'Infinity', '--', 'yes'], { open: true });
    child.stdout?.once('data', () => child.stdout?.destroy());
    const { status } = await ended;
    assert.notEqual(status, 0);
    assert.equal(child.signalCode, null);
  });

  void test('a command that ends while stdin stays open is the end', async (context) => {
    assert.equal((await start(context, ['run', '--', 'true'], { open: true }).ended).status, 0);
  });

  void test('a program of one’s own runs from a mount', async (context) => {
    const directory = temporaryDirectory(context);
    const program = join(directory, 'tool');
    writeFileSync(program, '#!/bin/sh\necho "$@"\n');
    chmodSync(program, 0o755);
    assert.equal((await cli(context, ['run', '--read-only', directory, '--', program, 'a', 'b'])).stdout, 'a b\n');
  });
});

void suite('spawn-sandbox', () => {
  void test('--version says that of the package', async (context) => {
    const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { readonly version: string };
    assert.deepEqual(await cli(context, ['--version']), {
      status: 0,
      signal: null,
      stdout: `${version}\n`,
      stderr: '',
    });
  });

  void test('--help tells of every option of run, and run --help does, too', async (context) => {
    const { stdout, status } = await cli(context, ['--help']);
    assert.equal(status, 0);
    const names = [
      'memory',
      'wall-time',
      'cpu-time',
      'idle-time',
      'processes',
      'output',
      'scratch',
      'read-only',
      'writable',
      'env',
      'cwd',
      'network',
      'allow-missing',
      'allow-weaker',
      'result-file',
    ];
    for (const name of names) assert.ok(stdout.includes(`--${name}`), name);
    assert.equal((await cli(context, ['run', '--help'])).stdout, stdout);
  });

  void test('no verb, and one that does not exist, are mistakes', async (context) => {
    assert.equal((await cli(context, [])).status, 125);
    assert.match((await cli(context, ['runn'])).stderr, /Unknown verb 'runn'/);
  });

  void test('the command of the package exists and can be executed', () => {
    const { bin } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as {
      readonly bin: Readonly<Record<string, string>>;
    };
    const path = join(PACKAGE, bin['spawn-sandbox'] ?? '');
    assert.ok(existsSync(path));
    assert.match(readFileSync(path, 'utf8'), /^#!\/usr\/bin\/env node\n/);
  });
});
