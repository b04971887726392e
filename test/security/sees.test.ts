import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { suite, test } from 'node:test';
import { withVariable } from '../helpers/with-variable.js';
import { hasOwnIds } from '../helpers/privileges.js';
import { run, stdoutOf } from '../helpers/run.js';

const NAMESPACES = ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'];
const OF_INIT = [
  'environ',
  'maps',
  'mem',
  'auxv',
  'exe',
  'root',
  'cwd',
  'fd/3',
  'fdinfo/3',
  'ns/mnt',
  'io',
  'syscall',
  'stack',
];
/** Files that tell of the host; outside they hold something, or are not there. */
const TELLING = 'kallsyms keys key-users cmdline config.gz modules locks partitions diskstats swaps interrupts'
  .split(' ')
  .concat('softirqs schedstat vmstat zoneinfo buddyinfo sched_debug iomem mdstat'.split(' '))
  .map((name) => `/proc/${name}`);
const SETTINGS = ['kernel/hostname', 'kernel/core_pattern', 'vm/drop_caches', 'user/max_user_namespaces'];

void suite('what a step sees', () => {
  for (const name of NAMESPACES) {
    void test(`the ${name} namespace is not the host's`, async () => {
      const inside = await stdoutOf('readlink', [`/proc/self/ns/${name}`]);
      const here = readlinkSync(`/proc/self/ns/${name}`);
      assert.notEqual(inside, here);
      assert.match(inside, /^\w+:\[\d+\]$/);
      assert.equal(
        readlinkSync(`/proc/${process.ppid}/ns/${name}`),
        here,
        'the control: this process has its parent’s',
      );
    });
  }

  void test('two sandboxes share no namespace', async () => {
    const list = `for n in ${NAMESPACES.join(' ')}; do readlink /proc/self/ns/$n; done; sleep 0.2`;
    const [one, other] = await Promise.all([stdoutOf('sh', ['-c', list]), stdoutOf('sh', ['-c', list])]);
    assert.deepEqual(
      one.split('\n').filter((link) => other.split('\n').includes(link)),
      [],
    );
  });

  for (const name of OF_INIT) {
    void test(`/proc/1/${name} of init cannot be opened`, async () => {
      // The numbers in fd may be listed where init has the step's own id; where they lead must stay closed.
      const read = `exec 3</; { cat /proc/PID/${name} || ls /proc/PID/${name}/0 || readlink /proc/PID/${name} || readlink /proc/PID/${name}/*; } >/dev/null 2>&1 && echo open || echo closed`;
      assert.equal(await stdoutOf('sh', ['-c', read.replaceAll('PID', '1')]), 'closed');
      // The control: of its own process it gets something.
      const own = await stdoutOf('sh', ['-c', read.replaceAll('PID', 'self')]);
      if (!['mem', 'stack'].includes(name)) assert.equal(own, 'open');
    });
  }

  void test('no other process of the host is in /proc', async () => {
    const pids = await stdoutOf('sh', ['-c', 'ls /proc | grep -c "^[0-9]"']);
    assert.ok(Number(pids) <= 5, pids);
    assert.ok(
      readdirSync('/proc').filter((name) => /^\d/.test(name)).length > 5,
      'the control: outside there are more',
    );
  });

  void test('files of /proc that tell of the host are empty', async () => {
    const script = `for f in ${TELLING.join(' ')}; do n=$(head -c 100 $f 2>/dev/null | wc -c); echo "$f $n"; done`;
    const told = (await stdoutOf('sh', ['-c', script])).split('\n').filter((line) => !line.endsWith(' 0'));
    assert.deepEqual(told, []);
    const outside = TELLING.filter((path) => existsSync(path) && readable(path));
    assert.ok(outside.length > 5, `the control: outside ${outside.length} of them hold something`);
  });

  for (const name of SETTINGS) {
    void test(`/proc/sys/${name} cannot be opened for writing`, async () => {
      const open = `( exec 3>>/proc/sys/${name} ) 2>/dev/null && echo open || echo closed`;
      assert.equal(await stdoutOf('sh', ['-c', open]), 'closed');
    });
  }

  void test('a step cannot leave the place of the first victim of a memory shortage', async () => {
    const script = 'cat /proc/self/oom_score_adj; (echo 0 > /proc/self/oom_score_adj) 2>/dev/null || echo refused';
    assert.equal(await stdoutOf('sh', ['-c', script]), '1000\nrefused');
  });

  void test('nothing of the host lies in its directories', async () => {
    const listing = await stdoutOf('sh', [
      '-c',
      'ls -A /root /run /sys /srv /mnt /media /opt /var/lib /var/log /boot 2>/dev/null; ls /home',
    ]);
    assert.match(listing.replaceAll(/^\/.*:$/gm, '').trim(), /^sandbox$/);
    assert.ok(readdirSync('/sys').length > 0, 'the control');
  });

  void test('a secret in the environment of the app is in no environment that a step can read', async () => {
    await withVariable('SPAWN_SANDBOX_SECRET', 'hunter2', async () => {
      const script = 'cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n"; env';
      assert.doesNotMatch(await stdoutOf('sh', ['-c', script]), /hunter2/);
      const given = { env: { SPAWN_SANDBOX_SECRET: true } } as const;
      assert.match(await stdoutOf('sh', ['-c', script], given), /hunter2/, 'the control: given by name it is there');
    });
  });

  void test('a step holds three descriptors and no more', async () => {
    const script = 'n=0; while [ $n -lt 64 ]; do [ -e /proc/$$/fd/$n ] && printf "$n "; n=$((n+1)); done; true';
    assert.equal(await stdoutOf('sh', ['-c', script]), '0 1 2');
    const more = await stdoutOf('sh', ['-c', `exec 9</; ${script}`]);
    assert.equal(more, '0 1 2 9', 'the control: one that is open is seen');
  });

  void test('the table of mounts names no directory of the app', async () => {
    const mounts = await stdoutOf('cat', ['/proc/self/mountinfo']);
    assert.doesNotMatch(mounts, new RegExp(process.cwd().replaceAll('/', '\\/')));
    const filesystem = { readOnly: [{ source: process.cwd(), target: '/app' }] };
    // The control, and what is known: of a directory that the app mounts, the table tells where it lies.
    assert.match(await stdoutOf('cat', ['/proc/self/mountinfo'], { filesystem }), / \/app /);
  });

  void test('cgroups look like the root of their hierarchies', async () => {
    assert.match(await stdoutOf('cat', ['/proc/self/cgroup']), /^(\d+:[^:]*:\/\n?)+$/);
  });

  void test('ids of the host are not told, but for the own one of an ordinary user', async () => {
    const [uid, gid] = await Promise.all(['uid', 'gid'].map((map) => stdoutOf('cat', [`/proc/self/${map}_map`])));
    assert.match(`${uid}`, hasOwnIds ? /^\s*1000\s+\d+\s+1$/m : /^\s*1000\s+0\s+1$/);
    assert.match(`${gid}`, hasOwnIds ? /^\s*1000\s+\d+\s+1$/m : /^\s*1000\s+0\s+1$/);
    const { enforced } = await run('true');
    assert.equal(enforced.uid.state, hasOwnIds ? 'enforced' : 'weaker');
  });
});

function readable(path: string): boolean {
  try {
    return readFileSync(path).length > 0;
  } catch {
    return false;
  }
}
