import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Answer, Judge } from '#src/selftest/check.js';
import { notEntered, oneOf, otherThanOutside, refused, unheard, works } from '#src/selftest/judge.js';

const EPERM = 1;
const EFAULT = 14;
const ENOSYS = 38;
const got = (text = ''): Answer => ({ kind: 'reached', text });
const error = (errno: number): Answer => ({ kind: 'error', errno, text: '' });
const ENDED: Answer = { kind: 'ended' };

function outcome(judge: Judge, inside: Answer, outside: Answer, events: readonly string[] = []): string {
  return judge({ inside, outside, token: 'TOKEN', events: new Set(events) }).outcome;
}

void suite('what a check of the selftest shows', () => {
  void test('an attack that succeeds inside is never held, whatever the control says', () => {
    for (const judge of [refused, notEntered]) {
      for (const outside of [got(), error(EPERM)]) assert.equal(outcome(judge, got(), outside), 'broken');
    }
    assert.equal(outcome(unheard(), got('TOKEN'), error(EPERM)), 'broken');
    assert.equal(outcome(oneOf('0'), got('1'), got('0')), 'broken');
  });

  void test('an attack that fails on both sides shows nothing', () => {
    for (const judge of [refused, unheard()]) assert.equal(outcome(judge, error(EPERM), error(EPERM)), 'unproven');
    assert.equal(outcome(notEntered, error(ENOSYS), error(ENOSYS)), 'unproven');
    assert.equal(outcome(oneOf('0'), got('0'), got('0')), 'unproven');
  });

  void test('a call enters the kernel when it complains of the arguments, and not when it is refused', () => {
    assert.equal(outcome(notEntered, error(EFAULT), error(EFAULT)), 'broken');
    assert.equal(outcome(notEntered, error(EPERM), error(EFAULT)), 'held');
    assert.equal(outcome(notEntered, ENDED, error(EFAULT)), 'held');
    assert.equal(outcome(notEntered, { kind: 'signal', signal: 31 }, got()), 'held');
  });

  void test('what has the bait’s word, or wakes it, is heard', () => {
    assert.equal(outcome(unheard('tcp'), got('another'), got('TOKEN')), 'held');
    assert.equal(outcome(unheard('tcp'), error(EPERM), got('TOKEN'), ['tcp']), 'broken');
    assert.equal(outcome(unheard('tcp'), error(EPERM), got('TOKEN'), ['udp']), 'held');
  });

  void test('what is told must be another than outside', () => {
    assert.equal(outcome(otherThanOutside, got('a'), got('a')), 'broken');
    assert.equal(outcome(otherThanOutside, got('b'), got('a')), 'held');
    assert.equal(outcome(otherThanOutside, error(EPERM), got('a')), 'held');
    assert.equal(outcome(otherThanOutside, error(EPERM), error(EPERM)), 'unproven');
  });

  void test('what does not come to an end is not held', () => {
    for (const judge of [refused, notEntered, unheard(), otherThanOutside])
      assert.equal(outcome(judge, { kind: 'hung' }, got('x')), 'broken');
  });

  void test('what must work is broken when it fails, ends or is absent, unless it fails outside, too', () => {
    assert.equal(outcome(works, got(), got()), 'held');
    assert.equal(outcome(works, error(EPERM), got()), 'broken');
    assert.equal(outcome(works, ENDED, got()), 'broken');
    assert.equal(outcome(works, error(EPERM), error(EPERM)), 'unproven');
  });
});
