import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { checkSupport, createSandbox, type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { PACKAGE } from '../helpers/app.js';
import { areCoresShared } from '../helpers/cores.js';
import { ANY_FORM } from '../helpers/weaker.js';

const CLI = join(PACKAGE, 'dist/cli/main.js');
/** Where cores have second threads, test/qemu/guest/cores.test.mjs looks at what the kernel makes of it. */
const OPTIONS: SandboxOptions = { ...ANY_FORM, coreScheduling: true };

const BY = areCoresShared() ? 'core cookie' : 'whole cores';
const lacksIt = areCoresShared() && (await checkSupport(OPTIONS)).layers.coreScheduling?.state !== 'available';
const skip = lacksIt ? 'cores have second threads here, and the kernel has no core scheduling' : false;

void suite('core scheduling', { skip }, () => {
  void test('is told only of who has asked for it', async () => {
    const asked = await spawnSandbox('true', [], OPTIONS);
    assert.ok(asked.ok, asked.detail);
    assert.deepEqual(asked.enforced.coreScheduling, { state: 'enforced', by: BY });
    const other = await spawnSandbox('true', [], ANY_FORM);
    assert.ok(!('coreScheduling' in other.enforced));
    assert.deepEqual(
      Object.keys(asked.enforced).toSorted(),
      [...Object.keys(other.enforced), 'coreScheduling'].toSorted(),
    );
  });

  void test('belongs to a sandbox that lives, and to each of its commands', async () => {
    const sandbox = await createSandbox(OPTIONS);
    const { enforced } = await sandbox.spawn('true');
    await sandbox.destroy();
    assert.equal(enforced.coreScheduling?.state, 'enforced');
  });

  void test('is true or false, and has no weaker form', () => {
    assert.throws(() => spawnSandbox('true', [], { coreScheduling: 1 as unknown as boolean }), {
      code: 'ERR_INVALID_OPTION',
      message: /coreScheduling/,
    });
    assert.throws(() => spawnSandbox('true', [], { allowWeaker: ['coreScheduling' as 'cpu'] }), {
      code: 'ERR_INVALID_OPTION',
      message: /no weaker form/,
    });
  });

  void test('may be asked for at the command line, and the doctor tells of it then', async () => {
    const weaker = ['--allow-weaker', 'memory,processes,cpu,uid,groups'];
    assert.equal(cli('run', '--core-scheduling', ...weaker, '--', 'echo', 'ran'), 'ran\n');
    const asked = await checkSupport(OPTIONS);
    assert.deepEqual(asked.layers.coreScheduling, { state: 'available', by: BY });
    assert.deepEqual(
      asked.problems.filter(({ affects }) => affects.includes('coreScheduling')),
      [],
    );
    assert.equal((await checkSupport(ANY_FORM)).layers.coreScheduling, undefined);
    const stdout = cli('doctor', '--core-scheduling', ...weaker);
    assert.match(stdout, new RegExp(`^coreScheduling +available +${BY}`, 'm'));
  });
});

function cli(...args: readonly string[]): string {
  return execFileSync(process.execPath, [CLI, ...args], { encoding: 'utf8', timeout: 60_000 });
}
