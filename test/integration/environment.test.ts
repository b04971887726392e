import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { spawnSandbox } from 'spawn-sandbox';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const OURS = ['HOME', 'LANG', 'LOGNAME', 'PATH', 'USER'];

async function variablesOf(options: Parameters<typeof spawnSandbox>[2] = {}): Promise<Record<string, string>> {
  const { stdout } = await run('env', ['-0'], options);
  return Object.fromEntries(
    stdout
      .split('\0')
      .filter((entry) => entry !== '')
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

void suite('variables', () => {
  void test('of the app are not inherited, its secrets least of all', async () => {
    process.env['SPAWN_SANDBOX_TEST_SECRET'] = 'secret';
    const variables = await variablesOf();
    assert.deepEqual(Object.keys(variables).toSorted(), OURS);
    assert.ok(!JSON.stringify(variables).includes('secret'));
    assert.equal(await stdoutOf('sh', ['-c', 'cat /proc/*/environ | tr "\\0" "\\n" | grep -c secret || :']), '0');
    const passed = await variablesOf({ env: { SPAWN_SANDBOX_TEST_SECRET: true } });
    assert.equal(passed['SPAWN_SANDBOX_TEST_SECRET'], 'secret', 'the control: it can be passed on');
  });

  void test('are set to text, or to the value of the app now', async () => {
    process.env['SPAWN_SANDBOX_TEST_VALUE'] = 'first';
    const env = { TEXT: 'a b\n"é$', EMPTY: '', SPAWN_SANDBOX_TEST_VALUE: true } as const;
    const { TEXT, EMPTY, SPAWN_SANDBOX_TEST_VALUE: value } = await variablesOf({ env });
    assert.deepEqual([TEXT, EMPTY, value], ['a b\n"é$', '', 'first']);
    process.env['SPAWN_SANDBOX_TEST_VALUE'] = 'second';
    assert.equal((await variablesOf({ env }))['SPAWN_SANDBOX_TEST_VALUE'], 'second');
  });

  void test('that the app lacks are left out with true', async () => {
    assert.deepEqual(Object.keys(await variablesOf({ env: { SPAWN_SANDBOX_TEST_LACKING: true } })).toSorted(), OURS);
  });

  void test('win over those that are set by default', async () => {
    const { HOME, PATH } = await variablesOf({ env: { HOME: '/tmp', PATH: '/usr/bin' } });
    assert.deepEqual([HOME, PATH], ['/tmp', '/usr/bin']);
  });

  void test('of one step are not those of the next', async () => {
    await variablesOf({ env: { ONLY_ONCE: 'x' } });
    assert.equal((await variablesOf())['ONLY_ONCE'], undefined);
  });
});

void suite('who and where a step is', () => {
  void test('by default uid and gid 1000, called sandbox, at home and alone in no other group', async () => {
    const script = 'id -u; id -g; id -G; id -un; pwd; echo $HOME $USER';
    assert.equal(
      await stdoutOf('sh', ['-c', script]),
      '1000\n1000\n1000\nsandbox\n/home/sandbox\n/home/sandbox sandbox',
    );
  });

  void test('as asked for', async () => {
    const script = 'id -u; id -g; id -un; pwd; touch here && stat -c %u:%g here';
    const user = { uid: 1234, gid: 4321, name: 'worker' };
    assert.equal(await stdoutOf('sh', ['-c', script], { user }), '1234\n4321\nworker\n/home/worker\n1234:4321');
  });

  void test('it cannot become anybody else', async () => {
    const result = await spawnSandbox('sh', ['-c', 'chown 0 ~ 2>&1; chown 1 ~ 2>&1; ls -ldn ~ | cut -d" " -f3']);
    assert.match(String(result.stdout).trimEnd(), /\n1000$/);
  });

  void test('cwd is where it starts', async (context) => {
    assert.equal(await stdoutOf('pwd', [], { cwd: '/tmp' }), '/tmp');
    assert.equal(await stdoutOf('pwd', [], { cwd: '/usr/../usr/bin' }), '/usr/bin');
    const directory = temporaryDirectory(context, { 'a/file': 'x' });
    const options = { cwd: `${directory}/a`, filesystem: { readOnly: [directory] } };
    assert.equal(await stdoutOf('ls', [], options), 'file');
  });

  void test('its host has another name', async () => {
    assert.equal(await stdoutOf('cat', ['/proc/sys/kernel/hostname']), await stdoutOf('uname', ['-n']));
    assert.notEqual(await stdoutOf('uname', ['-n']), (await import('node:os')).hostname());
  });

  void test('a login name of the app is not known inside', async () => {
    const accounts = (await stdoutOf('cut', ['-d:', '-f1', '/etc/passwd'])).split('\n');
    assert.ok(accounts.includes('sandbox') && accounts.length <= 4, accounts.join(' '));
  });

  void test('descriptors of the app are not inherited', async () => {
    assert.equal(await stdoutOf('ls', ['/proc/self/fd']), '0\n1\n2\n3', 'the last one is where ls looks');
  });

  void test('the step sees only its own processes', async () => {
    const pids = (await stdoutOf('sh', ['-c', 'ls /proc | grep -E "^[0-9]+$" | wc -l'])).trim();
    assert.ok(Number(pids) <= 6, pids);
    assert.equal(
      await stdoutOf('sh', ['-c', 'kill -0 1 2>/dev/null && echo reachable || echo out of reach']),
      'out of reach',
    );
  });
});
