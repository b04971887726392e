import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { suite, test } from 'node:test';
import { type Bait, fullId, GROUPS, operationOf } from '#src/selftest/check.js';
import { CHECKS } from '#src/selftest/checks/index.js';
import { planText, parseReport, type PlanLine } from '#src/selftest/plan.js';
import { proberPath } from '#src/spawner/locate.js';
import { nativeArchitecture } from '#src/syscalls/architectures.js';

const BAIT: Bait = {
  token: 'selftest-0',
  directory: '/tmp/selftest',
  pid: 2,
  port: 1,
  key: 1,
  first: 1,
  session: 1,
  pidNamespace: 'pid:[1]',
  laid: new Set(),
};

function run(lines: readonly PlanLine[]): readonly string[] {
  const { stdout, status } = spawnSync(proberPath(), [], {
    input: planText(lines),
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0);
  return stdout.trim().split('\n');
}

void suite('the plan of a selftest', () => {
  void test('has some hundred checks, each once, of every group', () => {
    assert.ok(CHECKS.length >= 600, String(CHECKS.length));
    assert.equal(new Set(CHECKS.map(fullId)).size, CHECKS.length);
    for (const group of GROUPS)
      assert.ok(
        CHECKS.some((check) => check.group === group),
        group,
      );
  });

  void test('is done line by line: what is reached, what is refused, and who ends at it', () => {
    const lines = run([
      { id: 'a', operation: ['hostname'] },
      { id: 'b', operation: ['read', '/nowhere/at all'] },
      { id: 'c', operation: ['call', 9999] },
      { id: 'd', operation: ['no-such-operation'] },
      { id: 'e', operation: ['limit', 'x'] },
    ]);
    const reports = lines.map(parseReport);
    assert.deepEqual(reports[0], { kind: 'begun', id: 'a' });
    assert.equal(reports[1]?.kind === 'answered' && reports[1].answer.kind, 'reached');
    assert.deepEqual(reports[3], { kind: 'answered', id: 'b', answer: { kind: 'error', errno: 2, text: '' } });
    assert.deepEqual(reports[5], { kind: 'answered', id: 'c', answer: { kind: 'error', errno: 38, text: '' } });
    assert.equal(reports[7]?.kind === 'answered' && reports[7].answer.kind, 'absent');
    assert.deepEqual(reports.at(-1), { kind: 'finished' });
  });

  void test('a check that is killed is told, and the next one follows', () => {
    const kill = nativeArchitecture() === 'x64' ? 62 : 129;
    const [begun, answered, next] = run([
      { id: 'a', operation: ['call', kill, 'pid', 9] },
      { id: 'b', operation: ['hostname'] },
    ]).map(parseReport);
    assert.deepEqual(begun, { kind: 'begun', id: 'a' });
    assert.deepEqual(answered, { kind: 'answered', id: 'a', answer: { kind: 'signal', signal: 9 } });
    assert.deepEqual(next, { kind: 'begun', id: 'b' });
  });

  void test('what others print between is no report', () => {
    for (const line of ['', 'hello', '=a', '?a\tb', 'Parent pid 3, child pid 4'])
      assert.equal(parseReport(line), undefined);
  });

  void test('every operation of the catalogue is one of the prober, and the other way round', () => {
    const { stdout } = spawnSync(proberPath(), ['operations'], { encoding: 'utf8' });
    const known = stdout.trim().split('\n');
    const wanted = new Set(CHECKS.map((check) => operationOf(check, BAIT)[0]));
    assert.deepEqual(
      [...wanted].filter((name) => !known.includes(name)),
      [],
    );
    assert.deepEqual(
      known.filter((name) => !wanted.has(name)),
      [],
    );
  });
});
