// Steps of one zygote share its memory as it was when they were forked, and nothing else. Each attempt is made by a first step
// and looked for by a second; the control makes and looks for it in one and the same step.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { createZygote, spawnSandbox, type Zygote } from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { ANY_FORM } from '../helpers/weaker.js';

interface Channel {
  readonly leave: string;
  /** Prints `found` when it is there. */
  readonly look: string;
}

const CHANNELS: Readonly<Record<string, Channel>> = {
  'a file in /tmp': {
    leave: 'open("/tmp/left", "w")',
    look: 'import os\nprint("found" if os.path.exists("/tmp/left") else "nothing")',
  },
  'a file in /dev/shm': {
    leave: 'open("/dev/shm/left", "w")',
    look: 'import os\nprint("found" if os.listdir("/dev/shm") else "nothing")',
  },
  'a variable of the environment': {
    leave: 'import os\nos.environ["LEFT"] = "1"',
    look: 'import os\nprint("found" if "LEFT" in os.environ else "nothing")',
  },
  'an object that was preloaded': { leave: 'BOX.append(1)', look: 'print("found" if BOX else "nothing")' },
  'memory that was mapped before the fork': {
    leave: 'AREA[:4] = b"left"',
    look: 'print("found" if AREA[:4] == b"left" else "nothing")',
  },
  'a segment of SysV memory': {
    leave: 'import ctypes\nL = ctypes.CDLL(None)\nassert L.shmget(77, 4096, 0o1666) >= 0',
    look: 'import ctypes\nL = ctypes.CDLL(None)\nprint("found" if L.shmget(77, 4096, 0) >= 0 else "nothing")',
  },
  'a queue of POSIX messages': {
    leave: 'import ctypes\nL = ctypes.CDLL(None)\nassert L.mq_open(b"/left", 0o102, 0o666, None) >= 0',
    look: 'import ctypes\nL = ctypes.CDLL(None)\nprint("found" if L.mq_open(b"/left", 2, 0, None) >= 0 else "nothing")',
  },
  'an abstract socket': {
    leave: 'import socket\nS = socket.socket(socket.AF_UNIX); S.bind("\\0left"); S.listen()',
    look: 'import socket\nC = socket.socket(socket.AF_UNIX)\ntry: C.connect("\\0left"); print("found")\nexcept OSError: print("nothing")',
  },
  'a port of the loopback': {
    leave: 'import socket\nS = socket.socket(); S.bind(("127.0.0.1", 7777)); S.listen()',
    look: 'import socket\nC = socket.socket()\ntry: C.connect(("127.0.0.1", 7777)); print("found")\nexcept OSError: print("nothing")',
  },
  'the host name': {
    leave: 'NAME = "left"',
    look: 'import socket\nprint("found" if globals().get("NAME") else "nothing")',
  },
  'a process': {
    leave: 'import os, time\nif os.fork() == 0:\n  time.sleep(0.5); os._exit(0)',
    look: 'import os\nprint("found" if [p for p in os.listdir("/proc") if p.isdigit() and int(p) > 1 and int(p) != os.getpid()] else "nothing")',
  },
};

/** What a step finds open: the path of each descriptor. */
const DESCRIPTORS = `
import os
for name in sorted(os.listdir("/proc/self/fd"), key=int):
    try: print(name, os.readlink("/proc/self/fd/" + name))
    except OSError: pass`;

/** Reads all that a process may read of itself, and of others. */
const SCAN = `
import os, re
needle = bytes(c ^ 1 for c in bytes.fromhex(os.environ["NEEDLE"]))
found = []
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    for name in ("environ", "cmdline", "mem"):
        try: file = open(f"/proc/{pid}/{name}", "rb", 0)
        except OSError: continue
        if name != "mem":
            if needle in file.read(): found.append(f"{pid}/{name}")
            continue
        for line in open(f"/proc/{pid}/maps"):
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            if line.split()[1][0] != "r" or end - start > 1 << 28: continue
            try:
                file.seek(start)
                at = file.read(end - start).find(needle)
            except (OSError, ValueError, OverflowError): continue
            if at >= 0: found.append(line.split()[0])
print(len([place for place in found if place]))`;

