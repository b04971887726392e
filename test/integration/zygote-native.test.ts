// A third runtime, in a page of C (test/steps/runtime.c): all that confines is in the library.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createZygote } from 'spawn-sandbox';
import { COMPILERS, nativeRuntime } from '../helpers/step-program.js';
import { testWith } from '../helpers/tools.js';

void suite('a runtime of a page', () => {
  testWith(COMPILERS, 'forks steps like the others', async (context) => {
    const program = nativeRuntime(context);
    const zygote = await createZygote({ runtime: 'native', interpreter: program, parked: 1 });
    context.after(() => zygote.destroy());
    const said = async (code: string, args: readonly string[] = [], env = {}) =>
      String((await zygote.spawn({ code, args }, { env })).stdout).trim();
    assert.equal(await said('preloaded'), 'made by 2');
    assert.equal(await said('pid'), '3 1 /home/sandbox');
    assert.equal(await said('arguments', ['a b', '', 'c']), 'a b\n\nc');
    assert.equal(await said('variable', [], { COLOUR: 'green' }), 'COLOUR=green');
    const unknown = await zygote.spawn({ code: 'unknown' });
    assert.deepEqual([unknown.cause, unknown.status], ['exit', 2]);
    for (const { state } of Object.values(unknown.enforced)) assert.match(state, /^(enforced|weaker)$/);
    const booted = await createZygote({ runtime: 'native', interpreter: program, mode: 'parked' });
    context.after(() => booted.destroy());
    const own = await booted.spawn({ code: 'pid' });
    assert.deepEqual([booted.mode, own.stdout, own.status], ['parked', '2 1 /home/sandbox\n', 0]);
  });

  void test('needs a program', async () => {
    await assert.rejects(createZygote({ runtime: 'native' }), { code: 'ERR_INVALID_OPTION' });
  });
});
