import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  createZygote,
  spawnSandbox,
  type StepResult,
  type Zygote,
  type ZygoteJob,
  type SandboxOptions,
} from 'spawn-sandbox';
import { makePyenv, makeVirtualEnvironment } from '../helpers/python-installations.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { needsPandas, PYTHON_WITH_PANDAS, warmPython } from '../helpers/warm.js';

async function output(zygote: Zygote, job: ZygoteJob | string, options?: SandboxOptions): Promise<string> {
  const result = await zygote.spawn(typeof job === 'string' ? { code: job } : job, options);
  assert.ok(result.ok, `${result.detail}\n${String(result.stderr)}`);
  return String(result.stdout).trim();
}

/** An input that lasts until another step, begun at the same time, is there for certain. */
async function* waitABit(): AsyncGenerator<string> {
  await setTimeout(300);
  yield '';
}

void suite('a step of a warm Python', () => {
  let zygote: Zygote;
  before(async () => {
    zygote = await createZygote({
      runtime: 'python',
      preload: ['json', 'decimal', 'uuid', 'ssl', 'random', 'secrets', 'multiprocessing', 'concurrent.futures'],
      preloadCode: 'TABLE = {"answer": 42}\nimport builtins\nbuiltins.TABLE = TABLE',
    });
  });
  after(() => zygote.destroy());

  void test('finds what was preloaded, and nothing that another step left', async () => {
    assert.equal(zygote.mode, 'fork');
    const seen = 'import sys; print(TABLE["answer"], "decimal" in sys.modules, "sqlite3" in sys.modules)';
    assert.equal(await output(zygote, seen), '42 True False');
    assert.equal(await output(zygote, 'TABLE["answer"] = 7; import sqlite3; print(TABLE["answer"])'), '7');
    assert.equal(await output(zygote, seen), '42 True False');
  });

  void test('runs in a sandbox of its own, with every layer that a command has', async () => {
    // At once: numbers of namespaces that are gone are used again.
    const [first, second] = await Promise.all([
      zygote.spawn({ code: `${NAMESPACES}\nimport sys; sys.stdin.read()` }, { input: waitABit() }),
      zygote.spawn({ code: `${NAMESPACES}\nimport sys; sys.stdin.read()` }, { input: waitABit() }),
    ]);
    const [one, other] = [JSON.parse(String(first.stdout)), JSON.parse(String(second.stdout))] as [
      Record<string, string>,
      Record<string, string>,
    ];
    for (const name of ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'])
      assert.notEqual(one[name], other[name], name);
    for (const [layer, { state }] of Object.entries(first.enforced)) {
      assert.ok(state === 'enforced' || state === 'weaker', `${layer}: ${state}`);
    }
    assert.equal(await output(zygote, 'import os; print(os.getpid(), os.getppid(), os.getuid())'), '3 1 1000');
  });

  void test('has the arguments, variables, work directory and input that it was given', async (context) => {
    const options = { env: { COLOUR: 'green' }, cwd: '/tmp', input: 'typed' };
    const code =
      'import os, sys; print(sys.argv, os.environ["COLOUR"], os.environ["HOME"], os.getcwd(), sys.stdin.read())';
    assert.equal(
      await output(zygote, { code, args: ['a b', ''] }, options),
      "['-c', 'a b', ''] green /home/sandbox /tmp typed",
    );
    assert.equal(await output(zygote, 'import os; print("COLOUR" in os.environ)'), 'False');
    const changed = await warmPython(context, {
      env: { SHAPE: 'round' },
      preloadCode: 'import os; os.environ.update(COLOUR="red", SHAPE="flat")',
    });
    const both =
      'import os; print(os.environ.get("COLOUR"), os.environ["SHAPE"], os.popen("echo $COLOUR $SHAPE").read())';
    assert.equal(await output(changed, both), 'None round round', 'what the preload did to the variables is undone');
  });

  void test('runs a file as the main module', async (context) => {
    const directory = temporaryDirectory(context, {
      'main.py': 'import beside, sys\nprint(__name__, __file__, sys.argv[1:], beside.TEXT)',
      'beside.py': 'TEXT = "beside"',
    });
    const file = `${directory}/main.py`;
    assert.equal(
      await output(zygote, { file, args: ['x'] }, { filesystem: { readOnly: [directory] } }),
      `__main__ ${file} ['x'] beside`,
    );
    const missing = await zygote.spawn({ file: '/missing.py' });
    assert.equal(missing.status, 2);
    assert.match(String(missing.stderr), /can't open file '\/missing\.py': \[Errno 2\] No such file or directory/);
  });

  void test('calls a function of a module', async (context) => {
    const directory = temporaryDirectory(context, {
      'tools.py': 'class Text:\n  @staticmethod\n  def join(*a): print(*a, sep="-")',
    });
    const options = { filesystem: { readOnly: [directory] }, env: { PYTHONPATH: directory } };
    assert.equal(
      await output(zygote, { module: 'tools', function: 'Text.join', args: [1, 'b', null] }, options),
      '1-b-None',
    );
    const wrong = await zygote.spawn({ module: 'tools', function: 'missing' }, options);
    assert.match(String(wrong.stderr), /AttributeError: module 'tools' has no attribute 'missing'/);
  });

  // Each is also run by a plain interpreter, outside: the control.
  const ENDINGS: readonly string[] = [
    'pass',
    'import sys; sys.exit()',
    'import sys; sys.exit(7)',
    'import sys; sys.exit(-1)',
    'import sys; sys.exit("gone")',
    'raise SystemExit(3)',
    'import os; os._exit(9)',
    'import os, signal; os.kill(os.getpid(), signal.SIGTERM)',
    'import os; os.abort()',
    'raise ValueError("wrong")',
    'def f():\n  1 / 0\ndef g():\n  f()\ng()',
    'raise KeyboardInterrupt',
    'try:\n  1 / 0\nexcept ZeroDivisionError as e:\n  raise KeyError("k") from e',
    'x = (',
    'import missing_module',
    'import atexit; atexit.register(print, "at exit"); print("before")',
    'import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start(); print("main")',
    'import threading\nthreading.Thread(target=lambda: 1 / 0, name="t").start()',
    'import sys; sys.stdout.write("no newline")',
    'import sys; sys.stderr.write("to stderr"); sys.stdout.write("to stdout")',
    'class C:\n  def __del__(self, os=__import__("os")): os.write(1, b"finalized\\n")\nc = C()\nprint("printed before")',
    'class C:\n  def __del__(self): print("finalized")\nc = C()',
    'f = open("x", "w"); f.write("kept"); f.flush(); print(open("x").read())',
    'import sys; sys.excepthook = lambda *a: print("hook", a[0].__name__); raise OSError',
    'import sys; sys.stdout.close()',
    'import warnings; warnings.warn("careful")',
    'print(__name__, __builtins__.__name__, __doc__)',
  ];
  for (const code of ENDINGS) {
    void test(`ends like a plain Python: ${JSON.stringify(code).slice(0, 60)}`, async (context) => {
      const warm = await zygote.spawn({ code });
      const plain = spawnSync('python3', ['-c', code], {
        encoding: 'utf8',
        cwd: temporaryDirectory(context),
        env: { LANG: 'C.UTF-8', PATH: process.env['PATH'] },
      });
      const told = {
        stdout: String(warm.stdout),
        stderr: String(warm.stderr),
        status: warm.exitCode,
        signal: warm.signal,
      };
      const { stdout, stderr, status, signal } = plain;
      assert.deepEqual(told, { stdout, stderr, status, signal });
    });
  }

  void test('tracebacks name its own files and lines, and none of ours', async (context) => {
    const directory = temporaryDirectory(context, {
      'm.py': 'import n\n\n\nn.fail()',
      'n.py': 'def fail():\n    raise RuntimeError("here")',
    });
    const result = await zygote.spawn({ file: `${directory}/m.py` }, { filesystem: { readOnly: [directory] } });
    assert.equal(
      String(result.stderr).replaceAll(/^ +\^+\n/gm, ''),
      `Traceback (most recent call last):\n  File "${directory}/m.py", line 4, in <module>\n    n.fail()\n  File "${directory}/n.py", line 2, in fail\n    raise RuntimeError("here")\nRuntimeError: here\n`,
    );
  });

  void test('what it left open is written', async (context) => {
    const directory = temporaryDirectory(context);
    execFileSync('chmod', ['0777', directory]);
    const code = `import m\nf = open("${directory}/a", "w"); f.write("from main")`;
    const module = temporaryDirectory(context, { 'm.py': `g = open("${directory}/b", "w"); g.write("from a module")` });
    await output(zygote, code, {
      filesystem: { writable: [directory], readOnly: [module] },
      env: { PYTHONPATH: module },
    });
    assert.equal(
      execFileSync('cat', [`${directory}/a`, `${directory}/b`], { encoding: 'utf8' }),
      'from mainfrom a module',
    );
  });

  void test('random numbers differ from step to step', async () => {
    const SOURCES = [
      'import random; print(random.random())',
      'import random; print(random.Random().random())',
      'import secrets; print(secrets.token_hex())',
      'import uuid; print(uuid.uuid4(), uuid.uuid1())',
      'import ssl; print(ssl.RAND_bytes(16).hex())',
      'import os; print(os.urandom(8).hex())',
      'import tempfile; print(tempfile.mkdtemp())',
    ];
    for (const code of SOURCES) {
      const drawn = await Promise.all(Array.from({ length: 6 }, () => output(zygote, code)));
      assert.equal(new Set(drawn).size, 6, code);
    }
    const equal = await Promise.all([1, 2].map(() => output(zygote, 'print(hash("text"))')));
    assert.equal(equal[0], equal[1], 'the control: what is not renewed is equal in all');
  });

  void test('threads, processes and subprocesses work', async () => {
    const code = `
import concurrent.futures, multiprocessing, subprocess, sys
def double(x): return 2 * x
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(list(pool.map(double, range(4))))
with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(double, range(4)))
print(subprocess.run([sys.executable, "-c", "print(5)"], capture_output=True, text=True).stdout, end="")
print(subprocess.check_output(["sh", "-c", "echo $PPID"], text=True).strip())
`;
    assert.deepEqual((await output(zygote, code)).split('\n'), ['[0, 2, 4, 6]', '[0, 2, 4, 6]', '5', '3']);
  });

  void test('many at once', async () => {
    const codes = Array.from({ length: 40 }, (_, index) => `import time; time.sleep(0.05); print(${index})`);
    const results = await Promise.all(codes.map((code) => output(zygote, code)));
    assert.deepEqual(
      results,
      codes.map((_, index) => String(index)),
    );
  });
});

const NAMESPACES = `
import json, os
print(json.dumps({name: os.readlink("/proc/self/ns/" + name) for name in os.listdir("/proc/self/ns")}))
`;

void suite('an interpreter', () => {
  void test('of a virtual environment has its packages', async (context) => {
    const bin = makeVirtualEnvironment(`${temporaryDirectory(context)}/env`);
    const zygote = await warmPython(context, { interpreter: `${bin}/python`, preload: ['greeting'] });
    assert.equal(await output(zygote, 'import greeting; print(greeting.TEXT)'), 'from site-packages');
  });

  void test('in a prefix of its own, as pyenv and conda make them, brings its library and packages', async (context) => {
    const { prefix } = makePyenv(`${temporaryDirectory(context)}/installed`);
    const code = 'import sys; print(sys.executable, sys.prefix, TABLE)';
    const zygote = await warmPython(context, {
      interpreter: `${prefix}/bin/python3`,
      preload: ['decimal', 'json'],
      preloadCode: 'import builtins; builtins.TABLE = 42',
    });
    const warm = (await output(zygote, code)).split(' ');
    assert.deepEqual(warm, [`${prefix}/bin/python3`, prefix, '42']);
    const plain = 'import os, decimal; print(os.__file__, decimal.__file__)';
    assert.equal(
      await output(zygote, plain),
      String((await spawnSandbox(`${prefix}/bin/python3`, ['-c', plain])).stdout).trim(),
    );
  });

  void test('that is missing, or none, is an error with a reason', async () => {
    await assert.rejects(createZygote({ runtime: 'python', interpreter: '/missing/python' }), {
      code: 'ERR_COMMAND_NOT_FOUND',
    });
    await assert.rejects(createZygote({ runtime: 'python', interpreter: '/bin/true' }), { code: 'ERR_ZYGOTE' });
  });
});

void suite('warm pandas', needsPandas, () => {
  let zygote: Zygote;
  before(async () => {
    zygote = await createZygote({
      runtime: 'python',
      interpreter: PYTHON_WITH_PANDAS ?? '',
      preload: ['numpy', 'pandas', 'pyarrow', 'pyarrow.compute'],
      limits: { memory: '1GiB' },
    });
  });
  after(() => zygote.destroy());

  const JOBS: Readonly<Record<string, readonly [code: string, expected: string]>> = {
    'a BLAS product': ['import numpy as np; a = np.ones((300, 300)); print(int((a @ a).sum()))', '27000000'],
    'a BLAS product in threads': [
      'import numpy as np, concurrent.futures as f\nwith f.ThreadPoolExecutor(4) as p: print(list(p.map(lambda n: int((np.ones((n, n)) @ np.ones((n, n))).sum()), [100, 200])))',
      '[1000000, 8000000]',
    ],
    'a group-by': [
      'import pandas as pd; d = pd.DataFrame({"k": list("abab"), "v": [1, 2, 3, 4]}); print(d.groupby("k").v.sum().to_dict())',
      "{'a': 4, 'b': 6}",
    ],
    'a compute call of pyarrow, with its thread pool': [
      'import pyarrow as pa, pyarrow.compute as pc; t = pa.table({"x": range(200000)}); print(pc.sum(t["x"]).as_py(), t.group_by("x", use_threads=True).aggregate([]).num_rows)',
      '19999900000 200000',
    ],
    'a CSV file read in threads': [
      'import io, pyarrow.csv as c; print(c.read_csv(io.BytesIO(b"a,b\\n" + b"1,2\\n" * 100000)).num_rows)',
      '100000',
    ],
    'numpy in processes': [
      'import multiprocessing as m, numpy as np\ndef f(n): return int(np.ones((n, n)).dot(np.ones((n, n))).sum())\nwith m.get_context("fork").Pool(2) as p: print(p.map(f, [10, 20]))',
      '[1000, 8000]',
    ],
  };
  for (const [what, [code, expected]] of Object.entries(JOBS)) {
    void test(`${what} works`, async () => {
      assert.equal(await output(zygote, code), expected);
    });
  }

  void test('the generators of numpy differ from step to step', async (context) => {
    // One of a pair of normal numbers is left over, and would be the next.
    const used = await warmPython(context, {
      interpreter: PYTHON_WITH_PANDAS ?? '',
      preload: ['numpy'],
      preloadCode: 'import numpy as np; np.random.seed(1); np.random.normal()',
      parked: 2,
    });
    const code =
      'import numpy as np; print(np.random.normal(), np.random.rand(), np.random.default_rng().random(), np.random.bytes(8))';
    for (const warm of [zygote, used]) {
      const drawn = await Promise.all(Array.from({ length: 6 }, () => output(warm, code)));
      const columns = drawn.map((line) => line.split(' ', 4));
      for (const index of [0, 1, 2, 3]) assert.equal(new Set(columns.map((row) => row[index])).size, 6, drawn.join());
    }
    const seeded = 'import numpy as np; np.random.seed(7); print(np.random.rand())';
    assert.equal(await output(zygote, seeded), '0.07630828937395717', 'the control: a seed is a seed');
  });

  void test('memory of small objects is given back', async () => {
    const code = `
import resource
def resident(): return int(open('/proc/self/statm').read().split()[1]) * 4096 >> 20
before = resident()
for _ in range(3):
  many = [(i, i + 1) for i in range(1_000_000)]
  full = resident()
  del many
print(full - before > 80, resident() - before < 40)`;
    assert.equal(await output(zygote, code), 'True True');
  });

  void test('runs out of memory like any other step', async () => {
    const result: StepResult = await zygote.spawn(
      { code: 'import numpy as np; x = np.ones(10**9); print(len(x))' },
      { limits: { memory: '256MiB' } },
    );
    assert.deepEqual([result.cause, result.status, result.scope], ['oom', -9, 'step']);
    assert.equal(await output(zygote, 'print(1)'), '1', 'and the zygote has not noticed');
  });
});
