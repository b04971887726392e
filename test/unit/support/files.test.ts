import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '#src/package-root.js';
import { capabilityNames } from '#src/support/capabilities.js';
import { disabledControllers } from '#src/support/collect.js';
import { findHierarchies } from '#src/support/hierarchies.js';
import { hasProc, isReadOnly, masksOverProc, mountOf, parseMountinfo } from '#src/support/mountinfo.js';
import { PROBES, toProbes } from '#src/support/probes.js';
import { DOCKER_MOUNTS, HOST_MOUNTS } from '../../helpers/evidence.js';

void test('mountinfo: optional fields, escapes and both lists of options', () => {
  const [mount] = parseMountinfo(
    '36 35 98:0 /sub\\040dir /mnt/a\\011b rw,noatime master:1 - ext3 /dev/root ro,errors=continue\n',
  );
  assert.deepEqual(mount, {
    root: '/sub dir',
    target: '/mnt/a\tb',
    type: 'ext3',
    options: ['rw', 'noatime', 'ro', 'errors=continue'],
  });
  assert.ok(isReadOnly(mount));
});

void test('mountinfo: lines that are none are passed over', () => {
  assert.deepEqual(parseMountinfo('\nnonsense\n1 2 - \n'), []);
});

void test('mountinfo: the deepest and last mount is the one to be seen', () => {
  const mounts = parseMountinfo(
    '1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /proc rw - proc p rw\n3 2 0:3 / /proc rw - tmpfs t rw',
  );
  assert.equal(mountOf(mounts, '/proc/sys')?.type, 'tmpfs');
  assert.equal(mountOf(mounts, '/processes')?.type, 'ext4');
  assert.equal(hasProc(mounts), false);
  assert.equal(hasProc(HOST_MOUNTS), true);
});

void test('what procfs itself keeps empty for others to mount on is no mask', () => {
  assert.deepEqual(masksOverProc(HOST_MOUNTS), []);
  assert.deepEqual(masksOverProc(DOCKER_MOUNTS), ['/proc/acpi', '/proc/bus', '/proc/kcore', '/proc/sys']);
});

void test("the app's cgroups are found in v1, v2 and in a part of the tree", () => {
  const mounts = parseMountinfo(
    [
      '30 1 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
      '31 1 0:2 /docker/x /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct',
      '32 1 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
    ].join('\n'),
  );
  const membership = '5:memory:/a\n4:cpu,cpuacct:/docker/x/y\n3:freezer:/\n0::/gone\n';
  const exists = (path: string): boolean => !path.endsWith('gone');
  const found = findHierarchies(mounts, membership, exists).map(({ directory, readOnly }) => [directory, readOnly]);
  assert.deepEqual(found, [
    ['/sys/fs/cgroup/memory/a', false],
    ['/sys/fs/cgroup/cpu,cpuacct/y', true],
    ['/sys/fs/cgroup/unified', false],
  ]);
});

void test('a cgroup file system that was mounted once more, read-only, is read-only', () => {
  const line = (id: number, options: string): string =>
    `${id} 0 0:${id} / /sys/fs/cgroup ${options} - cgroup2 cgroup rw`;
  const found = (...options: readonly string[]): readonly boolean[] =>
    findHierarchies(parseMountinfo(options.map((text, id) => line(id, text)).join('\n')), '0::/', () => true).map(
      ({ readOnly }) => readOnly,
    );
  assert.deepEqual(found('rw', 'ro'), [true]);
  assert.deepEqual(found('ro', 'rw'), [false], 'the control');
});

void test('disabled controllers', () => {
  const table = '#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t1\t1\nmemory\t0\t95\t0\n';
  assert.deepEqual(disabledControllers(table), ['memory']);
});

void test('capabilities have names', () => {
  assert.deepEqual(capabilityNames('0000000000200081'), ['CAP_CHOWN', 'CAP_SETUID', 'CAP_SYS_ADMIN']);
  assert.deepEqual(capabilityNames(''), []);
});

void test('the probes are those of the protocol, in its order', () => {
  const text = readFileSync(join(packageRoot, 'proto/control.proto'), 'utf8');
  const block = /enum What \{(.*?)\}/s.exec(text)?.[1] ?? '';
  const names = [...block.matchAll(/^\s*(\w+) = (\d+);/gm)].map(([, name, number]) => [Number(number), name] as const);
  const expected = PROBES.map((name, number) => [
    number,
    name.startsWith('call:')
      ? name.replace(':', '_').toUpperCase()
      : name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase(),
  ]);
  assert.deepEqual(names, expected);
});

void test('an unknown probe of a newer spawner is passed over', () => {
  const results = [
    { what: 13, works: true, errno: 0, value: 7 },
    { what: 0, works: false, errno: 1, value: 0 },
    { what: 999, works: true, errno: 0, value: 0 },
  ];
  assert.deepEqual(toProbes(results), {
    landlock: { works: true, value: 7 },
    userNamespace: { works: false, errno: 'EPERM' },
  });
});
