import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { after, suite, test } from 'node:test';
import { closeSpawner, createZygote, spawnSandbox, type Zygote } from 'spawn-sandbox';
import { REPORT, reportOf } from '../helpers/reports.js';

const skip = hasPython() ? false : 'python3 not found: apt-get install -y python3';
const TIMEOUT = { skip, timeout: 60_000 };

/** A preload that is a zygote by itself: it answers the spawner as it likes, and keeps what it is given. */
const HOSTILE = `
import os, socket, struct, time
control = socket.socket(fileno=3)
def warm(words=b'{}'):
    control.send(struct.pack('IiQ', 0, 0, 0) + words)
def request():
    data, fds, _, _ = socket.recv_fds(control, 4096, 64)
    if not data: os._exit(0)
    return {'sandbox': struct.unpack_from('Q', data)[0], 'reports': fds[7], 'jobs': fds[8], 'attach': fds[10:]}
def cannot(asked, error):
    control.send(struct.pack('IiQ', 1, error, asked['sandbox']))
`;

/** A preload that leaves the zygote as it is, and reads along what the spawner asks it for. */
const LISTENER = `
import os, socket, struct, time, select
def listen(told):
    spawner, (ours, theirs) = os.dup(3), socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        control = socket.socket(fileno=spawner)
        theirs.close()
        while True:
            ready, _, _ = select.select([control, ours], [], [])
            if ours in ready:
                control.send(ours.recv(40000))
            if control in ready:
                data, fds, _, _ = socket.recv_fds(control, 4096, 64)
                if not data: os._exit(0)
                socket.send_fds(ours, [data], list(fds))
                told(list(fds))
                for fd in fds: os.close(fd)
    os.dup2(theirs.fileno(), 3)
    os.close(spawner)
`;

/** A socket whose last descriptor takes some seconds to close. */
const LINGERING = `
def lingering(seconds):
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen(1)
    client = socket.socket()
    client.connect(listener.getsockname())
    kept.append(listener.accept()[0])
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, seconds))
    client.setblocking(False)
    try:
        while True: client.send(bytes(65536))
    except BlockingIOError: pass
    return client
kept = []
`;

function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', '']);
    return true;
  } catch {
    return false;
  }
}

function outside(code: string): string {
  return execFileSync('python3', ['-c', code], { encoding: 'utf8' });
}

async function withZygote(preloadCode: string, use: (zygote: Zygote) => Promise<void>): Promise<void> {
  const zygote = await createZygote({ runtime: 'python', preloadCode });
  try {
    await use(zygote);
  } finally {
    await zygote.destroy();
  }
}

/** The name of the error that `cannot()` was given. */
async function refusalOf(zygote: Zygote): Promise<string> {
  return await zygote.spawn({ code: '' }).then(
    ({ detail }) => detail,
    (error: unknown) => (error as Error).message,
  );
}

