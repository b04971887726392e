import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { examplePath, type Ran, run, runExample } from './run-example.js';

const VERDICTS: Readonly<Record<string, readonly [verdict: string, evidence: RegExp]>> = {
  accepted: ['accepted', /Passed 3 tests/],
  'wrong-answer': ['wrong answer', /Printed \d+ where \d+ was expected/],
  'does-not-compile': ['compile error', /answer.* undeclared/],
  // On a machine that others keep busy, two seconds go by before one of them was its own.
  'endless-loop': ['time limit exceeded', /limits\.(cpuTime \(1 s\)|wallTime \(5 s\))/],
  sleeper: ['time limit exceeded', /limits\.wallTime \(5 s\)/],
  'memory-hog': ['memory limit exceeded', /limits\.memory \(64 MiB\)/],
  crash: ['runtime error', /Ended by SIGSEGV/],
  flood: ['output limit exceeded', /limits\.output \(64 KiB\)/],
  'fork-bomb': ['runtime error', /fork: Operation not permitted/],
  'phone-home': ['runtime error', /socket: Operation not permitted/],
  'steal-secrets': ['runtime error', /0 secrets, no \/etc\/shadow/],
};

void describe('the judge', () => {
  let ran: Ran;
  before(async () => {
    ran = await runExample('judge/judge.mjs');
  });

  void test('ends well', () => {
    assert.equal(ran.stderr, '');
    assert.equal(ran.status, 0);
  });

  for (const [name, [verdict, evidence]] of Object.entries(VERDICTS)) {
    void test(`${name}: ${verdict}`, () => {
      const row = ran.stdout.split('\n').find((line) => line.startsWith(`${name} `)) ?? '';
      assert.ok(row.includes(`  ${verdict}  `), row || ran.stdout);
      assert.match(row, evidence);
    });
  }

  void test('had no visitors on its own server', () => {
    assert.match(ran.stdout, /own server had 0 visitors/);
  });

  void test('keeps its secret', () => {
    assert.doesNotMatch(ran.stdout, /the answers of next week/);
  });
});

void describe('outside of a sandbox the hostile submissions succeed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'judge-test-'));
  after(() => {
    rmSync(directory, { recursive: true });
  });

  const compile = async (name: string): Promise<string> => {
    const program = join(directory, name);
    const source = examplePath(`judge/submissions/${name}.c`);
    const { status, stderr } = await run('gcc', ['-std=c17', '-D_GNU_SOURCE', '-o', program, source]);
    assert.equal(status, 0, stderr);
    return program;
  };

  void test('steal-secrets finds the secret', async () => {
    const { status, stdout } = await run(await compile('steal-secrets'), [], { env: { JUDGE_SECRET: 'found me' } });
    assert.match(stdout, /found me/);
    assert.equal(status, 0);
  });

  void test('phone-home reaches the server', async () => {
    let visitors = 0;
    const server = createServer((socket) => {
      visitors++;
      socket.destroy();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const { stdout } = await run(await compile('phone-home'), [], { input: `1\n${port}\n` });
    server.close();
    assert.equal(stdout, 'connected\n');
    assert.equal(visitors, 1);
  });
});
