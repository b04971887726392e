import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { suite, test } from 'node:test';
import { closeSpawner, spawnSandbox } from 'spawn-sandbox';
import { type Answer, fullId, type Operation } from '#src/selftest/check.js';
import { CHECKS, numbered } from '#src/selftest/checks/index.js';
import { parseReport, planText } from '#src/selftest/plan.js';
import { proberPath } from '#src/spawner/locate.js';
import { nativeArchitecture } from '#src/syscalls/architectures.js';
import { isRoot } from '../helpers/privileges.js';
import { run } from '../helpers/run.js';

const EPERM = 1;
const EINVAL = 22;
const ENOTTY = 25;
const EDQUOT = 122;
const ENOSYS = 38;
const ENOPROTOOPT = 92;

/** What no architecture has, in place of a call that this one has not. */
const NO_CALL: Operation = ['call', 0xffff];

/** Checks of the selftest that must succeed where there is no sandbox, so that each is known to prove something. */
const ATTEMPTS: Readonly<Record<string, string>> = {
  namespaces:
    'unshare-user clone-user clone-garbage clone3-user clone-parent clone-untraced mount unmount take-mount enter-net another-root',
  'system calls':
    'do-list-mounts do-handle-of-file do-trace-me do-own-memory do-own-descriptor do-limits-of-parent do-map do-event do-keyring-of-session do-key-of-process do-page-faults do-ring do-asynchronous-io do-open-by-struct do-events do-pages-into-pipe do-segments do-port do-listener do-clock do-handle-of-calls do-merge-all do-no-random do-no-random-garbage do-disk-priority do-own-policy do-set-uid do-set-gid-garbage do-set-id-path do-set-id-newer do-set-id-open do-set-id-unnamed do-set-id-node do-device do-whiteout do-read-lease do-write-lease do-hidden-blocks do-directory-notes do-write-back do-capability-of-file do-huge-pages do-huge-memfd do-merged ioctl-stdin-type ioctl-stdin-type-garbage ioctl-console-paste ioctl-stdin-discipline',
  identity: 'real-time-fifo priority',
  exhaustion: 'locked',
  sockets:
    'netlink-uevent netlink-diagnosis family-packet internet-raw program-filter program-reuseport-filter tcp-signature',
};
const IDS = Object.entries(ATTEMPTS).flatMap(([group, ids]) => ids.split(' ').map((id) => `${group}/${id}`));
/** There is no terminal outside either: that the answer is another one tells who gives it. */
const TERMINAL = [
  'system calls/ioctl-stdin-type',
  'system calls/ioctl-stdin-type-garbage',
  'system calls/ioctl-console-paste',
  'system calls/ioctl-stdin-discipline',
];
/** A kernel that lacks them takes them for a wrong argument. */
const OPERATIONS = ['system calls/do-handle-of-calls', 'system calls/do-merge-all'];
const OPTIONS = ['sockets/tcp-signature'];
/** The kernel refuses them to an ordinary user itself: then only root's run proves that we refuse them. */
const OF_ROOT = [
  'namespaces/enter-net',
  'namespaces/another-root',
  'system calls/do-map',
  'identity/real-time-fifo',
  'identity/priority',
  'system calls/do-capability-of-file',
  'exhaustion/locked',
  'sockets/family-packet',
  'sockets/internet-raw',
];

type Answers = ReadonlyMap<string, number | undefined>;

void suite('attempts by system calls', () => {
  const program = proberPath();
  const checks = CHECKS.filter((check) => IDS.includes(fullId(check)));
  const input = planText(
    checks.map((check) => {
      assert.ok(typeof check.operation !== 'function');
      return { id: fullId(check), operation: numbered(check.operation, nativeArchitecture()) ?? NO_CALL };
    }),
  );
  const inside = run(program, [], { input }).then(({ stdout }) => answersIn(stdout));
  inside.catch(() => undefined);
  const control = spawnSync(program, [], { input, encoding: 'utf8', timeout: 60_000 });
  const outside = answersIn(control.stdout);

  for (const check of checks) {
    const id = fullId(check);
    void test(`a step never ${check.title} (${id})`, { timeout: 60_000 }, async (context) => {
      const [control, answer] = [outside.get(id), (await inside).get(id)];
      assert.notEqual(control, undefined, 'the control ran');
      assert.ok(answer !== undefined && answer > 0, `inside: ${String(answer)}`);
      if (
        control === ENOSYS ||
        (control === EINVAL && OPERATIONS.includes(id)) ||
        (control === ENOPROTOOPT && OPTIONS.includes(id))
      )
        context.diagnostic('this kernel lacks it');
      else if (TERMINAL.includes(id)) assert.deepEqual([control, answer], [ENOTTY, EPERM]);
      // The user's quota of keys, used up by the keyrings of earlier sandboxes until the kernel collects them: it was reached.
      else if (id === 'system calls/do-key-of-process' && control === EDQUOT)
        context.diagnostic('no key is left to this user');
      else if (isRoot || !OF_ROOT.includes(id)) assert.equal(control, 0, 'outside it must succeed');
    });
  }

  void test('every attempt was made on both sides', async () => {
    for (const answers of [outside, await inside]) assert.deepEqual([...answers.keys()].sort(), IDS.toSorted());
  });

  const foreign = { i386: ['int 0x80', 20], x32: ['the x32 bit', 39] } as const; // getpid
  for (const [abi, [what, number]] of Object.entries(foreign)) {
    void test(`a call by ${what} ends the step, and the kernel tells so`, { timeout: 60_000 }, async () => {
      if (process.arch !== 'x64') return;
      const call = (operation: Operation): string => planText([{ id: 'getpid', operation }]);
      const result = await spawnSandbox(program, [], { input: call([abi, number]) });
      assert.equal(result.cause, 'seccomp', result.detail);
      // The control: the same program with a call of its own ABI.
      const own = await run(program, [], { input: call(['call', 39]) });
      assert.equal(answersIn(own.stdout).get('getpid'), 0);
    });
  }

  void test('the sandbox closes and leaves no file of the attempts', async () => {
    await inside;
    await closeSpawner();
    const left = readdirSync('/tmp').filter((name) => name.startsWith(`selftest-${control.pid}-`));
    assert.deepEqual(left, []);
  });
});

function answersIn(output: string): Answers {
  const reports = output.split('\n').map(parseReport);
  return new Map(
    reports.flatMap((report) => (report?.kind === 'answered' ? [[report.id, errorOf(report.answer)] as const] : [])),
  );
}

/** 0 for what was got; minus the signal where it was ended for it. */
function errorOf(answer: Answer): number | undefined {
  if (answer.kind === 'reached') return 0;
  if (answer.kind === 'error') return answer.errno;
  return answer.kind === 'signal' ? -answer.signal : undefined;
}

void test("the limit that keeps the host's core dump handler asleep cannot be changed", async () => {
  // Outside the limit is lowered: the control. Inside the same seems to succeed, and does nothing.
  const script = 'ulimit -S -c 0; echo $?; ulimit -H -c 0; grep "core file" /proc/self/limits';
  const blanks = / +/g;
  const outside = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).replace(blanks, ' ');
  assert.match(outside, /^0\nMax core file size 0 0 bytes/);
  for (const syscalls of ['default', 'build'] as const) {
    const inside = await run('sh', ['-c', script], { syscalls });
    assert.match(inside.stdout.replace(blanks, ' '), /^0\nMax core file size 1 1 bytes/);
  }
});
