// What only a core with two threads shows: whom the kernel lets share it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkSupport, closeSpawner, configureSpawner, createSandbox, createZygote, spawnSandbox } from 'spawn-sandbox';
import { areCoresShared, cookiesOf } from '../build/test/helpers/cores.js';
import { descendantsOf, processesWith, uniqueMarker } from '../build/test/helpers/marked-processes.js';
import { until } from '../build/test/helpers/until.js';

configureSpawner({ stateDirectory: `${mkdtempSync('/tmp/cores-')}/state`, pool: 1 });
const OPTIONS = { coreScheduling: true };
const COOKIE = { state: 'enforced', by: 'core cookie' };

/** A command with a child, both of which wait; their pids on the host. */
async function waiting(spawn, options) {
  const marker = uniqueMarker();
  const step = spawn('sh', ['-c', 'sleep 1000 & wait', marker], options);
  await until('it has a child', () => processesWith(marker).some((pid) => descendantsOf(pid).length === 1));
  const [pid] = processesWith(marker);
  return { step, pids: [pid, ...descendantsOf(pid).map((child) => child.pid)] };
}

test('each step has a cookie of its own, its children have it, too, and nobody else', async () => {
  assert.ok(areCoresShared(), 'the control: there is a core with two threads');
  assert.deepEqual(cookiesOf(process.pid), ['0'], 'the control: the app has none');
  const [one, other, plain] = await Promise.all([
    waiting(spawnSandbox, OPTIONS),
    waiting(spawnSandbox, OPTIONS),
    waiting(spawnSandbox, {}),
  ]);
  const [[first, ofChild], [second]] = [cookiesOf(...one.pids), cookiesOf(...other.pids)];
  assert.equal(first, ofChild);
  assert.equal(new Set([first, second, '0']).size, 3);
  assert.deepEqual(cookiesOf(...plain.pids), ['0', '0'], 'who has not asked has none');
  for (const { step } of [one, other, plain]) step.kill('SIGKILL');
  assert.deepEqual((await one.step).enforced.coreScheduling, COOKIE);
  assert.ok(!('coreScheduling' in (await plain.step).enforced));
});

test('a step cannot give up its cookie, nor take that of another', async () => {
  const code = `import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
cookie = ctypes.c_ulonglong()
for operation in (0, 1, 2, 3):
    print(libc.prctl(62, operation, os.getpid(), 0, None if operation else ctypes.byref(cookie)), ctypes.get_errno())`;
  assert.match(
    execFileSync('python3', ['-c', code], { encoding: 'utf8' }),
    /^0 0\n0 0\n0 0\n0 0\n/,
    'the control: without a sandbox it can',
  );
  const { stdout } = await spawnSandbox('python3', ['-c', code], OPTIONS);
  assert.equal(stdout, '-1 1\n'.repeat(4));
});

test('so have a zygote and each of its steps, and the commands of one sandbox', async () => {
  const zygote = await createZygote({ runtime: 'python', ...OPTIONS });
  const steps = [0, 1].map(() =>
    zygote.spawn({ code: 'import sys; print(1, flush=True); sys.stdin.readline()' }, { stdin: 'pipe' }),
  );
  await Promise.all(steps.map((step) => once(step.stdout, 'data')));
  const pythons = descendantsOf(process.pid).filter(
    ({ pid }) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'python3\n',
  );
  assert.ok(pythons.length >= 3, `${pythons.length}`);
  const ofPythons = cookiesOf(...pythons.map(({ pid }) => pid));
  assert.equal(new Set([...ofPythons, '0']).size, pythons.length + 1);

  const sandbox = await createSandbox(OPTIONS);
  const commands = await Promise.all([0, 1].map(() => waiting(sandbox.spawn.bind(sandbox), {})));
  assert.equal(new Set([...commands.map(({ pids }) => cookiesOf(...pids)[0]), '0']).size, 3);
  for (const step of steps) step.stdin.end('\n');
  for (const { ok, detail, enforced } of await Promise.all(steps)) {
    assert.ok(ok, detail);
    assert.deepEqual(enforced.coreScheduling, COOKIE);
  }
  await Promise.all([zygote.destroy(), sandbox.destroy()]);
});

test('where the kernel refuses it, a step that asks is refused, unless it may be missing', async () => {
  await closeSpawner();
  const filtered = `import ctypes, struct, sys, os
def ins(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
# prctl (157 on x64) with the option 62: EINVAL, as a kernel that was built without it answers.
code = ins(0x20,0,0,0) + ins(0x15,0,3,157) + ins(0x20,0,0,16) + ins(0x15,0,1,62) + ins(6,0,0,0x50016) + ins(6,0,0,0x7fff0000)
buffer = ctypes.create_string_buffer(code)
class prog(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
p = prog(len(code) // 8, ctypes.addressof(buffer))
assert libc.prctl(22, 2, ctypes.byref(p)) == 0, ctypes.get_errno()
os.execvp(sys.argv[1], sys.argv[1:])`;
  const app = `
    import { checkSupport, configureSpawner, spawnSandbox } from 'spawn-sandbox';
    configureSpawner({ stateDirectory: process.argv[1], pool: 0 });
    const of = (options) => spawnSandbox('true', [], options).result.then(
      ({ ok, detail, enforced }) => ({ ok, detail, layer: enforced.coreScheduling }), ({ code, message, remedy }) => ({ code, message, remedy }));
    const { supported, problems, layers } = await checkSupport({ coreScheduling: true });
    console.log(JSON.stringify([
      await of({ coreScheduling: true }), await of({ coreScheduling: true, allowMissing: ['coreScheduling'] }), await of({}),
      { supported, codes: problems.map(({ code }) => code), state: layers.coreScheduling.state, remedy: layers.coreScheduling.remedy },
    ]));`;
  const state = `${mkdtempSync('/tmp/cores-')}/state`;
  const { stdout, stderr } = spawnSync(
    'python3',
    ['-c', filtered, process.execPath, '--input-type=module', '-e', app, state],
    {
      encoding: 'utf8',
    },
  );
  const [asked, waived, plain, support] = JSON.parse(stdout === '' ? stderr : stdout);
  assert.equal(asked.code, 'ERR_LAYER_UNAVAILABLE');
  assert.match(asked.message, /Cannot apply the layer 'coreScheduling'/);
  assert.match(asked.remedy, /smt\/control.*allowMissing/s);
  assert.ok(waived.ok, waived.detail);
  assert.equal(waived.layer.state, 'waived');
  assert.ok(plain.ok, plain.detail);
  assert.equal(support.supported, false);
  assert.ok(support.codes.includes('core-scheduling-missing'), support.codes.join());
  assert.equal(support.state, 'missing');
  assert.match(support.remedy, /smt\/control/);
});

test('the doctor says that it is available', async () => {
  const { supported, layers } = await checkSupport(OPTIONS);
  assert.ok(supported);
  assert.deepEqual(layers.coreScheduling, { state: 'available', by: 'core cookie' });
});
