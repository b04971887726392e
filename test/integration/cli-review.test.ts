import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite, test } from 'node:test';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';

const CLI = fileURLToPath(import.meta.resolve('#src/cli/main.js'));

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function cli(args: readonly string[]): Said {
  return spawnSync(process.execPath, [CLI, 'run', ...args], { encoding: 'utf8', timeout: 60_000, input: '' });
}

/** Runs it on a terminal of its own, and types a line at each question; prints what the terminal shows. */
const TERMINAL = `
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
answers, shown, asked, end = sys.argv[1].split(','), b'', 0, time.time() + 40
while time.time() < end and select.select([fd], [], [], 30)[0]:
  try: data = os.read(fd, 4096)
  except OSError: break
  if not data: break
  shown += data
  if shown.count(b'ifference: ') > asked and asked < len(answers):
    os.write(fd, answers[asked].encode() + b'\\n'); asked += 1
sys.stdout.buffer.write(shown.replace(b'\\r', b''))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;

function atTerminal(answers: string, args: readonly string[]): Said {
  return spawnSync('python3', ['-c', TERMINAL, answers, process.execPath, CLI, 'run', ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

const SCRIPT = ['--', 'sh', '-c', 'echo changed > a; rm b; echo said'];

void suite('spawn-sandbox run --overlay', () => {
  const work = (directory: string): readonly string[] => ['--overlay', `${directory}:/project`, '--cwd', '/project'];

  void test('without more throws away what was written', (context) => {
    const directory = temporaryDirectory(context, { a: 'one\n', b: 'two\n' });
    const { status, stdout, stderr } = cli([...work(directory), ...SCRIPT]);
    assert.deepEqual([status, stdout, stderr], [0, 'said\n', '']);
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'one\n');
  });

  void test('--commit keeps it when the command has succeeded, and says what', (context) => {
    const directory = temporaryDirectory(context, { a: 'one\n', b: 'two\n' });
    const failed = cli([...work(directory), '--commit', '--', 'sh', '-c', 'echo changed > a; exit 3']);
    assert.equal(failed.status, 3);
    assert.match(failed.stderr, /M \/project\/a 8 bytes\n.*Discarded, because the command has not succeeded/);
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'one\n');
    const { status, stdout, stderr } = cli([...work(directory), '--commit', ...SCRIPT]);
    assert.deepEqual([status, stdout], [0, 'said\n']);
    assert.match(stderr, /M \/project\/a 8 bytes\n.*D \/project\/b\n.*Kept 2 changes/);
    assert.deepEqual(
      [readFileSync(join(directory, 'a'), 'utf8'), existsSync(join(directory, 'b'))],
      ['changed\n', false],
    );
  });

  void test('--discard shows it only', (context) => {
    const directory = temporaryDirectory(context, { a: 'one\n', b: 'two\n' });
    assert.match(
      cli([...work(directory), '--discard', ...SCRIPT]).stderr,
      /M \/project\/a.*\n.*D \/project\/b\n.*Discarded\.\n$/,
    );
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'one\n');
  });

  testWith(['python3'], '--review asks at the terminal, and shows the difference', (context) => {
    const directory = temporaryDirectory(context, { a: 'one\n', b: 'two\n' });
    const no = atTerminal('n', [...work(directory), '--review', ...SCRIPT]);
    assert.match(no.stdout, /Keep these changes\?.*n\n.*Discarded/);
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), 'one\n');
    const script = ['--', 'sh', '-c', 'printf "\\033[2Jhidden" > a'];
    const yes = atTerminal('d,y', [...work(directory), '--review', ...script]);
    assert.match(
      yes.stdout,
      /d\nmodified file \/project\/a\n(.*\n)*\+\\u\{1b\}\[2Jhidden\n(.*\n)*.*Keep these changes\?.*y\n.*Kept 1 change\./,
    );
    assert.ok(
      !yes.stdout.slice(yes.stdout.indexOf('spawn-sandbox:')).includes('\u001b'),
      'no sign that moves the cursor',
    );
    assert.equal(yes.status, 0);
    assert.equal(readFileSync(join(directory, 'a'), 'utf8'), '\u001b[2Jhidden');
    return Promise.resolve();
  });

  void test('wrong combinations are said before anything runs', (context) => {
    const directory = temporaryDirectory(context, { a: 'one\n' });
    for (const [args, message] of [
      [['--commit', '--discard', ...work(directory)], /exclude each other/],
      [['--review'], /nothing to review/],
    ] as const) {
      const { status, stdout, stderr } = cli([...args, '--', 'echo', 'ran']);
      assert.deepEqual([status, stdout], [125, '']);
      assert.match(stderr, message);
    }
  });

  void test('--hide, --protect and --root mean the same as in the library', (context) => {
    const directory = temporaryDirectory(context, { '.env': 'SECRET', 'hooks/x': 'good\n' });
    const script = 'cat .env; echo bad 2>/dev/null > hooks/x; cat hooks/x';
    assert.equal(
      cli([...work(directory), '--hide', '.env', '--protect', 'hooks', '--', 'sh', '-c', script]).stdout,
      'good\n',
    );
    const { status, stderr } = cli(['--root', join(directory, 'nothing'), '--', 'true']);
    assert.equal(status, 125);
    assert.match(stderr, /nothing: ENOENT/);
  });
});
