import assert from 'node:assert/strict';
import { test } from 'node:test';
import { split } from '../src/split.mjs';

test('everybody pays the same where that is possible', () => {
  assert.deepEqual(split(900, 3), [300, 300, 300]);
});

test('no cent of the bill is lost', () => {
  const paid = split(1000, 3).reduce((sum, share) => sum + share);
  assert.equal(paid, 1000);
});
