import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runExample } from './run-example.js';

void test('hello prints what the step computed and how it ended', async () => {
  const { status, stdout, stderr } = await runExample('hello.mjs');
  assert.equal(stderr, '');
  assert.equal(stdout, '42\nok: true, status: 0, cause: exit\n');
  assert.equal(status, 0);
});

void test('stream-lines shows each answer of the step, each stream in its order', async () => {
  const { status, stdout, stderr } = await runExample('stream-lines.mjs');
  assert.equal(stderr, '');
  const lines = stdout.trim().split('\n');
  const answers = lines.slice(0, 4).map((line) => line.replace(/^ *\d+ ms {2}/, ''));
  // Two pipes: which of two lines comes first when both wait, nobody promises.
  assert.ok(answers.includes('-1 has no root'), stdout);
  assert.deepEqual(
    answers.filter((line) => line.startsWith('the root')),
    ['the root of 2 is 1.414', 'the root of 16 is 4.000', 'the root of 1764 is 42.000'],
  );
  assert.equal(lines[4], 'Exited with status 0. It wrote 74 bytes to stdout and 15 to stderr.');
  assert.equal(status, 0);
});

void test('stream-lines gets answers while it is still asking', async () => {
  const { stdout } = await runExample('stream-lines.mjs');
  const times = [...stdout.matchAll(/^ *(\d+) ms/gm)].map(([, millis]) => Number(millis));
  // 50 ms lie between two questions; the last answer comes after the last question, the first need not wait for it.
  assert.ok((times.at(-1) ?? 0) >= 200, stdout);
  assert.ok(new Set(times).size > 1, stdout);
});

void test('out-of-memory is told the cause and the evidence', async () => {
  const { status, stdout, stderr } = await runExample('out-of-memory.mjs');
  assert.equal(stderr, '');
  assert.match(stdout, /^status: {3}-9$/m);
  assert.match(stdout, /^cause: {4}oom$/m);
  assert.match(stdout, /^detail: {3}Used more than limits\.memory \(64 MiB\)/m);
  assert.match(stdout, /^limited: {2}(cgroup v[12] \(enforced\)|watched \(weaker\))$/m);
  assert.equal(status, 0);
});
