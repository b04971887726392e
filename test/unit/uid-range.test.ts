import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chooseUidRange } from '#src/spawner/uid-range.js';

const ALL = [{ start: 0, count: 0xffff_ffff }];

void describe('the ids that sandboxes lease', () => {
  void test('lie far from every account where all ids exist', () => {
    assert.deepEqual(chooseUidRange({ mapped: ALL, taken: [] }), { start: 0x70000000, count: 65536 });
  });
  void test('never touch a range of /etc/subuid', () => {
    const taken = [
      { start: 0x70000000, count: 10 },
      { start: 100_000, count: 65536 },
    ];
    const range = chooseUidRange({ mapped: ALL, taken });
    assert.ok(range !== undefined);
    assert.ok(range.start > 0x70000000 + 10 || range.start + range.count <= 0x70000000);
    assert.equal(range.count, 65536);
  });
  void test('lie inside of what a container has, away from accounts and nobody', () => {
    const range = chooseUidRange({ mapped: [{ start: 0, count: 65536 }], taken: [{ start: 1000, count: 1 }] });
    assert.deepEqual(range, { start: 10_000, count: 50_000 });
  });
  void test('are none where there are too few', () => {
    assert.equal(chooseUidRange({ mapped: [{ start: 0, count: 1 }], taken: [] }), undefined);
    assert.equal(chooseUidRange({ mapped: [], taken: [] }), undefined);
  });
});