void suite('what a preload has open', () => {
  const PRELOAD = `
import mmap, os, socket
with open('/tmp/shared', 'w+b') as file:
    file.truncate(4096)
    shared = mmap.mmap(file.fileno(), 4096)
os.unlink('/tmp/shared')
directory = os.open('/tmp', os.O_RDONLY)
pair = socket.socketpair()
`;
  const MEMORY = `shared[0] += 1; print(shared[0], flush=True)`;
  const MESSAGES = `
import fcntl
for number in (directory, pair[0].fileno()):
    try: fcntl.fcntl(number, fcntl.F_GETFD); print('open')
    except OSError: print('closed')
`;
  const inStep = (code: string) => `from sys import modules; globals().update(vars(modules['__preload__']))\n${code}`;

  void test('a step has none of its descriptors', TIMEOUT, async () => {
    // The control: a child that is only forked has them.
    assert.equal(
      outside(`${PRELOAD}\nif os.fork() == 0:\n  exec(${JSON.stringify(MESSAGES)})\nelse: os.wait()`),
      'open\nopen\n',
    );
    await withZygote(PRELOAD, async (zygote) => {
      assert.equal((await zygote.spawn({ code: inStep(MESSAGES) })).stdout, 'closed\nclosed\n');
      const listed = await zygote.spawn({ code: "import os; print(len(os.listdir('/proc/self/fd')))" });
      assert.equal(listed.stdout, '4\n', 'its own streams, and that of the listing');
    });
  });

  void test(
    'two steps share no memory that is mapped for reading only, of a file that can be written to',
    TIMEOUT,
    async () => {
      const map = (access: string) => `
import mmap
with open('/tmp/table', 'w+b') as file:
    file.write(b'0' * 4096); file.flush()
    table = mmap.mmap(file.fileno(), 4096, access=mmap.${access})`;
      const look = `
import ctypes, sys
L = ctypes.CDLL(None)
L.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
lines = [line for line in open('/proc/self/maps') if '/table' in line]
if not lines: sys.exit('not there')
at = int(lines[0].split('-')[0], 16)
print(ctypes.string_at(at, 4).decode())
L.mprotect(at, 4096, 3)
ctypes.memmove(at, b'left', 4)`;
      const said = async (access: string) => {
        const seen: string[] = [];
        await withZygote(map(access), async (zygote) => {
          for (let i = 0; i < 2; i++) {
            const { stdout, stderr } = await zygote.spawn({ code: look });
            seen.push(String(stdout).trim() + String(stderr).trim());
          }
        });
        return seen;
      };
      assert.deepEqual(await said('ACCESS_READ'), ['not there', 'not there']);
      assert.deepEqual(await said('ACCESS_COPY'), ['0000', '0000'], 'what is private is there, and stays so');
      const children = `${map('ACCESS_READ')}\nimport os\nfor i in range(2):\n  if os.fork() == 0:\n    exec(${JSON.stringify(look)}); sys.stdout.flush(); os._exit(0)\n  os.wait()\nos.unlink('/tmp/table')`;
      assert.equal(outside(children), '0000\nleft\n', 'the control');
    },
  );

  void test('two steps share no memory', TIMEOUT, async () => {
    const twice = `for i in range(2):\n  if os.fork() == 0: exec(${JSON.stringify(MEMORY)}); os._exit(0)\n  os.wait()`;
    assert.equal(outside(`${PRELOAD}\n${twice}`), '1\n2\n');
    await withZygote(PRELOAD, async (zygote) => {
      for (let i = 0; i < 2; i++) {
        const { stdout, cause } = await zygote.spawn({ code: inStep(MEMORY) });
        assert.deepEqual([stdout, cause], ['', 'signal'], 'it is not there');
      }
    });
  });
});

