// What the doctor says of where it is, and how to get more. SPAWN_SANDBOX_TEST_PROBLEM is the code of what it is to find, empty where
// nothing is weaker for a cgroup; SPAWN_SANDBOX_TEST_MEMORY_BY what limits memory. `# outcome {...}` goes to docs/environments.md.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { test } from 'node:test';
import { checkSupport, closeSpawner, configureSpawner } from 'spawn-sandbox';

const { SPAWN_SANDBOX_TEST_PROBLEM: code = '', SPAWN_SANDBOX_TEST_MEMORY_BY: by } = process.env;
const isRoot = process.geteuid() === 0;
configureSpawner({ stateDirectory: `${mkdtempSync('/tmp/doctor-')}/state` });

/** What is to be seen of each cause, and what its remedy is made of. */
const CAUSES = {
  'cgroup-read-only': { facts: /mounted read-only/, remedy: /mount -o remount,rw/ },
  'cgroup-undelegated': { facts: /making a cgroup there: EACCES/, remedy: /chown -R .*echo \$\$ > .*cgroup\.procs/s },
  'cgroup-busy': { facts: /processes in it: [1-9]/, remedy: /cgroup\.procs; done/ },
};

test('the doctor finds the cause and tells the remedy', async () => {
  const report = await checkSupport();
  await closeSpawner();
  const { supported, privileged, layers, problems } = report;
  console.log(`# outcome ${JSON.stringify({ supported, privileged, layers, problems })}`);
  const ofCgroups = problems.filter(({ code }) => code.startsWith('cgroup-'));
  assert.deepEqual(
    ofCgroups.map((problem) => problem.code),
    code === '' ? [] : [code],
  );
  assert.equal(layers.memory.by, by);
  assert.equal(layers.memory.state, code === '' ? 'available' : 'weaker');
  // Root gets nothing weaker unless it asks for it by name.
  assert.equal(supported, code === '' || !isRoot);
  for (const { evidence, remedy, reason, affects } of ofCgroups) {
    assert.match(evidence.join('\n'), CAUSES[code].facts);
    assert.match(remedy, CAUSES[code].remedy);
    assert.ok(reason !== '' && ['memory', 'processes', 'cpu'].every((layer) => affects.includes(layer)));
    assert.equal(layers.memory.remedy, remedy, 'the layer tells it, too');
  }
});
