import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkSupport, closeSpawner, LAYERS, SandboxError } from 'spawn-sandbox';
import { packageRoot } from '#src/package-root.js';

const CLI = join(packageRoot, 'dist/cli/main.js');
after(closeSpawner);

void test('checkSupport() tells of every layer, and proves it by a sandbox of its own', async () => {
  const report = await checkSupport();
  assert.deepEqual(Object.keys(report.layers), [...LAYERS]);
  assert.ok(report.supported, JSON.stringify(report.problems, null, 2));
  assert.equal(report.selfTest.memoryLimit?.cause, 'oom');
  assert.equal(report.platform, `linux-${process.arch}`);
  assert.ok(
    report.probes.some(({ where }) => where === 'outside') && report.probes.some(({ where }) => where === 'inside'),
  );
  for (const layer of LAYERS) {
    const { state, reason } = report.layers[layer];
    assert.ok(state === 'available' || reason !== undefined, layer);
  }
});

void test('the options are those of a step: what is asked for is what is tested', async () => {
  const report = await checkSupport({ filesystem: { readOnly: ['/no/such/directory'] } });
  assert.equal(report.supported, false);
  assert.equal(report.selfTest.error?.code, 'ERR_MOUNT_SOURCE');
  assert.ok(
    report.problems.some(({ code, reason }) => code === 'sandbox-refused' && reason.includes('/no/such/directory')),
  );
});

void test('without a limit of memory there is none to test', async () => {
  const report = await checkSupport({ limits: { memory: Infinity } });
  assert.ok(report.supported);
  assert.equal(report.selfTest.memoryLimit, undefined);
});

void test('wrong options are refused', async () => {
  await assert.rejects(
    checkSupport({ allowMissing: ['nett' as 'net'] }),
    (error) => error instanceof SandboxError && error.code === 'ERR_INVALID_OPTION',
  );
});

void test('what concerns only the streams of a step is passed over', async () => {
  const report = await checkSupport({ input: 'text', stdout: 'inherit', reject: true, signal: AbortSignal.abort() });
  assert.ok(report.supported);
});

void test('spawn-sandbox doctor: a table for people, without colors in a pipe', () => {
  const { status, stdout } = spawnSync(process.execPath, [CLI, 'doctor'], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^layer +state +by +why$/m);
  assert.match(stdout, /^supported: /m);
  assert.ok(!stdout.includes('\u001b'));
});

void test('spawn-sandbox doctor --json: the report', () => {
  const { status, stdout } = spawnSync(process.execPath, [CLI, 'doctor', '--json'], { encoding: 'utf8' });
  assert.equal(status, 0);
  assert.equal((JSON.parse(stdout) as { supported: boolean }).supported, true);
});

void test('spawn-sandbox doctor: wrong flags are refused with status 1', () => {
  const { status, stderr } = spawnSync(process.execPath, [CLI, 'doctor', '--jsn'], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /--jsn/);
});
