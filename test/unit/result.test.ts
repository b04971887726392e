import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { resolveOptions } from '#src/options/resolve.js';
import type { StepResult } from '#src/result.js';
import { buildResult } from '#src/result/build.js';
import { enforcedOf } from '#src/result/enforced.js';
import { notStarted } from '#src/result/not-started.js';
import { NO_EVIDENCE, NO_USAGE } from '#src/spawner/codec.js';
import { failureOf } from '#src/spawner/failure.js';
import { BY, CAUSES, type EndedMessage, type EvidenceMessage, STAGES } from '#src/spawner/messages.js';
import { Output } from '#src/step/output.js';

type Cause = (typeof CAUSES)[number];
interface Case {
  readonly cause: Cause;
  readonly exitCode?: number;
  readonly signal?: number;
  readonly scope?: number;
  readonly evidence?: Partial<EvidenceMessage>;
  readonly tooMuch?: boolean;
}

function ended({ cause, exitCode = 0, signal = 0, scope = 0, evidence = {} }: Case): EndedMessage {
  return {
    stepId: 1,
    notStarted: false,
    exitCode,
    signal,
    cause: CAUSES.indexOf(cause),
    scope,
    evidence: { ...NO_EVIDENCE, ...evidence },
    usage: NO_USAGE,
    enforced: new Uint8Array(0),
  };
}

function resultOf(one: Case): StepResult {
  const outputs = { stdout: new Output('stdout', 10), stderr: new Output('stderr', 10), tooMuch: one.tooMuch ?? false };
  return buildResult(
    ended(one),
    outputs,
    resolveOptions({ limits: { idleTime: '2s', output: '1MiB', cpuTime: '5s' } }),
    '',
  );
}

const DETAILS: readonly (readonly [one: Case, detail: string])[] = [
  [{ cause: 'exit' }, 'Exited with status 0.'],
  [{ cause: 'exit', exitCode: 3 }, 'Exited with status 3.'],
  [
    { cause: 'exit', evidence: { killedProcesses: 1 } },
    'Exited with status 0; 1 process that it left behind was ended.',
  ],
  [
    { cause: 'exit', evidence: { killedProcesses: 2 } },
    'Exited with status 0; 2 processes that it left behind were ended.',
  ],
  [
    { cause: 'exit', evidence: { oomKills: 1, mainExitedFirst: true } },
    'Exited with status 0; afterwards what it left behind exceeded the memory limit.',
  ],
  [{ cause: 'signal', signal: 11 }, 'Ended by SIGSEGV, which was not sent by the library.'],
  [
    { cause: 'oom', signal: 9, evidence: { oomKills: 2, memoryLimitBytes: 2 ** 26 } },
    'Used more than limits.memory (64 MiB), and the kernel ended 2 processes (oom_kill 2).',
  ],
  [
    { cause: 'oom', signal: 9, evidence: { memoryWatched: true } },
    'Used more than limits.memory (512 MiB), seen by the spawner, which watches it.',
  ],
  [
    { cause: 'oom', signal: 9, scope: 2, evidence: { oomKills: 1 } },
    'The host or its container ran out of memory and the kernel ended a process of the step (oom_kill 1).',
  ],
  [{ cause: 'wallTimeout', signal: 9, evidence: { limitMs: 1500 } }, 'Ran for longer than limits.wallTime (1.5 s).'],
  [{ cause: 'cpuTimeout', signal: 9 }, 'Used more processor time than limits.cpuTime (5 s).'],
  [{ cause: 'idleTimeout', signal: 9 }, 'Wrote nothing for longer than limits.idleTime (2 s).'],
  [{ cause: 'outputLimit', signal: 9 }, 'Wrote more than limits.output (1 MiB) to stdout and stderr.'],
  [
    { cause: 'seccomp', signal: 9, evidence: { seccompSyscall: 101, seccompArch: 0xc000003e } },
    'Made the system call ptrace, for which its policy has the verdict kill.',
  ],
  [
    { cause: 'seccomp', signal: 9, evidence: { seccompSyscall: 11, seccompArch: 0x40000003 } },
    'Made the system call number 11 of a foreign ABI, for which its policy has the verdict kill.',
  ],
  [{ cause: 'aborted', signal: 9 }, 'Aborted by its signal.'],
  [{ cause: 'killed', signal: 15, evidence: { killSignal: 15 } }, "Killed by kill('SIGTERM')."],
  [
    { cause: 'signal', signal: 11, evidence: { oomKills: 1, mainExitedFirst: true } },
    'Ended by SIGSEGV, which was not sent by the library; afterwards what it left behind exceeded the memory limit.',
  ],
  [
    { cause: 'exit', evidence: { memoryWatched: true, mainExitedFirst: true } },
    'Exited with status 0; afterwards what it left behind exceeded the memory limit.',
  ],
];

