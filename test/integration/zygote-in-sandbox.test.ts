// Jobs of a zygote in a sandbox that lives: they find what its commands have left, and start in a runtime that waits there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { suite, test } from 'node:test';
import {
  closeSpawner,
  createZygote,
  defineStep,
  type Sandbox,
  type StepResult,
  type ZygoteSpawnOptions,
} from 'spawn-sandbox';
import { until } from '../helpers/until.js';
import { boots, copies, countingPython, living, said, untilBooted, untilEnded } from '../helpers/living-zygotes.js';
import { FORKABLE_NODE } from '../helpers/node-installation.js';
import { hostPython } from '../helpers/python-installations.js';
import { COMPILERS, nativeRuntime } from '../helpers/step-program.js';
import { testWith } from '../helpers/tools.js';
import { needsPandas, PYTHON_WITH_PANDAS, warmPython } from '../helpers/warm.js';
import { warmProcesses } from '../helpers/zygote-processes.js';

const sh = (sandbox: Sandbox, script: string) => sandbox.spawn('sh', ['-c', script]);

void suite('jobs of a zygote in a sandbox that lives', () => {
  void test('share files, processes and namespaces with its commands', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context);
    await said(sh(sandbox, 'echo native > /tmp/file; echo kept > kept'));
    const read = 'print(open("/tmp/file").read(), open("kept").read()); open("/tmp/answer", "w").write("by the job")';
    assert.equal(await said(zygote.spawn({ code: read }, { sandbox })), 'native\n kept');
    assert.equal(await said(sandbox.spawn('cat', ['/tmp/answer'])), 'by the job');
    const names = ['pid', 'mnt', 'net', 'ipc', 'uts', 'user', 'cgroup'];
    const links = `import os; print(*[os.readlink("/proc/self/ns/" + name) for name in ${JSON.stringify(names)}])`;
    const inside = await said(sh(sandbox, `echo $(for n in ${names.join(' ')}; do readlink /proc/self/ns/$n; done)`));
    assert.equal(await said(zygote.spawn({ code: links }, { sandbox })), inside);
    assert.notEqual(await said(zygote.spawn({ code: links })), inside, 'the control');
    await assert.rejects(zygote.spawn({ code: read }, { reject: true }).result, { code: 'ERR_STEP_FAILED' });
  });

  void test('start warm from the second on: who takes it was there before', async (context) => {
    const zygote = await countingPython(context, { preload: ['decimal'] });
    const sandbox = await living(context);
    assert.equal(await boots(sandbox), 0, 'nothing is started for nobody');
    const code = 'import os, sys; print(os.getpid(), "decimal" in sys.modules)';
    assert.match(await said(zygote.spawn({ code }, { sandbox })), /^\d+ True$/);
    await untilBooted(sandbox, 2);
    const there = await said(
      sh(
        sandbox,
        'for p in /proc/[0-9]*; do grep -qs "^State:.S" $p/status && grep -qas zygote.py $p/cmdline && echo ${p#/proc/}; done; true',
      ),
    );
    const [pid, isPreloaded] = (await said(zygote.spawn({ code }, { sandbox }))).split(' ');
    assert.deepEqual([there.split('\n').includes(String(pid)), isPreloaded], [true, 'True'], there);
    await untilBooted(sandbox, 3);
  });

  void test('as many wait as parked says', async (context) => {
    const zygote = await countingPython(context, { parked: 3 });
    const sandbox = await living(context);
    await said(zygote.spawn({ code: '' }, { sandbox }));
    await untilBooted(sandbox, 4);
    await Promise.all([1, 2, 3].map(() => said(zygote.spawn({ code: '' }, { sandbox }))));
    await untilBooted(sandbox, 7);
  });

  void test('ten at once each have a result of their own', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context, { limits: { memory: '1GiB' } });
    const jobs = Array.from({ length: 10 }, (_, index) =>
      said(
        zygote.spawn(
          { code: 'import sys; print(sys.argv[1], sys.stdin.read())', args: [`${index}`] },
          { sandbox, input: `in ${index}` },
        ),
      ),
    );
    assert.deepEqual(
      await Promise.all(jobs),
      Array.from({ length: 10 }, (_, index) => `${index} in ${index}`),
    );
  });

  void test('end as any step does, alone', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context);
    const ends = async (code: string, options: ZygoteSpawnOptions = {}) =>
      shown(await zygote.spawn({ code }, { sandbox, ...options }));
    assert.deepEqual(await ends('import sys; sys.exit(7)'), [7, 'exit', 'step']);
    assert.deepEqual(await ends('import os; os.kill(os.getpid(), 11)'), [-11, 'signal', 'step']);
    assert.deepEqual(await ends('import time; time.sleep(100)', { limits: { wallTime: 300 } }), [
      -9,
      'wallTimeout',
      'step',
    ]);
    assert.deepEqual(await ends('while True: pass', { limits: { cpuTime: 300 } }), [-9, 'cpuTimeout', 'step']);
    assert.deepEqual(await ends('while True: print("x" * 9999)', { limits: { output: 10_000 } }), [
      -9,
      'outputLimit',
      'step',
    ]);
    assert.deepEqual(await ends('import time; time.sleep(100)', { signal: AbortSignal.timeout(300) }), [
      -9,
      'aborted',
      'step',
    ]);
    const killed = zygote.spawn({ code: 'import time\nprint("begun", flush=True)\ntime.sleep(100)' }, { sandbox });
    for await (const line of killed) {
      assert.equal(line, 'begun');
      killed.kill();
    }
    assert.deepEqual(shown(await killed), [-9, 'killed', 'step']);
    const failed = await zygote.spawn({ code: 'def f(): 1 / 0\nf()' }, { sandbox });
    assert.deepEqual(shown(failed), [1, 'exit', 'step']);
    assert.match(
      String(failed.stderr),
      /^Traceback[^]*line 2, in <module>[^]*line 1, in f\nZeroDivisionError: [^\n]*\n$/,
    );
    assert.equal(await said(sandbox.spawn('echo', ['well'])), 'well');
  });

  void test('one that runs out of memory ends alone, with what it has started', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context);
    const other = sh(sandbox, 'sleep 2; echo well');
    const hog = await zygote.spawn({ code: 'x = bytearray(300 << 20)' }, { sandbox, limits: { memory: '64MiB' } });
    assert.deepEqual(shown(hog), [-9, 'oom', 'step']);
    assert.equal(await said(other), 'well');
    assert.equal(
      await said(zygote.spawn({ code: 'x = bytearray(100 << 20); print("enough")' }, { sandbox })),
      'enough',
    );
    await said(zygote.spawn({ code: 'import subprocess; subprocess.Popen(["sleep", "1004"])' }, { sandbox }));
    assert.equal(await said(sh(sandbox, 'grep -ls "1[0]04" /proc/[0-9]*/cmdline; true')), '');
  });

  void test('have limits, variables and a directory of their own, and the sandbox bounds them', async (context) => {
    const zygote = await countingPython(context, { env: { COLOUR: 'red' }, limits: { openFiles: 100 } });
    const sandbox = await living(context, { env: { SHAPE: 'round' }, limits: { openFiles: 200, memory: '256MiB' } });
    const code =
      'import os, resource; print(os.environ.get("COLOUR"), os.environ.get("SHAPE"), os.environ.get("OWN"), os.getcwd(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])';
    assert.equal(await said(zygote.spawn({ code }, { sandbox })), 'red round None /home/sandbox 100');
    const own = { env: { OWN: '1', COLOUR: 'blue' }, cwd: '/tmp', limits: { openFiles: 50 } };
    assert.equal(await said(zygote.spawn({ code }, { sandbox, ...own })), 'blue round 1 /tmp 50');
    const large = 'import time\nx = bytearray(250 << 20)\ntime.sleep(1)';
    const hog = await zygote.spawn({ code: large }, { sandbox, limits: { memory: '1GiB' } });
    assert.deepEqual(shown(hog), [-9, 'oom', 'sandbox']);
    assert.equal(await said(sandbox.spawn('echo', ['well'])), 'well');
  });

  void test('may be calls of typed steps', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context);
    const code =
      'def double(params, tables, step):\n  step.send(open("/tmp/file").read())\n  open("/tmp/answer", "w").write("typed")\n  return params * 2';
    const double = defineStep({ zygote, code, function: 'double' });
    await said(sh(sandbox, 'echo -n native > /tmp/file'));
    const running = double(21, { sandbox });
    for await (const message of running.messages) assert.equal(message, 'native');
    assert.equal((await running).message, 42);
    assert.equal(await said(sandbox.spawn('cat', ['/tmp/answer'])), 'typed');
    const alone = await double.try(21);
    assert.equal(alone.ok, false, 'the control');
    assert.throws(() => double(21, { sandbox, user: { uid: 5 } }), { code: 'ERR_INVALID_OPTION' });
    assert.throws(() => double(21, { sandbox: {} as Sandbox }), { code: 'ERR_INVALID_OPTION' });
    const command = defineStep({ command: 'true', protocol: 'none' });
    assert.throws(() => command(null, { sandbox }), { code: 'ERR_INVALID_OPTION' });
  });

  void test('and commands at once are each seen to be where they have to be', async (context) => {
    const zygote = await countingPython(context, { parked: 2 });
    const sandbox = await living(context, { limits: { memory: '1GiB' } });
    const both = Array.from({ length: 8 }, (_, index) => [
      zygote.spawn({ code: `print(${index})` }, { sandbox }).result,
      sandbox.spawn('echo', [String(index)]).result,
    ]);
    for (const [index, pair] of both.entries()) {
      for (const { stdout, enforced } of await Promise.all(pair)) {
        assert.deepEqual([stdout, enforced.mount.state, enforced.pid.state], [`${index}\n`, 'enforced', 'enforced']);
      }
    }
  });

  void test('what the sandbox is made of cannot be given', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context);
    for (const options of [
      { filesystem: {} },
      { user: { uid: 5 } },
      { network: 'none' },
      { syscalls: 'strict' },
      { allowMissing: [] },
      { allowWeaker: [] },
      { limits: { scratch: 5 } },
    ] as ZygoteSpawnOptions[]) {
      assert.throws(
        () => zygote.spawn({ code: '' }, { sandbox, ...options }),
        { code: 'ERR_INVALID_OPTION' },
        JSON.stringify(options),
      );
    }
    for (const wrong of [{}, 'sandbox', null, zygote]) {
      assert.throws(() => zygote.spawn({ code: '' }, { sandbox: wrong as Sandbox }), { code: 'ERR_INVALID_OPTION' });
    }
    const odd = await createZygote({
      runtime: 'python',
      interpreter: hostPython(),
      syscalls: 'strict',
      user: { name: 'other' },
    });
    context.after(() => odd.destroy());
    assert.equal(await said(odd.spawn({ code: 'import getpass; print(getpass.getuser())' }, { sandbox })), 'sandbox');
  });
});

