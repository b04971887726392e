import assert from 'node:assert/strict';
import { suite } from 'node:test';
import { spawnSandbox } from 'spawn-sandbox';
import { run, stdoutOf } from '../helpers/run.js';
import { testWith } from '../helpers/tools.js';

async function python(code: string): Promise<string> {
  return stdoutOf('python3', ['-c', code]);
}

void suite('Python', () => {
  testWith(['python3'], 'runs threads', async () => {
    const output = await python(`
import hashlib, threading
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
with ThreadPoolExecutor(16) as pool:
    print(len(set(pool.map(lambda n: hashlib.sha256(bytes([n]) * 100_000).hexdigest(), range(64)))))
queue = Queue()
threads = [threading.Thread(target=queue.put, args=(n,)) for n in range(32)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(queue.get() for _ in threads))`);
    assert.equal(output, '64\n496');
  });

  for (const method of ['fork', 'spawn', 'forkserver']) {
    testWith(['python3'], `runs multiprocessing with the start method ${method}`, async () => {
      const code = `
import multiprocessing as mp, sys
def square(n): return n * n
def produce(queue, lock):
    with lock: queue.put(mp.current_process().name)
if __name__ == '__main__':
    mp.set_start_method(sys.argv[1])
    with mp.Pool(4) as pool: print(sum(pool.map(square, range(100))))
    queue, lock = mp.Queue(), mp.Lock()
    workers = [mp.Process(target=produce, args=(queue, lock), name=f'w{n}') for n in range(3)]
    for worker in workers: worker.start()
    print(sorted(queue.get(timeout=20) for _ in workers))
    for worker in workers: worker.join()
    with mp.Manager() as manager:
        shared = manager.dict(a=1)
        print(shared['a'])`;
      // A file, because the methods that execute Python anew import the main module by its path.
      const command = 'cat > main.py && exec python3 main.py "$0"';
      assert.equal(await stdoutOf('sh', ['-c', command, method], { input: code }), "328350\n['w0', 'w1', 'w2']\n1");
    });
  }

  testWith(['python3'], 'shares memory between processes in /dev/shm', async () => {
    const output = await python(`
from multiprocessing import get_context, shared_memory
def fill(name):
    block = shared_memory.SharedMemory(name)
    block.buf[:5] = b'hello'
    block.close()
block = shared_memory.SharedMemory(create=True, size=1 << 20)
worker = get_context('fork').Process(target=fill, args=(block.name,))
worker.start(); worker.join()
print(bytes(block.buf[:5]).decode(), worker.exitcode)
block.close(); block.unlink()`);
    assert.equal(output, 'hello 0');
  });

  testWith(['python3'], 'runs subprocesses, also of asyncio', async () => {
    const output = await python(`
import asyncio, subprocess, sys
print(subprocess.run('echo a b c | tr " " "\\\\n" | sort -r | head -1', shell=True, capture_output=True, text=True).stdout.strip())
child = subprocess.Popen([sys.executable, '-c', 'print(input()[::-1])'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(child.communicate('live')[0].strip(), child.returncode)
print(subprocess.run(['sh', '-c', 'exit 3']).returncode, subprocess.run(['sh', '-c', 'kill -TERM $$']).returncode)
async def main():
    children = [await asyncio.create_subprocess_exec('echo', str(n), stdout=asyncio.subprocess.PIPE) for n in range(3)]
    print([(await child.communicate())[0] for child in children])
asyncio.run(main())`);
    assert.equal(output, "c\nevil 0\n3 -15\n[b'0\\n', b'1\\n', b'2\\n']");
  });

  testWith(['python3'], 'writes temporary files, its home and its working directory', async () => {
    const output = await python(`
import os, pathlib, tempfile
with tempfile.TemporaryDirectory() as directory, tempfile.NamedTemporaryFile() as named, tempfile.TemporaryFile() as plain:
    for file in named, plain: file.write(b'x' * 100_000); file.flush()
    print(os.path.dirname(directory), os.stat(named.name).st_size)
for place in pathlib.Path.home(), pathlib.Path('.'), pathlib.Path('/var/tmp'), pathlib.Path('/dev/shm'):
    (place / 'f').write_text('é'); print((place / 'f').read_text(), end=' ')
print(os.getcwd() == os.path.expanduser('~') == os.environ['HOME'])`);
    assert.equal(output, '/tmp 100000\né é é é True');
  });

  testWith(['python3'], 'speaks UTF-8 in output, arguments, file names and the environment', async () => {
    const code = `
import locale, os, sys
open('naïve-文', 'w').write('ß')
print('é', sys.argv[1], os.environ['GREETING'], os.listdir('.'), open('naïve-文').read())
print(locale.getpreferredencoding(), sys.stdout.encoding, sys.getfilesystemencoding())`;
    const output = await stdoutOf('python3', ['-c', code, 'ünï 🐍'], {
      env: { GREETING: 'grüezi' },
    });
    assert.equal(output, "é ünï 🐍 grüezi ['naïve-文'] ß\nUTF-8 utf-8 utf-8");
  });

  testWith(['python3'], 'knows its own account', async () => {
    const output = await python(`
import getpass, grp, os, pwd
me = pwd.getpwuid(os.getuid())
print(me.pw_name, me.pw_dir, os.getuid(), grp.getgrgid(os.getgid()).gr_name, getpass.getuser(), os.path.expanduser('~sandbox'))`);
    assert.equal(output, 'sandbox /home/sandbox 1000 sandbox sandbox /home/sandbox');
  });

  testWith(['python3'], 'loads the native modules of the standard library', async () => {
    const output = await python(`
import bz2, ctypes, curses, decimal, hashlib, lzma, mmap, resource, select, signal, socket, sqlite3, ssl, uuid, zlib, zoneinfo
ssl.create_default_context()
print(ctypes.CDLL(None).getpid() > 0, len(uuid.uuid4().hex), zlib.crc32(b'x'), len(mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)))
db = sqlite3.connect('a.db')
db.execute('pragma journal_mode=wal'); db.execute('create table t(a)')
db.executemany('insert into t values (?)', [(n,) for n in range(1000)]); db.commit()
print(db.execute('select sum(a) from t').fetchone())`);
    assert.equal(output, 'True 32 2363233923 4096\n(499500,)');
  });

  testWith(['python3'], 'serves and fetches over HTTP on loopback', async () => {
    const output = await python(`
import http.server, pathlib, threading, urllib.request
pathlib.Path('page').write_text('served inside')
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for host in '127.0.0.1', 'localhost':
    print(urllib.request.urlopen(f'http://{host}:{server.server_port}/page', timeout=10).read().decode())`);
    assert.equal(output, 'served inside\nserved inside');
  });

  testWith(['python3'], 'fails to resolve and to connect at once, without a network', async () => {
    const { stdout } = await run('python3', [
      '-c',
      `
import socket, time
started = time.monotonic()
for attempt in (lambda: socket.getaddrinfo('example.com', 443), lambda: socket.create_connection(('192.0.2.1', 80), 20)):
    try: attempt()
    except OSError as error: print(type(error).__name__, error.errno)
print(time.monotonic() - started < 2)`,
    ]);
    assert.match(stdout, /^gaierror -\d\nOSError 101\nTrue\n$/);
  });

  testWith(['python3'], 'gives bytes that are no text unchanged', async () => {
    const code =
      'import sys; sys.stdout.buffer.write(bytes(range(256)) * 100); sys.stderr.buffer.write(b"\\xff\\xfe\\0")';
    const { ok, stdout, stderr } = await spawnSandbox('python3', ['-c', code], {
      encoding: 'buffer',
    });
    assert.ok(ok);
    assert.ok(typeof stdout !== 'string' && typeof stderr !== 'string');
    assert.deepEqual(
      [...stdout],
      Array.from({ length: 25_600 }, (_, index) => index % 256),
    );
    assert.deepEqual([...stderr], [0xff, 0xfe, 0]);
  });
});