void suite('steps of one zygote', () => {
  let zygote: Zygote;
  before(async () => {
    process.env['SECRET_OF_THE_APP'] = SECRET;
    zygote = await createZygote({
      runtime: 'python',
      parked: 1,
      preloadCode: `
import builtins, mmap
builtins.BOX = []
builtins.AREA = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)`,
    });
  });
  after(async () => {
    delete process.env['SECRET_OF_THE_APP'];
    await zygote.destroy();
  });

  async function said(code: string, env: Record<string, string> = {}): Promise<string> {
    const result = await zygote.spawn({ code }, { env });
    assert.ok(result.ok, `${result.detail}\n${String(result.stderr)}`);
    return String(result.stdout).trim();
  }

  for (const [what, { leave, look }] of Object.entries(CHANNELS)) {
    void test(`leave no other ${what}`, async () => {
      // The first one lives on while the second looks.
      const first = zygote.spawn({ code: `${leave}\nimport time\nprint("left", flush=True)\ntime.sleep(1000)` });
      for await (const line of first) if (line === 'left') break;
      assert.equal(await said(look), 'nothing', 'while it runs');
      first.kill();
      await first;
      assert.equal(await said(look), 'nothing', 'afterwards');
      // Where no cgroup counts memory there are no such segments at all.
      if (isRoot || !what.includes('SysV')) assert.equal(await said(`${leave}\n${look}`), 'found', 'the control');
    });
  }

  void test('have no descriptor but their own three', async () => {
    const lines = (await said(DESCRIPTORS)).split('\n').filter((line) => !line.endsWith('/fd'));
    assert.deepEqual(
      lines.map((line) => line.replace(/\[\d+\]/, '')),
      ['0 /dev/null', '1 pipe:', '2 pipe:'],
    );
  });

  void test('cannot signal or trace each other, the zygote or their own init', async () => {
    // Init may be asked where it has the same user id and Landlock knows no signals (before Linux 6.12); none arrives.
    const code = `
import ctypes, os, signal
L = ctypes.CDLL(None)
reached = []
for pid in list(range(2, 200)) + [-1]:
    if pid == os.getpid(): continue
    try: os.kill(pid, 0 if pid > 0 else signal.SIGCONT); reached.append(pid)
    except OSError: pass
for number in range(1, 65):
    try: os.kill(1, number)
    except OSError: pass
print(reached, os.getppid(), L.ptrace(16, 1, 0, 0))`;
    assert.equal(await said(code), '[] 1 -1');
  });

  void test('find no secret of the app, in whatever they can read', async () => {
    const NEEDLE = Buffer.from(Buffer.from(SECRET).map((byte) => byte ^ 1)).toString('hex');
    assert.equal(await said(SCAN, { NEEDLE }), '1', 'the needle itself, that the scan has made');
    const control = await said(SCAN, { NEEDLE, COPY: SECRET });
    assert.ok(Number(control) > 1, `the control: ${control} places where it is given the secret`);
  });

  void test('have keyrings of their own', async () => {
    const syscalls = {
      extends: 'default',
      rules: [{ name: ['keyctl', 'add_key', 'request_key'], verdict: 'allow', reason: 'a test' }],
    } as const;
    const open = await createZygote({ runtime: 'python', syscalls });
    try {
      const add = 'import ctypes\nL = ctypes.CDLL(None)\nassert L.syscall(248, b"user", b"left", b"x", 1, -3) > 0';
      const look =
        'import ctypes\nL = ctypes.CDLL(None)\nprint("found" if L.syscall(250, 10, -3, b"user", b"left", 0) > 0 else "nothing")';
      const said = async (code: string) => String((await open.spawn({ code })).stdout).trim();
      assert.equal(await said(`${add}\n${look}`), 'found', 'the control');
      assert.equal(await said(look), 'nothing');
      assert.equal((await spawnSandbox('python3', ['-c', look], { syscalls })).stdout, 'nothing\n');
    } finally {
      await open.destroy();
    }
  });
});

