import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { spawnSandbox } from 'spawn-sandbox';
import { run, stdoutOf } from '../helpers/run.js';
import { testWith } from '../helpers/tools.js';

const MEGABYTES = 6;

void suite('streams, arguments and variables', () => {
  void test('/dev/stdout, /dev/stderr and /dev/fd can be opened by name', async () => {
    const script = `
      echo x > /dev/stdout; echo y > /dev/stderr; echo z >> /dev/stdout; echo w | tee /dev/stderr > /dev/fd/1
      echo p > /proc/self/fd/1; echo read | cat /dev/stdin`;
    const { stdout, stderr } = await run('sh', ['-c', script]);
    assert.equal(stdout, 'x\nz\nw\np\nread\n');
    assert.equal(stderr, 'y\nw\n');
  });

  void test('input is read through /dev/stdin, too', async () => {
    assert.equal(await stdoutOf('cat', ['/dev/stdin'], { input: 'é\n' }), 'é');
    assert.equal(await stdoutOf('cat', ['/dev/stdin']), '');
  });

  void test('the usual devices work', async () => {
    const script = `
      echo lost > /dev/null; head -c 4 /dev/zero | od -An -tx1; head -c 100 /dev/urandom | wc -c
      head -c 8 /dev/random | wc -c; echo x > /dev/full || echo full`;
    const { stdout } = await run('sh', ['-c', script]);
    assert.equal(stdout, ' 00 00 00 00\n100\n8\nfull\n');
  });

  testWith(['python3'], 'megabytes on stdout and stderr at once do not block each other', async () => {
    const code = `
import os, threading
def fill(fd, letter):
    left = ${MEGABYTES} * 1024 * 1024
    while left: left -= os.write(fd, letter * min(left, 100_000))
threads = [threading.Thread(target=fill, args=pair) for pair in ((1, b'o'), (2, b'e'))]
for thread in threads: thread.start()
for thread in threads: thread.join()`;
    const { stdout, stderr } = await run('python3', ['-c', code], {
      limits: { wallTime: '30s' },
    });
    assert.equal(stdout, 'o'.repeat(MEGABYTES * 1024 * 1024));
    assert.equal(stderr, 'e'.repeat(MEGABYTES * 1024 * 1024));
  });

  void test('one stream can be filled while nobody has written to the other yet', async () => {
    const script = `head -c ${MEGABYTES * 1024 * 1024} /dev/zero >&2; echo done`;
    const { stdout, stderr } = await run('sh', ['-c', script], {
      limits: { wallTime: '30s' },
    });
    assert.equal(stdout, 'done\n');
    assert.equal(stderr.length, MEGABYTES * 1024 * 1024);
  });

  void test('megabytes go in and come out again', async () => {
    const input = 'line of text\n'.repeat(400_000);
    const { stdout } = await run('cat', [], { input });
    assert.equal(stdout, input);
  });

  for (const { title, size } of [
    { title: '100 KB', size: 100_000 },
    { title: '1 MB', size: 1_000_000 },
  ]) {
    // The kernel takes at most 128 KiB in one argument or variable, whoever starts the program.
    const pieces = Array.from({ length: size / 50_000 }, (_, index) => String(index % 10).repeat(50_000));

    void test(`arguments of ${title} arrive`, async () => {
      const output = await stdoutOf('sh', [
        '-c',
        'printf %s "$@" | md5sum; echo $#; shift 1; echo "$1" | head -c 3',
        'sh',
        ...pieces,
      ]);
      const expected = await stdoutOf('md5sum', [], { input: pieces.join('') });
      assert.equal(output, `${expected}\n${pieces.length}\n111`);
    });

    void test(`variables of ${title} arrive`, async () => {
      const env = Object.fromEntries(pieces.map((piece, index) => [`PIECE_${index}`, piece]));
      const code = `let all = 0; for (const [name, value] of Object.entries(process.env)) if (name.startsWith('PIECE_')) all += value.length; console.log(all)`;
      assert.equal(await stdoutOf('node', ['-e', code], { env }), String(size));
    });
  }

  void test('an argument that the kernel does not take is an error that says so', async () => {
    await assert.rejects(run('true', ['x'.repeat(200_000)]), (error: Error) => {
      assert.equal(error.name, 'SandboxError');
      assert.match(error.message, /E2BIG/);
      return true;
    });
  });

  void test('bytes that are no text come unchanged', async () => {
    const { stdout } = await spawnSandbox('printf', ['\\377\\000\\200a\\n'], {
      encoding: 'buffer',
    });
    assert.deepEqual([...Buffer.from(stdout)], [0xff, 0x00, 0x80, 0x61, 0x0a]);
  });
});
