import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { expectQuestion } from '#src/tables/threads.js';
import { until } from '../../helpers/until.js';

const countThreads = (): number => readdirSync('/proc/self/task').length;

void test('a thread that checks tables is there for as long as one is expected, and goes when none is', async () => {
  await sleep(50); // Node's own are there
  const before = countThreads();
  const first = expectQuestion();
  const second = expectQuestion();
  await until('it is there', () => countThreads() > before);
  await sleep(1500); // longer than an idle one is kept
  assert.ok(countThreads() > before);
  first();
  first(); // has no effect: the other still expects one
  await sleep(1500);
  assert.ok(countThreads() > before);
  second();
  await until('it is gone', () => countThreads() <= before);
});