void suite('a hostile preload', () => {
  after(closeSpawner);

  void test('cannot make the spawner wait by what it sends', TIMEOUT, async () => {
    const control = `
import socket, struct, time
${LINGERING}
client = lingering(2)
begun = time.time()
client.close()
print(time.time() - begun > 1)`;
    assert.equal(outside(control), 'True\n', 'closing one waits');
    const attack = (socketName: string) => `${HOSTILE}${LINGERING}
warm()
while True:
    asked = request()
    to, client = socket.socket(fileno=os.dup(asked['${socketName}'])), lingering(30)
    try:
        socket.send_fds(to, [bytes(${REPORT.size})], [client.fileno()])
        client.close()
    except OSError:
        kept.append(client)
    to.close()
    cannot(asked, 5)
`;
    for (const name of ['jobs', 'reports']) {
      await withZygote(attack(name), async (zygote) => {
        await refusalOf(zygote);
        const begun = Date.now();
        assert.equal((await spawnSandbox('true')).cause, 'exit');
        assert.ok(Date.now() - begun < 5_000, `${name}: others are served`);
      });
    }
  });

  void test('cannot join the cgroup of a step that is not its own', TIMEOUT, async (context) => {
    const MiB = 2 ** 20;
    const { enforced } = await spawnSandbox('true');
    if (enforced.memory.state !== 'enforced') {
      context.skip('there is no cgroup that counts memory');
      return;
    }
    // The control: as long as the sandbox is there, joining it works; its answer tells that.
    const attack = `${HOSTILE}
warm()
asked = request()
joined, wait = os.pipe()
def join():
    for fd in asked['attach']: os.write(fd, b'0')
if os.fork() == 0:
    try: join(); os.write(wait, b'y')
    except OSError: os.write(wait, b'n')
    os._exit(0)
answer = os.read(joined, 1)
if os.fork() == 0:
    kept = []
    for i in range(300):
        try: join()
        except OSError: pass
        kept.append(bytearray(${MiB}))
        time.sleep(0.01)
    os._exit(0)
cannot(asked, 5 if answer == b'y' else 22)
while True: cannot(request(), 5)
`;
    await withZygote(attack, async (zygote) => {
      assert.match(await refusalOf(zygote), /EIO/, 'it joined that of its own step');
      const steps = Array.from({ length: 8 }, () => spawnSandbox('sleep', ['3'], { limits: { memory: 40 * MiB } }));
      assert.deepEqual(new Set((await Promise.all(steps)).map(({ cause }) => cause)), new Set(['exit']));
    });
  });

  void test('cannot say how a step ended', TIMEOUT, async () => {
    const attack = (lie: string) => `${LISTENER}
def report(status):
    return ${reportOf("struct.pack('IIIiiI', 4, 0, 0, 1, status, 0)")}
def told(fds):
    if os.fork() > 0: return
    time.sleep(0.5)
    reports = socket.socket(fileno=fds[7])
    ${lie}
    os._exit(0)
listen(told)
`;
    // As itself; and as the sandbox's init, which it may claim to be where it owns the namespace of pids.
    const plain = 'reports.send(report(77))';
    const forged = `
    import ctypes
    ctypes.CDLL(None).setns(fds[0], 0x20000000)
    if os.fork() == 0:
        creds = struct.pack('iII', 1, os.getuid(), os.getgid())
        reports.sendmsg([report(77)], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, creds)])
        os._exit(0)`;
    for (const lie of [plain, forged]) {
      await withZygote(attack(lie), async (zygote) => {
        const { status, stdout } = await zygote.spawn({ code: 'import time; time.sleep(2); print("whole")' });
        assert.deepEqual([status, stdout], [0, 'whole\n']);
      });
    }
  });

  void test('that boots for a step cannot say how it ended, or that it was not run', TIMEOUT, async () => {
    // A process that was forked before the job came has the sockets of the step, and does what the step asks it for.
    const preloadCode = `
import os, socket, struct, time
try: kept = os.dup(4)
except OSError: booted = False
else: booted = True
if booted and os.fork() == 0:
    reports = socket.socket(fileno=kept)
    while True:
        time.sleep(0.01)
        if os.path.exists('/tmp/lie'): break
    kind = int(open('/tmp/lie').read())
    reports.send(${reportOf("struct.pack('IIIiiI', kind, 0, 0, 1, 77, 0)")})
    os.rename('/tmp/lie', '/tmp/said')
    time.sleep(100)
`;
    const zygote = await createZygote({ runtime: 'python', mode: 'parked', preloadCode });
    try {
      for (const kind of [3, 4]) {
        const code = `
import os, time
open('/tmp/new', 'w').write('${kind}'); os.rename('/tmp/new', '/tmp/lie')
while not os.path.exists('/tmp/said'): time.sleep(0.01)
time.sleep(0.3)
print('whole')`;
        const { status, stdout, cause } = await zygote.spawn({ code }, { limits: { wallTime: '20s' } });
        assert.deepEqual([status, stdout, cause], [0, 'whole\n', 'exit'], `a report of kind ${kind}`);
      }
    } finally {
      await zygote.destroy();
    }
  });

  void test('that boots for a step cannot make the spawner wait', TIMEOUT, async () => {
    // A socket that takes seconds to close, left where only the spawner can close it: in the reports, and among the jobs.
    const preloadCode = (number: number) => `
import os, socket, struct, time
${LINGERING}
try: kept_fd = os.dup(${number})
except OSError: kept_fd = -1
try: os.fstat(4)
except OSError: kept_fd = -1
if kept_fd >= 0 and os.fork() == 0:
    to = socket.socket(fileno=kept_fd)
    while not os.path.exists('/tmp/now'): time.sleep(0.01)
    try: socket.send_fds(to, [b'x'], [lingering(8).detach()])
    except OSError: pass
    os.rename('/tmp/now', '/tmp/sent')
    time.sleep(100)
`;
    for (const number of [3, 4]) {
      const zygote = await createZygote({ runtime: 'python', mode: 'parked', preloadCode: preloadCode(number) });
      try {
        const code = `
import os, time
open('/tmp/now', 'w').close()
while not os.path.exists('/tmp/sent'): time.sleep(0.01)
print('sent', flush=True)`;
        const step = zygote.spawn({ code }, { limits: { wallTime: '20s' } });
        assert.equal((await step).stdout, 'sent\n');
        const begun = performance.now();
        assert.equal((await spawnSandbox('true')).status, 0);
        assert.ok(performance.now() - begun < 3000, `a bystander waited for ${performance.now() - begun} ms`);
      } finally {
        const begun = performance.now();
        await zygote.destroy();
        assert.ok(performance.now() - begun < 4000, `destroy() took ${performance.now() - begun} ms`);
      }
    }
  });

  void test('that ends whatever waits keeps no processor busy', TIMEOUT, async () => {
    const inForks = `
import ctypes, os, time
library = ctypes.CDLL(None)
def after():
    if library.fork() == 0:
        time.sleep(0.005)
        os.kill(os.getppid(), 9)
        os._exit(0)
os.register_at_fork(after_in_child=after)`;
    const inBooted = `
import os
try: os.fstat(4)
except OSError: pass
else: os._exit(1)`;
    for (const [mode, preloadCode] of [
      ['fork', inForks],
      ['parked', inBooted],
    ] as const) {
      const zygote = await createZygote({ runtime: 'python', mode, preloadCode, parked: 4 });
      try {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500); // until the pauses have grown
        // Of the whole machine, on which others may be busy meanwhile; it would be busy all the time.
        const inEach = Array.from({ length: 3 }, () => {
          const before = forksOfThisMachine();
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
          return forksOfThisMachine() - before;
        });
        assert.ok(Math.min(...inEach) < 400, `${String(inEach)} processes in 2 s each`);
      } finally {
        await zygote.destroy();
      }
    }
  });

  void test('whose forks die before they wait makes no step wait for ever', TIMEOUT, async () => {
    const preloadCode = (every: number) => `
import os
count = 0
def before():
    global count
    count += 1
def after():
    if count % ${every} == 0: os._exit(9)
os.register_at_fork(before=before, after_in_child=after)`;
    await withZygote(preloadCode(4), async (zygote) => {
      for (let i = 0; i < 24; i++) {
        const { status } = await zygote.spawn({ code: `raise SystemExit(${i})` });
        assert.equal(status, i);
      }
    });
    await withZygote(preloadCode(1), async (zygote) => {
      assert.match(await refusalOf(zygote), /ended again and again before it was confined/);
    });
  });

  void test('cannot fill the memory of the spawner', TIMEOUT, async () => {
    const attack = `${HOSTILE}
warm()
begun, sent = time.time(), 0
while time.time() - begun < 2:
    warm(bytes(32000))
    sent += 1
while True: cannot(request(), 5 if sent > 4000 else 22)
`;
    await withZygote(attack, async (zygote) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500); // an app that is busy reads nothing
      assert.ok(spawnerMemory() < 64 * 1024, `${spawnerMemory()} KiB`);
      assert.match(await refusalOf(zygote), /EIO/, 'it sent twice as much');
    });
  });

  void test('that dies as often as it is asked is given up', TIMEOUT, async () => {
    await withZygote(`${HOSTILE}\nwarm()\nrequest()\nos._exit(1)`, async (zygote) => {
      assert.match(await refusalOf(zygote), /ended 3 times in a row|could not fork/);
    });
  });
});

/** Others make some, too; a thousand a second is what is looked for. */
function forksOfThisMachine(): number {
  return Number(/^processes (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
}

function spawnerMemory(): number {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      if (!status.startsWith('Name:\tsandbox-spawner') || !status.includes(`\nPPid:\t${process.pid}\n`)) continue;
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
    } catch {
      // it has ended
    }
  }
  throw new Error('there is no spawner');
}
