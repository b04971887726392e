import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { SupportProblem, SupportReport } from 'spawn-sandbox';
import { NEEDED_CALLS } from '#src/support/remedies/seccomp.js';
import {
  DOCKER,
  DOCKER_CAPABILITIES,
  DOCKER_PROC,
  dockerFilter,
  NO_USER_NAMESPACES,
  ORDINARY_ID,
  READ_ONLY_CGROUPS,
  type World,
  Worlds,
} from '../helpers/worlds.js';

/** Real environments, each built as those who make it do; an ordinary user cannot build them. */
const skip = process.geteuid?.() === 0 ? false : 'needs root to build the environments';
let worlds: Worlds | undefined;
after(() => worlds?.[Symbol.dispose]());

function inWorld(title: string, world: World, check: (report: SupportReport, status: number) => void): void {
  void test(title, { skip, timeout: 120_000 }, () => {
    worlds ??= new Worlds();
    const { report, status } = worlds.doctor(world);
    check(report, status);
  });
}

/** The problem of this code, whose text has all these parts. */
function expectProblem(report: SupportReport, code: SupportProblem['code'], parts: readonly string[]): void {
  const found = report.problems.find((problem) => problem.code === code);
  assert.ok(found, `${code} is not among ${report.problems.map(({ code }) => code).join(', ') || 'no problems'}`);
  const text = [found.reason, ...found.evidence, found.remedy].join('\n');
  for (const part of parts) assert.ok(text.includes(part), `${part}\nis not in\n${text}`);
}

function codesOf({ problems }: SupportReport, severity: SupportProblem['severity']): readonly string[] {
  return problems.filter((problem) => problem.severity === severity).map(({ code }) => code);
}

inWorld('an ordinary user: supported, weaker by name', { uid: ORDINARY_ID }, (report, status) => {
  assert.equal(status, 0);
  assert.ok(report.supported && !report.privileged);
  assert.deepEqual(codesOf(report, 'error'), []);
  assert.equal(report.layers.uid.state, 'weaker');
  assert.equal(report.layers.memory.state, 'weaker');
  assert.equal(report.selfTest.memoryLimit?.cause, 'oom');
  expectProblem(report, 'subuid-missing', [`/etc/subuid has no line for ${ORDINARY_ID}`, 'usermod --add-subuids']);
});

for (const [who, uid] of [
  ['root of a user namespace', undefined],
  ['an ordinary user', ORDINARY_ID],
] as const) {
  const world: World = { ...NO_USER_NAMESPACES, ...(uid === undefined ? {} : { uid }) };
  inWorld(`user namespaces forbidden, for ${who}`, world, (report, status) => {
    assert.equal(status, 1);
    assert.deepEqual(codesOf(report, 'error'), ['userns-disabled']);
    expectProblem(report, 'userns-disabled', [
      'unshare(CLONE_NEWUSER): ENOSPC',
      '/proc/sys/user/max_user_namespaces is 0',
      'user.max_user_namespaces=15000',
    ]);
    assert.equal(report.layers.user.state, 'missing');
    assert.equal(report.selfTest.error?.layer, 'user');
  });
}

inWorld('a user namespace with enough ids is as good as the host', { within: [] }, (report, status) => {
  assert.equal(status, 0, JSON.stringify(report.problems));
  assert.ok(report.privileged);
});

inWorld('a masked /proc, for root', { before: DOCKER_PROC }, (report, status) => {
  assert.equal(status, 0, JSON.stringify(report.problems, null, 2));
  assert.deepEqual(codesOf(report, 'error'), []);
});

inWorld('a masked /proc, for an ordinary user', { before: DOCKER_PROC, uid: ORDINARY_ID }, (report, status) => {
  assert.equal(status, 1);
  assert.deepEqual(codesOf(report, 'error'), ['proc-masked']);
  expectProblem(report, 'proc-masked', [
    'mounting a procfs in a new pid namespace: EPERM',
    'mounted below /proc: ',
    '/proc/sys',
  ]);
  assert.equal(report.layers.mount.state, 'missing');
  assert.equal(report.layers.net.state, 'available');
});

