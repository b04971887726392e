import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exitStatusOf, exitStatusOfError } from '#src/cli/exit-status.js';
import { parseRunArguments } from '#src/cli/run-arguments.js';
import { SandboxError } from '#src/errors.js';
import { resolveOptions } from '#src/options/resolve.js';
import type { StepResult } from '#src/result.js';

void describe('the arguments of run', () => {
  void test('are the options of the library in other words', () => {
    const { file, args, options, resultFile } = parseRunArguments([
      ...['--memory', '256MiB', '--wall-time=10s', '--cpu-time', '5s', '--idle-time', '2s', '--processes', '64'],
      ...['--output', '1MiB', '--scratch', '1024', '--read-only', '/a', '--read-only', '/b:/c', '--writable', 'w'],
      ...['--env', 'A=b=c', '--env', 'HOME', '--cwd', '/tmp', '--network', 'host', '--allow-missing', 'net,cpu'],
      ...['--allow-weaker', '', '--result-file', 'out.json', '--', 'sh', '-c', '--', '--memory'],
    ]);
    assert.deepEqual([file, ...args], ['sh', '-c', '--', '--memory']);
    assert.equal(resultFile, 'out.json');
    assert.deepEqual(options, {
      limits: {
        memory: '256MiB',
        wallTime: '10s',
        cpuTime: '5s',
        idleTime: '2s',
        processes: 64,
        output: '1MiB',
        scratch: 1024,
        input: Infinity,
      },
      filesystem: { readOnly: ['/a', { source: '/b', target: '/c' }], writable: ['w'] },
      env: { A: 'b=c', HOME: true },
      cwd: '/tmp',
      network: 'host',
      allowMissing: ['net', 'cpu'],
      allowWeaker: [],
    });
    assert.ok(resolveOptions(options));
  });

  for (const [title, argv, message] of [
    ['a typo', ['--memry', '1', '--', 'x'], /Unknown option --memry\. Did you mean --memory\?/],
    ['a command without --', ['true'], /must stand behind --/],
    ['no command', ['--memory', '1MiB'], /There is no command/],
    ['nothing behind --', ['--'], /There is no command/],
    ['an option without its value', ['--memory', '--', 'x'], /memory/],
  ] as const) {
    void test(`with ${title} are refused`, () => {
      assert.throws(
        () => parseRunArguments(argv),
        (error) => error instanceof SandboxError && message.test(error.message),
      );
    });
  }
});

void describe('the exit status of run', () => {
  const of = (cause: string, status: number): number => exitStatusOf({ cause, status } as StepResult);
  void test('is that of the command, 128+n for a signal, 124 for a timeout', () => {
    assert.deepEqual(
      [of('exit', 3), of('signal', -15), of('oom', -9), of('wallTimeout', -9), of('idleTimeout', 0)],
      [3, 143, 137, 124, 124],
    );
  });
  void test('tells a missing command from one that cannot be executed, and both from the rest', () => {
    const codes = ['ERR_COMMAND_NOT_FOUND', 'ERR_COMMAND_NOT_EXECUTABLE', 'ERR_LAYER_UNAVAILABLE'] as const;
    assert.deepEqual(
      codes.map((code) => exitStatusOfError(new SandboxError(code, 'x'))),
      [127, 126, 125],
    );
  });
});
