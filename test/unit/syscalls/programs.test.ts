import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, describe, test } from 'node:test';
import type { SyscallOption, SyscallPreset } from '#src/syscalls/index.js';
import { FilterKernel } from '../../helpers/filter-kernel.js';

interface Program {
  readonly title: string;
  readonly command: readonly string[];
  readonly prints: string;
  readonly presets: readonly SyscallPreset[];
}

/** The interpreter itself: what is found by name may be a shell script that starts it. */
const PYTHON = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout.trim();

const ALL: readonly SyscallPreset[] = ['default', 'strict', 'build'];
const NOT_STRICT: readonly SyscallPreset[] = ['default', 'build'];

const THREADS = `
import threading, hashlib
sums = []
threads = [threading.Thread(target=lambda: sums.append(hashlib.sha256(b'x' * 10**6).hexdigest())) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(sums))`;

const CHILDREN = `
import multiprocessing, subprocess, tempfile, sqlite3, socket, select, os
def double(x): return 2 * x
with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(double, [1, 2]))
print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip())
with tempfile.NamedTemporaryFile(dir='.') as f:
    db = sqlite3.connect(f.name); db.execute('create table t(a)'); db.execute('insert into t values (1)'); db.commit()
    print(db.execute('select * from t').fetchall())
a, b = socket.socketpair(); a.send(b'x'); print(select.select([b], [], [], 1)[0] == [b])`;

const C_PROGRAM = `
#include <pthread.h>
#include <stdio.h>
static void *work(void *p) { return p; }
int main(void) {
  pthread_t t;
  if (pthread_create(&t, 0, work, 0) || pthread_join(t, 0)) return 1;
  puts("joined");
}`;

const PROGRAMS: readonly Program[] = [
  { title: 'Python', command: [PYTHON, '-c', 'print(sum(range(10)))'], prints: '45', presets: ALL },
  { title: 'threads of Python', command: [PYTHON, '-c', THREADS], prints: '4', presets: ALL },
  {
    title: 'asyncio',
    command: [PYTHON, '-c', 'import asyncio; asyncio.run(asyncio.sleep(0)); print(1)'],
    prints: '1',
    presets: ALL,
  },
  {
    title: 'children of Python',
    command: [PYTHON, '-c', CHILDREN],
    prints: '[2, 4]\nchild\n[(1,)]\nTrue',
    presets: NOT_STRICT,
  },
  { title: 'Node', command: [process.execPath, '-p', '6 * 7'], prints: '42', presets: ALL },
  {
    title: 'files and workers of Node',
    command: [
      process.execPath,
      '-e',
      `const { Worker } = require('node:worker_threads'); const fs = require('node:fs/promises');
       fs.writeFile('n', 'x').then(() => fs.stat('n')).then((s) => {
         new Worker('require("node:worker_threads").parentPort.postMessage(1)', { eval: true }).on('message', (m) => console.log(s.size + m)); });`,
    ],
    prints: '2',
    presets: ALL,
  },
  {
    title: 'children and sockets of Node',
    command: [
      process.execPath,
      '-e',
      `require('node:child_process').execFile('echo', ['child'], (e, out) => {
         const server = require('node:net').createServer((s) => s.end(out)).listen('./s', () =>
           require('node:net').connect('./s').on('data', (d) => { console.log(String(d).trim()); server.close(); })); });`,
    ],
    prints: 'child',
    presets: NOT_STRICT,
  },
  {
    title: 'job control of bash',
    command: ['bash', '-c', 'set -m; sleep 0.01 & wait; echo $(echo a | tr a b)'],
    prints: 'b',
    presets: NOT_STRICT,
  },
  {
    title: 'a compiler and its program',
    command: ['sh', '-c', 'cc -pthread -o c.out c.c && ./c.out'],
    prints: 'joined',
    presets: NOT_STRICT,
  },
  {
    title: 'git',
    command: [
      'sh',
      '-c',
      'git init -q g && cd g && git -c user.name=a -c user.email=b commit -q --allow-empty -m x && git log --format=%s && cd .. && rm -r g',
    ],
    prints: 'x',
    presets: NOT_STRICT,
  },
  {
    title: 'tar',
    command: ['sh', '-c', 'echo x > f && tar -czf f.tgz f && tar -xzf f.tgz && cat f'],
    prints: 'x',
    presets: NOT_STRICT,
  },
  {
    title: 'make',
    command: ['sh', '-c', 'printf "all: a b\\na b:\\n\\t@sleep 0.01\\n" > m && make -s -j2 -f m && echo made'],
    prints: 'made',
    presets: NOT_STRICT,
  },
];

const skip = process.platform === 'linux' ? false : 'Linux only';

void describe('programs under both filters', { skip }, () => {
  const kernel = skip === false ? new FilterKernel() : undefined;
  kernel?.file('c.c', C_PROGRAM);
  after(() => {
    kernel?.[Symbol.dispose]();
  });
  const run = (option: SyscallOption, command: readonly string[]) => {
    assert.ok(kernel);
    return kernel.run(option, command);
  };

  for (const { title, command, prints, presets } of PROGRAMS) {
    const [file = ''] = command;
    for (const preset of presets) {
      void test(`${title} under ${preset}`, (context) => {
        if (file === '' || spawnSync('which', [file]).status !== 0) {
          context.skip('the program is not there');
          return;
        }
        const { status, stdout, stderr } = run(preset, command);
        assert.equal(stdout.trim(), prints, stderr);
        assert.equal(status, 0, stderr);
      });
    }
  }

  void test('strict starts no second process, default does', () => {
    const command = [PYTHON, '-c', 'import os; os.wait() if os.fork() else print("child")'];
    assert.match(run('strict', command).stderr, /PermissionError/);
    assert.equal(run('default', command).stdout.trim(), 'child');
  });

  void test('a set-id file cannot be made, an ordinary one can', () => {
    assert.notEqual(run('build', ['sh', '-c', 'touch s && chmod 4755 s']).status, 0);
    assert.equal(run('build', ['sh', '-c', 'touch s && chmod 755 s']).status, 0);
  });
});