inWorld('read-only cgroups, for root', { before: READ_ONLY_CGROUPS }, (report, status) => {
  assert.equal(status, 1, 'root gets nothing weaker by default');
  assert.deepEqual(codesOf(report, 'error'), []);
  expectProblem(report, 'cgroup-read-only', ['mounted read-only', 'making a cgroup there: EROFS']);
  assert.deepEqual([report.layers.memory.state, report.layers.memory.by], ['weaker', 'watched']);
  assert.equal(report.layers.uid.state, 'available');
});

inWorld(
  'read-only cgroups, for an ordinary user',
  { before: READ_ONLY_CGROUPS, uid: ORDINARY_ID },
  (report, status) => {
    assert.equal(status, 0);
    expectProblem(report, 'cgroup-read-only', ['mounted read-only', 'making a cgroup there: EROFS']);
  },
);

inWorld("Docker's filter, for an ordinary user", { refused: dockerFilter(), uid: ORDINARY_ID }, (report, status) => {
  assert.equal(status, 1);
  assert.deepEqual(codesOf(report, 'error'), ['seccomp-filter']);
  expectProblem(report, 'seccomp-filter', ['Seccomp: 2', 'clone3: ENOSYS', 'unshare, clone, setns, mount', 'EPERM']);
  assert.equal(report.layers.user.state, 'missing');
});

inWorld(
  "Docker's filter with the calls of the remedy let through",
  { refused: dockerFilter(NEEDED_CALLS), uid: ORDINARY_ID },
  (report, status) => {
    assert.equal(status, 0, JSON.stringify(report.problems, null, 2));
    assert.deepEqual(codesOf(report, 'error'), []);
  },
);

/** A sandbox for `/bin/true` does not need these, nor is it told about them as an error. */
const FOR_MORE: readonly string[] = ['clone', 'setns'];

for (const call of NEEDED_CALLS) {
  const refused = dockerFilter(NEEDED_CALLS.filter((name) => name !== call));
  inWorld(`a filter that refuses nothing but ${call}`, { refused, uid: ORDINARY_ID }, (report, status) => {
    assert.equal(status, FOR_MORE.includes(call) ? 0 : 1, JSON.stringify(report.selfTest));
    assert.deepEqual(codesOf(report, 'error'), status === 0 ? [] : ['seccomp-filter']);
    expectProblem(report, 'seccomp-filter', [`${call}: E`]);
  });
}

inWorld("Docker's capabilities, for root", { capabilities: DOCKER_CAPABILITIES }, (report, status) => {
  assert.equal(status, 1, 'root gets nothing weaker by default');
  assert.equal(report.privileged, false);
  expectProblem(report, 'capabilities-missing', [
    'CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE',
    '--cap-add SYS_ADMIN',
  ]);
  assert.equal(report.layers.uid.state, 'weaker');
});

inWorld("all of Docker's defaults: each cause is told, and told apart", DOCKER, (report, status) => {
  assert.equal(status, 1);
  assert.deepEqual(codesOf(report, 'error'), ['seccomp-filter', 'proc-masked']);
  assert.deepEqual(codesOf(report, 'warning'), ['capabilities-missing', 'cgroup-read-only']);
});

void test('the same for people', { skip, timeout: 120_000 }, () => {
  worlds ??= new Worlds();
  const text = worlds.doctorText(DOCKER);
  assert.match(text, /^user +missing +A system call filter over the app forbids making sandboxes \(seccomp-filter\)$/m);
  assert.match(text, /^error Parts of the container's \/proc are masked \(proc-masked\) \[mount, pid\]$/m);
  assert.match(text, /^not supported: /m);
});
