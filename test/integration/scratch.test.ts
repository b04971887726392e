import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { spawnSandbox, type StepResult } from 'spawn-sandbox';
import { stdoutOf } from '../helpers/run.js';

const MEBIBYTE = 2 ** 20;

function shell(script: string, options: Parameters<typeof spawnSandbox>[2] = {}): Promise<StepResult> {
  return spawnSandbox('sh', ['-c', script], options).result;
}

void suite('files of a step', () => {
  void test('memory in scratch counts', async () => {
    const fill = 'head -c 100M /dev/zero > /tmp/a; head -c 100M /dev/zero > /dev/shm/b; echo survived';
    const result = await shell(fill, {
      limits: { memory: '64MiB', scratch: '300MiB' },
    });
    assert.equal(result.cause, 'oom');
    const control = await shell(fill, {
      limits: { memory: '400MiB', scratch: '300MiB' },
    });
    assert.equal(control.stdout, 'survived\n');
  });

  void test('scratch is as large as was asked for, /tmp, /dev/shm and home together', async () => {
    const script = `head -c 3M /dev/zero > /tmp/a && head -c 3M /dev/zero > ~/b && head -c 3M /dev/zero > /dev/shm/c; echo $?
      cat /tmp/a ~/b /dev/shm/c | wc -c`;
    const [status, bytes] = (await stdoutOf('sh', ['-c', script], { limits: { scratch: '8MiB' } })).split('\n');
    assert.equal(status, '1');
    assert.ok(Number(bytes) <= 8 * MEBIBYTE && Number(bytes) > 6 * MEBIBYTE, bytes);
    const [control] = (await stdoutOf('sh', ['-c', script], { limits: { scratch: '16MiB' } })).split('\n');
    assert.equal(control, '0');
  });

  void test('small files cannot fill the kernel: scratch has few inodes, too', async () => {
    const script = 'i=0; while touch /tmp/$i 2>/dev/null; do i=$((i+1)); done; ls /tmp | wc -l';
    const count = Number(await stdoutOf('sh', ['-c', script], { limits: { scratch: '1MiB' } }));
    assert.ok(count > 100 && count <= 256, String(count));
  });

  for (const [what, fill] of [
    ['bytes', 'head -c 2M /dev/zero > /tmp/a'],
    ['files', 'for i in $(seq 300); do : > /dev/shm/$i; done'],
  ] as const) {
    const script = `(${fill}) 2>/dev/null; echo $?`;
    const limits = { scratch: '1MiB' };

    void test(`a step that ends with its scratch full of ${what} has touched that limit`, async () => {
      const result = await shell(`${script}; exit 3`, { limits });
      assert.deepEqual([result.cause, result.status, result.limitsHit], ['exit', 3, ['scratch']]);
      const signal = await shell(`${script}; kill -SEGV $$`, { limits });
      assert.deepEqual([signal.cause, signal.limitsHit], ['signal', ['scratch']]);
      const control = await shell(script, { limits: { scratch: '8MiB' } });
      assert.deepEqual([control.stdout, control.limitsHit], ['0\n', []]);
    });

    void test(`so has one that is ended while it is full of ${what}`, async () => {
      const waits = `${script}; sleep 1000`;
      const timeout = await shell(waits, { limits: { ...limits, wallTime: '1500ms' } });
      assert.deepEqual([timeout.cause, timeout.limitsHit], ['wallTimeout', ['scratch']]);
      const step = spawnSandbox('sh', ['-c', waits], { limits });
      for await (const line of step) if (line !== '') step.kill();
      const killed = await step;
      assert.deepEqual([killed.cause, killed.limitsHit], ['killed', ['scratch']]);
      const control = await shell(waits, { limits: { scratch: '8MiB', wallTime: '1500ms' } });
      assert.deepEqual([control.stdout, control.cause, control.limitsHit], ['0\n', 'wallTimeout', []]);
    });
  }

  void test('what was full and is not at the end is not told, nor what has no limit', async () => {
    const limits = { scratch: '1MiB' };
    const deleted = await shell('head -c 2M /dev/zero > /tmp/a || rm /tmp/a', { limits });
    assert.match(String(deleted.stderr), /No space left/);
    assert.deepEqual([deleted.ok, deleted.limitsHit], [true, []]);
    const unlimited = await shell('head -c 2M /dev/zero > /tmp/a', { limits: { scratch: Infinity } });
    assert.deepEqual([unlimited.ok, unlimited.limitsHit], [true, []]);
  });

  void test('by default scratch is no more than half of the memory', async () => {
    const script = 'df -k --output=size /tmp | tail -1';
    assert.equal(Number(await stdoutOf('sh', ['-c', script])), 64 * 1024);
    assert.equal(Number(await stdoutOf('sh', ['-c', script], { limits: { memory: '64MiB' } })), 32 * 1024);
  });

  void test('files do not grow beyond fileSize', async () => {
    const script = 'head -c 2M /dev/zero > /tmp/file; wc -c < /tmp/file';
    assert.equal(Number((await shell(script, { limits: { fileSize: '1MiB' } })).stdout), MEBIBYTE);
    assert.equal(Number((await shell(script)).stdout), 2 * MEBIBYTE);
  });

  void test('no more files can be open than openFiles', async () => {
    assert.equal(
      await stdoutOf('sh', ['-c', 'ulimit -n; ulimit -Hn'], {
        limits: { openFiles: 77 },
      }),
      '77\n77',
    );
    assert.equal(await stdoutOf('sh', ['-c', 'ulimit -n']), '1024');
  });

  void test('cores are not dumped', async () => {
    assert.equal(await stdoutOf('sh', ['-c', 'ulimit -c; ulimit -Hc']), '0\n0');
  });

  void test('Infinity lifts a limit', async () => {
    const limits = {
      memory: Infinity,
      processes: Infinity,
      wallTime: Infinity,
      output: Infinity,
      scratch: Infinity,
      openFiles: Infinity,
    };
    assert.equal(await stdoutOf('echo', ['free'], { limits }), 'free');
  });
});
