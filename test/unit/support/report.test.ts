import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LAYERS } from 'spawn-sandbox';
import type { Enforced } from 'spawn-sandbox';
import { buildReport } from '#src/support/build-report.js';
import { reportText } from '#src/support/text.js';
import { evidence, ordinary, refused, unavailable } from '../../helpers/evidence.js';

const ENFORCED = Object.fromEntries(LAYERS.map((layer) => [layer, { state: 'enforced', by: 'namespace' }])) as Enforced;
const WEAK: Enforced = { ...ENFORCED, memory: { state: 'weaker', by: 'watched', reason: 'no cgroup can be written' } };
const REFUSED = ordinary({
  settings: { maxNamespaces: { user: 0 } },
  outside: refused({ userNamespace: 'ENOSPC', uidMap: 'ENOSPC' }),
  inside: {},
  failure: { stage: 'layer', errno: 'ENOSPC', path: '', layer: 'user' },
  selfTest: unavailable('user', 28),
});
const READ_ONLY = evidence({
  hierarchies: [
    { version: 2, controllers: ['memory'], directory: '/sys/fs/cgroup', readOnly: true, mkdir: 'EROFS', processes: 1 },
  ],
  ready: { cgroupControllers: (1 << 15) | (1 << 16) },
  selfTest: unavailable('memory', 0),
});

void test('what a sandbox showed is what the layers are', () => {
  const { layers, supported } = buildReport(evidence(), ENFORCED);
  assert.ok(supported);
  assert.deepEqual(layers.net, { state: 'available', by: 'namespace' });
});

void test('a weaker layer carries the cause, its facts and its remedy', () => {
  const { layers } = buildReport(READ_ONLY, WEAK);
  assert.equal(layers.memory.state, 'weaker');
  assert.equal(layers.memory.by, 'watched');
  assert.match(layers.memory.reason ?? '', /mount the cgroup file system read-only/);
  assert.ok(layers.memory.evidence?.includes('making a cgroup there: EROFS'));
  assert.match(layers.memory.remedy ?? '', /remount,rw/);
});

void test('where no sandbox can be made the parts still tell what there is', () => {
  const { layers, supported } = buildReport(REFUSED, undefined);
  assert.equal(supported, false);
  assert.equal(layers.seccomp.state, 'available');
  for (const layer of ['user', 'pid', 'mount', 'net', 'uid'] as const) {
    assert.equal(layers[layer].state, 'missing', layer);
    assert.match(layers[layer].remedy ?? '', /sudo/, layer);
  }
});

void test('a report is plain data', () => {
  const report = buildReport(REFUSED, undefined);
  assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
});

void test('the text has a line for each layer, every remedy to copy, and a verdict', () => {
  const text = reportText(buildReport(REFUSED, undefined));
  for (const layer of LAYERS) assert.match(text, new RegExp(`^${layer} +(available|weaker|missing)`, 'm'));
  assert.match(text, /^error User namespaces are switched off \(userns-disabled\)/m);
  assert.match(text, /^ {4}echo 'user.max_user_namespaces=15000' \| sudo tee/m);
  assert.match(text, /^not supported: Cannot apply the layer 'user'/m);
  assert.ok(!text.includes('\u001b'));
});

void test('the text of a machine on which all works is short', () => {
  const text = reportText(buildReport(evidence(), ENFORCED));
  assert.ok(text.split('\n').length < 25, text);
  assert.match(text, /^supported: a program ran confined\.$/m);
});

void test('the text says how to accept weaker forms, where that is all there is to do', () => {
  const text = reportText(buildReport(READ_ONLY, WEAK));
  assert.match(text, /spawn-sandbox doctor --allow-weaker memory/);
});

void test('colors only where they are asked for', () => {
  assert.match(reportText(buildReport(REFUSED, undefined), { color: true }), /\u001b\[31mmissing/);
});
