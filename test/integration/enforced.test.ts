import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Layer, LAYERS, SandboxError, spawnSandbox } from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';
import { run } from '../helpers/run.js';

const WITH_WEAKER_FORM: readonly Layer[] = ['uid', 'groups', 'memory', 'processes', 'cpu'];

void suite('enforced', () => {
  void test('names every layer, in every result', async () => {
    const { enforced } = await run('true');
    assert.deepEqual(Object.keys(enforced), [...LAYERS]);
  });

  void test('says of every layer that it holds, and by what', async () => {
    const { enforced } = await run('true');
    for (const layer of LAYERS) {
      const { state, by, reason } = enforced[layer];
      assert.ok(
        state === 'enforced' || (state === 'weaker' && !isRoot && WITH_WEAKER_FORM.includes(layer)),
        `${layer}: ${state} (${reason ?? ''})`,
      );
      assert.ok(typeof by === 'string' && by !== '', layer);
      assert.equal(reason === undefined, state === 'enforced', layer);
    }
  });

  void test('is the same when the step fails', async () => {
    const { enforced } = await run('true');
    const failed = await spawnSandbox('sh', ['-c', 'kill -9 $$']);
    assert.deepEqual(failed.enforced, enforced);
  });

  void test('cannot be changed by who gets it', async () => {
    const { enforced } = await run('true');
    assert.ok(Object.isFrozen(enforced) && Object.isFrozen(enforced.seccomp));
  });

  void test('agrees with what the step finds', async () => {
    const { stdout, enforced } = await run('sh', ['-c', 'cat /proc/self/status']);
    const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(stdout)?.[1] ?? '';
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.match(field(set), /^0+$/, set);
    assert.deepEqual([field('NoNewPrivs'), field('Seccomp')], ['1', '2']);
    if (enforced.groups.state === 'enforced') assert.equal(field('Groups').trim(), '');
  });

  void test('an app with root needs to accept nothing', { skip: !isRoot && 'needs root' }, async () => {
    const { ok, enforced } = await run('true', [], { allowWeaker: [] });
    assert.ok(ok);
    assert.deepEqual(
      LAYERS.filter((layer) => enforced[layer].state !== 'enforced'),
      [],
    );
  });

  void test(
    'an ordinary user that accepts nothing weaker is refused, with the layer and the remedy',
    { skip: isRoot && 'needs an ordinary user' },
    async () => {
      const error: unknown = await spawnSandbox('true', [], { allowWeaker: [] }).result.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof SandboxError);
      assert.equal(error.code, 'ERR_LAYER_UNAVAILABLE');
      assert.ok(error.layer !== undefined && WITH_WEAKER_FORM.includes(error.layer), error.layer);
      assert.match(error.message, new RegExp(`allowWeaker: \\['${error.layer}'\\]`));
      assert.equal((await run('true')).ok, true, 'the control: by default it is accepted');
    },
  );

  void test('what is waived by name is waived, and nothing else', async () => {
    const { enforced } = await run('true', [], { network: 'host', allowMissing: ['net'] });
    assert.equal(enforced.net.state, 'waived');
    assert.match(enforced.net.reason ?? '', /host/);
    assert.deepEqual(
      LAYERS.filter((layer) => enforced[layer].state === 'waived'),
      ['net'],
    );
  });

  void test('allowMissing of a layer that can be had does not take it away', async () => {
    const { enforced } = await run('true', [], { allowMissing: ['net', 'seccomp', 'memory', 'landlock'] });
    assert.equal(enforced.net.state, 'enforced');
    assert.equal(enforced.seccomp.state, 'enforced');
  });
});

void suite('a result', () => {
  void test('has exactly the promised fields', async () => {
    const result = await run('true');
    assert.deepEqual(Object.keys(result).toSorted(), [
      ...['cause', 'detail', 'enforced', 'exitCode', 'limitsHit', 'ok', 'scope'],
      ...['signal', 'status', 'stderr', 'stdout', 'truncated', 'usage'],
    ]);
    assert.ok(result.detail.endsWith('.') && !result.detail.includes('\n'));
  });

  void test('survives JSON', async () => {
    const result = await spawnSandbox('echo', ['text']);
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
  });

  void test('is the same object for everybody who waits', async () => {
    const step = spawnSandbox('true');
    const [first, second, third] = await Promise.all([step, step.result, step.then((result) => result)]);
    assert.equal(first, second);
    assert.equal(second, third);
  });

  void test('of steps that run at once are not mixed up', async () => {
    const steps = Array.from({ length: 20 }, (_, index) =>
      spawnSandbox('sh', ['-c', `echo ${index}; echo -${index} >&2; exit ${index}`]),
    );
    for (const [index, step] of steps.entries()) {
      const { stdout, stderr, status } = await step;
      assert.deepEqual([stdout, stderr, status], [`${index}\n`, `-${index}\n`, index]);
    }
  });

  void test('ids of steps are unique', () => {
    const ids = Array.from({ length: 5 }, () => spawnSandbox('true').id);
    assert.equal(new Set(ids).size, 5);
  });
});
