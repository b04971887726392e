import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { spawnSandbox } from 'spawn-sandbox';

const MEBIBYTE = 2 ** 20;

async function all<T>(from: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const item of from) items.push(item);
  return items;
}

function shell(script: string, options: Parameters<typeof spawnSandbox>[2] = {}): ReturnType<typeof spawnSandbox> {
  return spawnSandbox('sh', ['-c', script], options);
}

void suite('lines', () => {
  void test('come without their newline, the last one also without having one', async () => {
    assert.deepEqual(await all(shell("printf 'a\\nb\\r\\n\\nc'")), ['a', 'b', '', 'c']);
    assert.deepEqual(await all(shell("printf 'a\\n'")), ['a']);
    assert.deepEqual(await all(shell('true')), []);
  });

  void test('come while the step runs', async () => {
    const step = shell('echo ready; sleep 1000');
    for await (const line of step) {
      assert.equal(line, 'ready');
      step.kill();
    }
    assert.equal((await step).cause, 'killed');
  });

  void test('the step itself gives those of stdout, lines() those that are asked for', async () => {
    const script = 'echo out; echo err >&2';
    assert.deepEqual(await all(shell(script)), ['out']);
    assert.deepEqual(await all(shell(script).lines()), ['out']);
    assert.deepEqual(await all(shell(script).lines('stderr')), ['err']);
    assert.deepEqual((await all(shell(script).lines('both'))).toSorted(), ['err', 'out']);
  });

  void test('of both streams they come in the order in which they arrive', async () => {
    const script = 'for i in 1 2 3; do echo out$i; sleep 0.1; echo err$i >&2; sleep 0.1; done';
    assert.deepEqual(await all(shell(script).lines('both')), ['out1', 'err1', 'out2', 'err2', 'out3', 'err3']);
  });

  void test('of both streams they are never mixed within a line', async () => {
    const script = "printf aaa; sleep 0.05; printf 'bbb' >&2; sleep 0.05; echo AAA; sleep 0.05; echo BBB >&2";
    assert.deepEqual(await all(shell(script).lines('both')), ['aaaAAA', 'bbbBBB']);
  });

  void test('a stream that does not exist is a mistake', () => {
    const step = shell('true');
    assert.throws(() => step.lines('stdin' as never), {
      code: 'ERR_INVALID_OPTION',
    });
  });

  void test('a line longer than 1 MiB is split, and its pieces are flagged', async () => {
    const lines = shell('head -c 2500000 /dev/zero | tr "\\0" x; echo; echo next').lines();
    const seen: [length: number, partial: boolean][] = [];
    for await (const line of lines) seen.push([line.length, lines.partial]);
    const rest = 2_500_000 - 2 * MEBIBYTE;
    assert.deepEqual(seen, [
      [MEBIBYTE, true],
      [MEBIBYTE, true],
      [rest, false],
      [4, false],
    ]);
  });

  void test('a line of exactly 1 MiB is whole', async () => {
    const lines = shell(`head -c ${MEBIBYTE} /dev/zero | tr "\\0" x; echo`).lines();
    for await (const line of lines) assert.deepEqual([line.length, lines.partial], [MEBIBYTE, false]);
  });

  void test('a split line of many-byte characters loses none', async () => {
    const script = 'yes € | head -n 500000 | tr -d "\\n"';
    const lines = await all(shell(script));
    assert.ok(lines.length > 1);
    assert.equal(lines.join(''), '€'.repeat(500_000));
  });

  void test('several readers get every line each', async () => {
    const step = shell('seq 1000');
    const [first, second, result] = await Promise.all([all(step), all(step.lines()), step.result]);
    assert.equal(first.length, 1000);
    assert.deepEqual(second, first);
    assert.equal(String(result.stdout).split('\n').length, 1001);
  });

  void test('break in one reader leaves the others alone', async () => {
    const step = shell('seq 100000');
    const others = all(step);
    for await (const line of step) if (line === '10') break;
    assert.equal((await others).length, 100_000);
  });

  void test('asking for lines after the end gives all that was kept', async () => {
    const step = shell('seq 5');
    await step;
    assert.deepEqual(await all(step), ['1', '2', '3', '4', '5']);
  });

  void test('an iterator that has ended stays ended', async () => {
    const lines = shell('echo one').lines();
    await all(lines);
    assert.deepEqual(await lines.next(), { done: true, value: undefined });
  });

  void test('what the step does wrong does not end the loop with an error', async () => {
    assert.deepEqual(await all(shell('echo one; exit 3')), ['one']);
    assert.deepEqual(await all(shell('echo one; sleep 1000', { limits: { wallTime: 200 } })), ['one']);
  });

  void test('a slow reader gets everything', async () => {
    const step = shell('seq 50000', { collect: false });
    let count = 0;
    for await (const line of step) {
      assert.equal(line, String(++count));
      if (count % 1000 === 0) await nextTurn();
    }
    assert.equal(count, 50_000);
  });
});
