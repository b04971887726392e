import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';
import { compileProbe, runOutside } from '../helpers/probe.js';
import { stdoutOf } from '../helpers/run.js';

const TAKEN = 256;
const LIMITS: SandboxOptions = { limits: { memory: '64MiB', wallTime: '20s' } };
const WAYS: Readonly<Record<string, string>> = {
  plain: 'private pages',
  'under-a-name': 'private pages of a process whose name is a line that a watcher reads',
  'in-children': 'private pages, spread over children',
  'memory-file': 'a file without a name',
  shared: 'shared pages that nobody maps any more',
  'zero-device': 'pages of /dev/zero that nobody maps any more',
  segment: 'a shared segment',
  'page-tables': 'page tables without pages',
};

void suite('memory that is easily overlooked', () => {
  const program = compileProbe('hoard');
  const skip = program === undefined ? 'gcc not found: apt-get install -y gcc libc6-dev' : false;
  const hoard = (args: readonly string[], options: SandboxOptions = LIMITS) =>
    spawnSandbox(program ?? '', args, options);

  for (const [way, what] of Object.entries(WAYS)) {
    void test(`${TAKEN} MiB in ${what} do not fit into 64 MiB`, { skip, timeout: 60_000 }, async () => {
      assert.equal(runOutside(program ?? '', [way, String(TAKEN)]), `${TAKEN}\n`, 'the control: outside they fit');
      const result = await hoard([way, String(TAKEN), '1']);
      if (result.cause === 'exit') assert.match(String(result.stdout), /^refused: /, result.detail);
      else assert.equal(result.cause, 'oom', result.detail);
    });
  }

  void test('scratch files hold half of the memory, and no endless number of empty ones', { skip }, async () => {
    const { stdout } = await hoard(['scratch', '100']);
    assert.equal(stdout, '32\n');
    const files = Number((await hoard(['many-files', '30000'])).stdout);
    assert.ok(files > 1000 && files <= 8192, String(files));
    const more = await hoard(['scratch', '100'], { limits: { memory: '512MiB', scratch: '200MiB' } });
    assert.equal(more.stdout, '100\n', 'the control');
  });

  for (const kind of ['streams', 'datagrams']) {
    void test(
      `what lies unread in ${kind} of a root app's step is limited, too`,
      { skip, timeout: 60_000 },
      async () => {
        assert.ok(Number(runOutside(program ?? '', [kind, '64'])) >= 60, 'the control: outside it is not');
        const result = await hoard([kind, '64']);
        // Without a cgroup nothing counts it: that is known (weaker).
        if (isRoot && result.cause !== 'oom') assert.ok(Number(result.stdout) < 48, String(result.stdout));
      },
    );
  }

  void test('semaphores are few where no cgroup counts them', { skip }, async () => {
    const { stdout, enforced } = await hoard(['semaphores', '32000']);
    assert.equal(Number(stdout), enforced.memory.by === 'watched' ? 0 : 32_000);
    assert.equal((await hoard(['semaphores', '200'])).stdout, '200\n', 'the control: some there are');
  });

  void test('/dev/zero reads as ever', { skip }, async () => {
    assert.equal(await stdoutOf('sh', ['-c', 'head -c 5000 /dev/zero | tr "\\0" x | wc -c']), '5000');
    assert.equal(await stdoutOf('sh', ['-c', 'dd if=/dev/zero bs=1k count=3 2>/dev/null | md5sum']), ZEROS);
  });

  void test('time in children that nobody waits for counts for a root app', { skip, timeout: 60_000 }, async () => {
    assert.equal(runOutside(program ?? '', ['unseen-time', '400']), '400\n', 'the control');
    const result = await hoard(['unseen-time', '4000'], { limits: { cpuTime: '500ms', wallTime: '20s' } });
    // Where no cgroup counts, the kernel forgets it: that is known (weaker).
    assert.equal(result.cause, isRoot ? 'cpuTimeout' : 'exit', result.detail);
  });

  void test('no more than the allowed processes are made', { skip }, async () => {
    assert.equal(runOutside(program ?? '', ['processes', '40']), '40\n', 'the control');
    const { stdout } = await hoard(['processes', '40'], { limits: { processes: 20 } });
    assert.equal(stdout, '19\n');
  });
});

const ZEROS = 'd2a70550489de356a2cd6bfc40711204  -';
