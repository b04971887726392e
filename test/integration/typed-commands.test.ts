// Programs of their own, called as typed steps are.
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { type CommandDefinition, defineStep, type StepRefusal, type TypedStep } from 'spawn-sandbox';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const SMALL = tableFromArrays({ value: Float64Array.from([1, 2, 3]), key: ['a', 'b', 'c'] });

function command(
  definition: Omit<CommandDefinition<undefined, undefined>, 'params' | 'result'>,
): TypedStep<undefined, undefined> {
  return defineStep(definition);
}

const shell = (script: string, outputs: readonly string[] = []): TypedStep<undefined, undefined> =>
  command({ command: 'sh', args: ['-c', script], outputs });

async function refusal(call: Promise<unknown>): Promise<string> {
  const { ok, result } = (await call) as StepRefusal;
  assert.equal(ok, false);
  return `${result.cause}: ${result.detail}`;
}

void suite('a typed step that is a command', () => {
  void test('finds its tables at paths, and returns what it writes to others', async (context) => {
    const path = join(temporaryDirectory(context, {}), 'small.arrow');
    writeFileSync(path, tableToIPC(SMALL, 'file'));
    chmodSync(path, 0o644);
    const copy = shell('cat "$TABLE_input" > "$TABLE_output"; echo copied; echo done >&2', ['output']);
    for (const input of [path, SMALL, tableToIPC(SMALL, 'file')]) {
      const { tables, message, result } = await copy(undefined, { tables: { input } });
      assert.deepEqual(
        [tables['output']?.numRows, message, result.stdout, result.stderr],
        [3, undefined, 'copied\n', 'done\n'],
      );
    }
    const named = command({
      command: 'cp',
      args: ({ input = '', 'the output': output = '' }) => [input, output],
      outputs: ['the output'],
    });
    const { tables } = await named(undefined, { tables: { input: SMALL } });
    assert.equal(tables['the output']?.numRows, 3);
    const again = await copy(undefined, { tables: { input: tables['the output'] } as never });
    assert.equal(again.tables['output']?.numRows, 3);
  });

  void test('reads its parameters as JSON, and prints logs', async () => {
    const read = command({ command: 'python3', args: ['-c', 'import json, sys; print(json.load(sys.stdin)["a"])'] });
    const running = read({ a: 'ä' });
    const logs: string[] = [];
    for await (const { stream, text } of running.logs) logs.push(`${stream} ${text}`);
    assert.deepEqual(logs, ['stdout ä']);
    assert.deepEqual(Object.keys((await running).tables), []);
    assert.equal((await shell('cat')(undefined)).result.stdout, '');
  });

  void test('is as good as its status and its tables', async () => {
    assert.match(await refusal(shell('exit 3').try(undefined)), /^exit: Exited with status 3/);
    assert.match(await refusal(shell('kill -SEGV $$').try(undefined)), /^signal: /);
    assert.match(
      await refusal(shell('true', ['output']).try(undefined)),
      /^invalidOutput: .*the table 'output' is missing/,
    );
    assert.match(
      await refusal(shell('echo no table > "$TABLE_output"', ['output']).try(undefined)),
      /^invalidOutput: .*the table 'output' is no valid Arrow file/,
    );
    assert.match(
      await refusal(shell('truncate -s 1M "$TABLE_output"', ['output']).try(undefined)),
      /^invalidOutput: .*the table 'output' is sparse: 0 bytes were written of 1048576/,
    );
    const forged = 'printf "\\005\\032\\003\\n\\001x" ; exit 0'; // a frame, or nearly: of no account
    assert.equal((await shell(forged)(undefined)).ok, true);
    await assert.rejects(async () => command({ command: 'no-such-command' })(undefined), {
      code: 'ERR_COMMAND_NOT_FOUND',
    });
  });

  void test('cannot return a table of 4 GiB or more, of which Node 20 could have no array', async () => {
    const bytes = 5 * 2 ** 30;
    const step = command({
      command: 'truncate',
      args: ({ output = '' }) => ['-s', String(bytes), output],
      outputs: { output: { maxBytes: '8GiB' } },
      limits: { fileSize: '8GiB', memory: '6GiB' }, // where no cgroup counts it, a file is bounded by the memory, too
    });
    assert.match(await refusal(step.try(undefined)), /the table 'output' has 5368709120 bytes; 4294967288 are allowed/);
    const bounded = command({
      command: 'truncate',
      args: ({ output = '' }) => ['-s', String(bytes), output],
      outputs: { output: { maxBytes: '8GiB' } },
    });
    assert.match(await refusal(bounded.try(undefined)), /^(exit|signal): /, 'by default it cannot even be written');
  });

  void test('may speak frames, in whatever language', async () => {
    // Field 1 of ToStep is the call, whose field 6 has the parameters: a value (2) that is a number (2).
    const program = [
      'import os, struct, sys',
      'def field(number, data): return bytes([number << 3 | 2, len(data)]) + data',
      'def send(kind, data): body = field(kind, data); os.write(1, bytes([len(body)]) + body)',
      'call = os.read(0, 65536)',
      'number = struct.unpack("<d", call[call.index(b"\\x11") + 1:][:8])[0]',
      'value = lambda number: field(2, b"\\x11" + struct.pack("<d", number))',
      'send(2, value(number)); print("a log", file=sys.stderr); send(3, field(1, value(number * 2)))',
    ].join('\n');
    const step = command({ command: 'python3', args: ['-c', program], protocol: 'frames' });
    const running = step(21);
    const messages: unknown[] = [];
    for await (const message of running.messages) messages.push(message);
    const { message, result } = await running;
    assert.deepEqual([messages, message, result.stderr], [[21], 42, 'a log\n']);
    const silent = command({ command: 'true', protocol: 'frames' });
    assert.match(await refusal(silent.try(1)), /^invalidOutput: .*ended without a result/);
  });

  void test('is defined by what goes together', () => {
    const wrong = (definition: object, message: RegExp): void => {
      assert.throws(() => defineStep(definition as never), { code: 'ERR_INVALID_OPTION', message });
    };
    wrong({ command: 'sh', function: 'run' }, /function does not go with 'command'/);
    wrong({ code: '', function: 'run', args: [] }, /args goes with 'command' only/);
    wrong({ command: 'sh', params: Object }, /params goes with protocol: 'frames'/);
    wrong({ command: 'sh', protocol: 'json' }, /protocol must be one of 'none', 'frames'/);
    async function* many(): AsyncGenerator<number> {
      yield await Promise.resolve(1);
    }
    assert.throws(() => shell('cat')(many()), { code: 'ERR_INVALID_OPTION', message: /params must be one value/ });
  });
});
