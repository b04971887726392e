import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Ran, runExample } from './run-example.js';

void describe('the tour', () => {
  let ran: Ran;
  before(async () => {
    ran = await runExample('tour.mjs');
  });

  void test('goes as told', () => {
    assert.equal(ran.stderr, '');
    assert.doesNotMatch(ran.stdout, /^ +NO /m);
    assert.match(ran.stdout, /\nEverything went as told, in \d+\.\d s\.\n$/);
    assert.equal(ran.status, 0);
  });

  void test('computes from the real table', () => {
    assert.match(ran.stdout, /1461 days of Seattle, from 2012-01-01 to 2015-12-31/);
    assert.match(ran.stdout, /Hottest: 35\.6 °C on 2014-08-11\. Wettest: 55\.9 mm on 2015-03-15/);
    assert.match(ran.stdout, /^ +Dec +8\.2 +3\.3 +65 %/m);
  });

  void test('shows evidence for each ending', () => {
    assert.match(ran.stdout, /Used more than limits\.memory \(64 MiB\)/);
    assert.match(ran.stdout, /Ran for longer than limits\.wallTime \(300 ms\)/);
    assert.match(ran.stdout, /(Connection refused|Network is unreachable)/);
  });

  void test('shows every layer', () => {
    const states = [...ran.stdout.matchAll(/^ +(\w+) +(enforced|weaker|waived|absent)\b/gm)];
    assert.equal(states.length, 17, ran.stdout);
  });

  void test('names what is weaker', () => {
    const weaker = [...ran.stdout.matchAll(/^ +(\w+) +weaker\b/gm)].map(([, layer = '']) => layer);
    for (const layer of weaker) assert.match(ran.stdout, new RegExp(`^ +${layer}: `, 'm'));
    if (process.geteuid?.() === 0) assert.deepEqual(weaker, []);
  });
});