void suite('runtimes in a sandbox that lives', () => {
  // Later versions of Node cannot be forked.
  const modes = FORKABLE_NODE.test(process.version) ? (['fork', 'parked'] as const) : (['parked'] as const);
  for (const mode of modes) {
    void test(`Node, of a zygote in mode '${mode}'`, async (context) => {
      const preloadCode = 'globalThis.LEFT = process.pid; require("node:fs").appendFileSync("/tmp/boots", "x")';
      const zygote = await createZygote({ runtime: 'node', preloadCode, mode });
      context.after(() => zygote.destroy());
      // What is not in /usr has to be shown.
      const filesystem = process.execPath.startsWith('/usr/') ? {} : { readOnly: [process.execPath] };
      const sandbox = await living(context, { limits: { memory: '1GiB' }, filesystem });
      const code =
        'console.log(LEFT === process.pid, fs.readFileSync("/tmp/file", "utf8")); fs.writeFileSync("/tmp/answer", "x")';
      await said(sh(sandbox, 'echo -n native > /tmp/file'));
      assert.equal(await said(zygote.spawn({ code }, { sandbox })), 'true native');
      assert.equal(await said(sandbox.spawn('cat', ['/tmp/answer'])), 'x');
      await untilBooted(sandbox, 2);
      assert.equal(await said(zygote.spawn({ code }, { sandbox })), 'true native');
      const thrown = await zygote.spawn({ code: 'throw new TypeError("no")' }, { sandbox });
      assert.deepEqual([thrown.status, /TypeError: no/.test(String(thrown.stderr))], [1, true]);
    });
  }

  testWith(
    COMPILERS,
    'a program of the app that is not visible there is named, and one that is runs',
    async (context) => {
      const program = nativeRuntime(context);
      const zygote = await createZygote({ runtime: 'native', interpreter: program });
      context.after(() => zygote.destroy());
      await assert.rejects(zygote.spawn({ code: 'preloaded' }, { sandbox: await living(context) }).result, {
        code: 'ERR_COMMAND_NOT_FOUND',
        path: program,
        remedy: /createSandbox\(\{ filesystem: \{ readOnly: \["[^"]+"\] \} \}\)/,
      });
      const sandbox = await living(context, { filesystem: { readOnly: [dirname(program)] } });
      assert.match(await said(zygote.spawn({ code: 'preloaded' }, { sandbox })), /^made by \d+$/);
      const elsewhere = await living(context, {
        filesystem: { readOnly: [{ source: '/usr', target: dirname(program) }] },
      });
      await assert.rejects(zygote.spawn({ code: 'preloaded' }, { sandbox: elsewhere }).result, {
        code: /ERR_ZYGOTE|ERR_COMMAND_NOT_FOUND/,
      });
    },
  );

  void test('pandas, of an environment that the sandbox shows', needsPandas, async (context) => {
    const interpreter = String(PYTHON_WITH_PANDAS);
    const environment = dirname(dirname(interpreter));
    const home = /^home = (.*)$/m.exec(readFileSync(`${environment}/pyvenv.cfg`, 'utf8'))?.[1] ?? '';
    const zygote = await warmPython(context, { interpreter, preload: ['pandas'] });
    const code =
      'import sys; ok = "pandas" in sys.modules; import pandas as pd; print(ok, pd.DataFrame({"a": [1, 2]}).a.sum())';
    const readOnly = [environment, dirname(home)].filter((path) => path !== '/usr');
    const sandbox = await living(context, { filesystem: { readOnly }, limits: { memory: '1GiB' } });
    assert.equal(await said(zygote.spawn({ code }, { sandbox })), 'True 3');
    assert.equal(await said(zygote.spawn({ code }, { sandbox })), 'True 3');
  });

  void test('a preload that does not succeed there fails the job', async (context) => {
    const preloadCode = 'import os\nif os.path.exists("/tmp/here"): os._exit(7)';
    const zygote = await warmPython(context, { interpreter: hostPython(), preloadCode });
    const sandbox = await living(context);
    await said(sh(sandbox, 'touch /tmp/here'));
    await assert.rejects(zygote.spawn({ code: '' }, { sandbox }).result, {
      code: 'ERR_ZYGOTE',
      message: /before it had taken its job/,
    });
    await said(sh(sandbox, 'rm /tmp/here'));
    // One that has begun before may still be waiting.
    await until('the control: they are fine', async () => {
      const result = await zygote.spawn({ code: 'print("fine")' }, { sandbox }).result.catch(() => undefined);
      return result?.stdout === 'fine\n';
    });
  });
});

void suite('copies of a zygote in sandboxes', () => {
  void test('wait also where paths are hidden, which they were when the sandbox was made', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context, { filesystem: { hide: ['/usr/share/doc'] } });
    await said(zygote.spawn({ code: '' }, { sandbox }));
    await untilBooted(sandbox, 2);
    assert.equal(copies().length, 1);
  });

  void test('end with the zygote, and the sandbox goes on', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context);
    await said(zygote.spawn({ code: '' }, { sandbox }));
    await untilBooted(sandbox, 2);
    assert.equal(copies().length, 1, 'control');
    const running = zygote.spawn({ code: 'import time; print(1, flush=True); time.sleep(1005)' }, { sandbox });
    for await (const line of running) {
      assert.equal(line, '1');
      break;
    }
    await zygote.destroy();
    assert.deepEqual(shown(await running), [-9, 'destroyed', 'step']);
    assert.deepEqual(warmProcesses(), []);
    await assert.rejects(zygote.spawn({ code: '' }, { sandbox }).result, { code: 'ERR_ZYGOTE_CLOSED' });
    assert.equal(await said(sandbox.spawn('echo', ['well'])), 'well');
    const next = await countingPython(context);
    const closing = next.spawn({ code: 'import time; time.sleep(0.3); print("all")' }, { sandbox });
    await next.close();
    assert.equal(await said(closing), 'all', 'close() waits');
    assert.deepEqual(warmProcesses(), []);
  });

  void test('end with the sandbox, as do jobs in it, and the zygote goes on', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context, { limits: { wallTime: '3s' } });
    assert.deepEqual(shown(await zygote.spawn({ code: 'import time; time.sleep(100)' }, { sandbox })), [
      -9,
      'wallTimeout',
      'sandbox',
    ]);
    await untilEnded(sandbox);
    assert.throws(() => zygote.spawn({ code: '' }, { sandbox }), { code: 'ERR_SANDBOX_CLOSED' });
    const another = await living(context);
    const last = zygote.spawn({ code: 'import time; print(1, flush=True); time.sleep(100)' }, { sandbox: another });
    for await (const line of last) {
      assert.equal(line, '1');
      break;
    }
    await another.destroy();
    assert.deepEqual(shown(await last), [-9, 'destroyed', 'sandbox']);
    assert.deepEqual(copies(), []);
    assert.equal(await said(zygote.spawn({ code: 'print("well")' })), 'well');
  });

  void test('a sandbox counts its jobs as commands: it is not idle while one runs', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context, { limits: { idleTime: 600 } });
    assert.equal(await said(zygote.spawn({ code: 'import time; time.sleep(1); print("done")' }, { sandbox })), 'done');
    assert.equal(await untilEnded(sandbox), 'idleTimeout');
  });

  void test('come again after closeSpawner(), in a new sandbox', async (context) => {
    const zygote = await countingPython(context);
    const sandbox = await living(context);
    await said(zygote.spawn({ code: '' }, { sandbox }));
    await closeSpawner();
    assert.throws(() => zygote.spawn({ code: '' }, { sandbox }), { code: 'ERR_SANDBOX_CLOSED' });
    const next = await living(context);
    assert.equal(await said(zygote.spawn({ code: 'print("again")' }, { sandbox: next })), 'again');
  });
});

function shown({ status, cause, scope }: StepResult): unknown[] {
  return [status, cause, scope];
}
