import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeJob } from '#src/zygote/job.js';
import { resolveZygoteOptions } from '#src/zygote/options.js';

const INVALID = { code: 'ERR_INVALID_OPTION' };

void describe('a job', () => {
  void test('travels as a list of texts', () => {
    const texts = (job: unknown): readonly string[] => encodeJob(job).map(String);
    assert.deepEqual(texts({ code: 'x = 1' }), ['code', 'x = 1']);
    assert.deepEqual(texts({ code: '', args: ['a', ''] }), ['code', '', 'a', '']);
    assert.deepEqual(texts({ file: '/x.py', args: ['a'] }), ['file', '/x.py', 'a']);
    assert.deepEqual(texts({ module: 'm', function: 'f', args: [1, { a: null }] }), [
      'module',
      'm',
      'f',
      '[1,{"a":null}]',
    ]);
    assert.deepEqual(texts({ module: 'm', function: 'f' }), ['module', 'm', 'f', '[]']);
  });

  void test('that is none of the three forms, or two, is refused', () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    for (const job of [
      undefined,
      {},
      'code',
      { code: 'x', file: 'y' },
      { code: 1 },
      { code: 'a\0b' },
      { file: '' },
      { code: 'x', args: 'a' },
      { code: 'x', args: [1] },
      { module: 'm' },
      { function: 'f' },
      { code: 'x', function: 'f' },
      { module: 'm', function: 'f', args: cyclic },
      { code: 'x', arguments: [] },
    ]) {
      assert.throws(() => encodeJob(job), INVALID);
    }
  });
});

void describe('the options of a zygote', () => {
  void test('have defaults', () => {
    const python = resolveZygoteOptions({ runtime: 'python' });
    assert.deepEqual(
      [python.interpreter, python.preload, python.preloadCode, python.parked, python.recycleSteps, python.recycleRss],
      ['python3', [], undefined, 0, 5000, Infinity],
    );
    assert.equal(resolveZygoteOptions({ runtime: 'node' }).interpreter, process.execPath);
  });

  void test('are those of its steps, too, but for what belongs to one step', () => {
    const { sandbox } = resolveZygoteOptions({ runtime: 'python', limits: { memory: '1GiB' }, env: { A: 'b' } });
    assert.deepEqual(sandbox, { limits: { memory: '1GiB' }, env: { A: 'b' } });
    for (const own of [{ input: 'x' }, { stdin: 'pipe' }]) {
      assert.throws(() => resolveZygoteOptions({ runtime: 'python', ...own }), INVALID);
    }
  });

  void test('that are wrong are refused', () => {
    for (const options of [
      undefined,
      {},
      { runtime: 'ruby' },
      { runtime: 'native' },
      { runtime: 'python', interpreter: '' },
      { runtime: 'python', preload: 'pandas' },
      { runtime: 'python', preload: [1] },
      { runtime: 'python', preloadCode: 7 },
      { runtime: 'python', parked: -1 },
      { runtime: 'python', parked: 1.5 },
      { runtime: 'python', recycle: { steps: 0 } },
      { runtime: 'python', recycle: { rss: 'much' } },
      { runtime: 'python', recycle: { step: 5 } },
      { runtime: 'python', preloads: [] },
      { runtime: 'python', signal: true },
    ]) {
      assert.throws(() => resolveZygoteOptions(options), INVALID);
    }
  });
});