void suite('what a fork would make the same in all steps', () => {
  // An interpreter that a script starts has another number than it would have had, and OpenSSL tells forks by that.
  const DRAW = {
    python: 'import ssl, random, uuid; print(ssl.RAND_bytes(8).hex(), random.random(), uuid.uuid4())',
    node: `console.log(crypto.randomBytes(8).toString('hex'), crypto.randomUUID(), crypto.randomInt(2 ** 40), Math.random())`,
  };
  for (const [runtime, program] of [
    ['python', 'python3'],
    ['node', process.execPath],
  ] as const) {
    void test(`is not, whatever number the zygote of ${runtime} has`, async (context) => {
      const numbers = new Set<string>();
      for (const wrapped of [false, true]) {
        const found = execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
        const directory = temporaryDirectory(context, { [runtime]: `#!/bin/sh\n${found} "$@"\nexit $?\n` });
        chmodSync(join(directory, runtime), 0o755);
        const zygote = await createZygote({
          runtime,
          mode: 'fork',
          interpreter: wrapped ? join(directory, runtime) : found,
          filesystem: { readOnly: [dirname(dirname(realpathSync(found)))] },
          preloadCode:
            runtime === 'python'
              ? 'import os, ssl; ssl.RAND_bytes(8); os.zygote = os.getpid()'
              : `require('crypto').randomBytes(8); globalThis.ZYGOTE = process.pid`,
          ...ANY_FORM,
        });
        context.after(() => zygote.destroy());
        const number =
          runtime === 'python' ? 'import os; print(os.zygote, os.getpid())' : 'console.log(ZYGOTE, process.pid)';
        numbers.add(String((await zygote.spawn({ code: number })).stdout).trim());
        const lines = await Promise.all(
          Array.from({ length: 6 }, async () => String((await zygote.spawn({ code: DRAW[runtime] })).stdout).trim()),
        );
        const rows = lines.map((line) => line.split(' '));
        for (const column of rows[0]?.keys() ?? []) {
          assert.equal(new Set(rows.map((row) => row[column])).size, rows.length, lines.join('\n'));
        }
      }
      // A step would be the third process of its sandbox, and is the fourth where that is the zygote's number in its own.
      assert.deepEqual([...numbers].sort(), ['2 3', '3 4'], 'the control: the zygote had the number of its steps');
    });
  }

  void test(
    'signals that one step has waiting take none of another’s',
    { skip: !isRoot && 'one user has them all' },
    async (context) => {
      const take = `
import ctypes, os, signal, time, sys
L = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
signals = 0
while signals < 20000 and L.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0: signals += 1
print(signals, flush=True)
sys.stdin.read()`;
      const zygote = await createZygote({ runtime: 'python' });
      context.after(() => zygote.destroy());
      const greedy = Array.from({ length: 3 }, () => zygote.spawn({ code: take }, { stdin: 'pipe' }));
      const taken: string[] = [];
      for (const step of greedy) for await (const line of step.lines()) if (taken.push(line) > 0) break;
      const alone = await spawnSandbox('python3', ['-c', take]);
      assert.deepEqual(new Set(taken), new Set([String(alone.stdout).trim()]));
      assert.ok(Number(taken[0]) < 20000, 'the control: there is a limit');
      for (const step of greedy) step.stdin?.end();
      await Promise.all(greedy.map((step) => step.result));
    },
  );
});

const SECRET = `secret-${Math.random().toString(36).slice(2)}-${process.pid}`;