void describe('the detail of a result', () => {
  for (const [one, detail] of DETAILS) {
    void test(detail, () => {
      assert.equal(resultOf(one).detail, detail);
    });
  }
});

void describe('a result', () => {
  const summary = ({ ok, status, exitCode, signal }: StepResult): object => ({ ok, status, exitCode, signal });

  void test('is ok only for an exit with status 0', () => {
    assert.deepEqual(summary(resultOf({ cause: 'exit' })), { ok: true, status: 0, exitCode: 0, signal: null });
    assert.deepEqual(summary(resultOf({ cause: 'exit', exitCode: 7 })), {
      ok: false,
      status: 7,
      exitCode: 7,
      signal: null,
    });
    assert.equal(resultOf({ cause: 'killed', exitCode: 0 }).ok, false);
  });
  void test('of a signal has minus its number as status', () => {
    assert.deepEqual(summary(resultOf({ cause: 'signal', signal: 15 })), {
      ok: false,
      status: -15,
      exitCode: null,
      signal: 'SIGTERM',
    });
  });
  void test('of a step that was never started is -9', () => {
    const { stdout, stderr } = { stdout: new Output('stdout', 10), stderr: new Output('stderr', 10) };
    const result = buildResult(notStarted('aborted'), { stdout, stderr, tooMuch: false }, resolveOptions({}), '');
    assert.deepEqual(summary(result), { ok: false, status: -9, exitCode: null, signal: 'SIGKILL' });
    assert.equal(result.detail, 'Aborted by its signal before it was started.');
    assert.equal(result.enforced.seccomp.state, 'absent');
  });
  void test('of too much output does not depend on who was faster', () => {
    const result = resultOf({ cause: 'exit', tooMuch: true });
    assert.deepEqual([result.cause, result.status, result.truncated], ['outputLimit', -9, true]);
    assert.equal(resultOf({ cause: 'oom', signal: 9, tooMuch: true }).cause, 'oom');
  });
  void test('names the limits that were touched', () => {
    assert.deepEqual(resultOf({ cause: 'exit', evidence: { oomKills: 1, processLimitHits: 3 } }).limitsHit, [
      'memory',
      'processes',
    ]);
    assert.deepEqual(resultOf({ cause: 'oom', signal: 9, evidence: { oomKills: 1 } }).limitsHit, []);
  });
});

void describe('what is enforced', () => {
  const states = Uint8Array.from({ length: 2 * 17 }, (_, index) => (index % 2 === 0 ? 1 : BY.indexOf('namespace')));

  void test('is one frozen object for equal observations', () => {
    assert.equal(enforcedOf(states, ''), enforcedOf(states.slice(), ''));
    assert.ok(Object.isFrozen(enforcedOf(states, '')) && Object.isFrozen(enforcedOf(states, '').net));
  });
  void test('says why a layer is weaker', () => {
    const weaker = states.slice();
    weaker.set([2, BY.indexOf('watched')], 2 * 14);
    const { memory } = enforcedOf(weaker, 'memory is not delegated');
    assert.equal(memory.state, 'weaker');
    assert.equal(memory.by, 'watched');
    assert.match(memory.reason ?? '', /no cgroup can be written.*\(memory is not delegated\)/);
  });
});

void describe('the error of a failure', () => {
  const failed = { stepId: 1, errno: 13, path: Buffer.from('/some/path'), layer: 14, by: 0 };

  for (const [stage, name] of STAGES.entries()) {
    void test(`at stage ${name} is a sentence with a code`, () => {
      const error = failureOf({ ...failed, stage }, undefined);
      assert.match(error.code, /^ERR_/);
      assert.match(error.message, /^[A-Z].*\.$/s);
      assert.equal(error.errno, 13);
    });
  }
  void test('names layer, reason and remedy', () => {
    const error = failureOf(
      {
        ...failed,
        stage: STAGES.indexOf('layer'),
        errno: 30,
        by: BY.indexOf('no writable cgroup'),
        path: Buffer.alloc(0),
      },
      undefined,
    );
    assert.equal(error.code, 'ERR_LAYER_UNAVAILABLE');
    assert.equal(error.layer, 'memory');
    assert.match(error.message, /memory/);
    assert.match(error.remedy ?? '', /allowMissing: \['memory'\]/);
    const weaker = failureOf({ ...failed, stage: STAGES.indexOf('layer'), by: BY.indexOf('watched') }, undefined);
    assert.match(weaker.remedy ?? '', /allowWeaker: \['memory'\]/);
  });
});
