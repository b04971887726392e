import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { tableFromArrays } from 'apache-arrow';
import {
  createZygote,
  defineStep,
  type StepDefinition,
  type StepRefusal,
  type StepTable,
  type TypedStep,
  type Zygote,
} from 'spawn-sandbox';
import { needsPandas, PYTHON_WITH_PANDAS } from '../helpers/warm.js';

type Plain = TypedStep<undefined, undefined>;

/** A step that goes past the runtime: it finds the pipe that its frames go by, and writes what it likes. */
const RAW = `
import os, fcntl, time
def channel():
  for fd in range(10, 128):
    try:
      if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe") and fcntl.fcntl(fd, fcntl.F_GETFL) & 3 == 1: return fd
    except OSError: pass
def varint(n):
  out = bytearray()
  while n > 127: out.append(n & 127 | 128); n >>= 7
  return bytes(out + bytes([n]))
def field(number, value): return varint(number << 3 | 2) + varint(len(value)) + value
def frame(kind, body):
  message = field(kind, body)
  return varint(len(message)) + message
def text(value): return field(2, field(3, value))
def write(data):
  fd = channel()
  while data: data = data[os.write(fd, data):]
`;

const LIMITS = { limits: { wallTime: '60s' } };

/** How long the event loop was kept from its turn at most, in milliseconds. */
function watchLoop(): () => number {
  let latest = performance.now();
  let worst = 0;
  const look = (): void => {
    const now = performance.now();
    worst = Math.max(worst, now - latest);
    latest = now;
  };
  const timer = setInterval(look, 5);
  return () => {
    clearInterval(timer);
    look();
    return worst;
  };
}

function blockLoop(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

void suite('a typed step that attacks the app by what it says', { timeout: 300_000 }, () => {
  let zygote: Zygote;
  before(async () => {
    zygote = await createZygote({ runtime: 'python' });
  });
  after(() => zygote.destroy());

  const step = (code: string, more: Partial<StepDefinition<undefined, undefined>> = {}): Plain =>
    defineStep({ zygote, code: RAW + code, function: 'run', outputs: [], limits: { wallTime: '60s' }, ...more });

  void test('is believed for frames that it writes by itself, and for nothing that is wrong with them', async () => {
    const says = async (expression: string): Promise<string> => {
      const outcome = await step(`def run(params):\n  write(${expression}); os._exit(0)`).try(null);
      return outcome.ok ? 'ok' : `${outcome.result.cause}: ${outcome.result.detail}`;
    };
    const result = 'frame(3, field(1, text(b"x")))';
    assert.equal(await says(result), 'ok', 'the control');
    assert.match(await says(`${result} + ${result}`), /invalidOutput: .*follows its result/);
    assert.match(await says(`${result} + frame(1, b"")`), /invalidOutput: .*follows its result/);
    assert.match(await says('b"\\x00"'), /invalidOutput: .*says nothing/);
    assert.match(await says('b"\\xff" * 9'), /invalidOutput: .*length of a frame/);
    assert.match(await says('b"\\xff\\xff\\xff\\xff\\x0f"'), /invalidOutput: .*4294967295 bytes/);
    assert.match(await says('frame(4, b"")'), /invalidOutput: .*exited with status 0/);
    assert.match(await says('b""'), /invalidOutput: .*without a result/);
    assert.match(await says('frame(3, field(1, text(b"x")) + field(2, field(1, b"a")))'), /none that it may return/);
    assert.match(await says('frame(3, field(2, field(1, b"\\x1b[2J")))'), /'\\u\{1b\}\[2J' is none that it may return/);
    assert.match(await says(`${result}[:-1]`), /invalidOutput: .*truncated/);
  });

  void test('prints newlines without end, and nobody pays for lines that they do not take', async () => {
    const ways = {
      pipe: 'def run(params):\n  for i in range(64): os.write(1, b"\\n" * 2 ** 18)',
      frames: 'def run(params):\n  for i in range(64): write(frame(1, field(2, b"\\n" * (2 ** 18 - 20))))',
    };
    for (const [way, code] of Object.entries(ways)) {
      const { user, system } = process.cpuUsage();
      const { ok } = await step(code)(null);
      const used = process.cpuUsage();
      assert.ok(ok);
      const milliseconds = (used.user - user + used.system - system) / 1000;
      assert.ok(milliseconds < 1500, `${way}: ${milliseconds} ms for 16 MiB`);
    }
  });

  void test('prints more than the app takes, and waits for it by whichever way it prints', async () => {
    for (const fd of [1, 2]) {
      const code = `def run(params):\n  for i in range(32):\n    os.write(${fd}, b"\\n" * 2 ** 20)\n  return "all"`;
      const before = process.memoryUsage().rss;
      const running = step(code)(null);
      const { result } = running;
      let lines = 0;
      for await (const { text } of running.logs) {
        assert.equal(text, '');
        if (++lines === 1) await setTimeout(1500); // by then it could have printed all
        if (lines < 1000) continue;
        const grown = (process.memoryUsage().rss - before) / 2 ** 20;
        assert.ok(grown < 200, `descriptor ${fd}: ${grown} MiB`);
        running.kill();
        break;
      }
      assert.equal((await result).cause, 'killed', `descriptor ${fd}: it was held back, and had not ended by itself`);
    }
    const { message } = await step('def run(params):\n  os.write(1, b"\\n" * 2 ** 22); return "all"')(null);
    assert.equal(message, 'all', 'the control: it is not held back when nobody reads');
    const read = step('def run(params):\n  os.write(1, b"line\\n" * 100_000 + b"end")')(null);
    const texts = new Set<string>();
    let count = 0;
    for await (const { text } of read.logs) count += texts.add(text).size > 0 ? 1 : 0;
    assert.deepEqual([count, [...texts]], [100_001, ['line', 'end']], 'the control: what is taken is all of it');
    assert.ok((await read).ok);
  });

  void test('fills its pipe with the smallest frames as it ends, and the app has its turns', async () => {
    const code = [
      'def run(params):',
      '  fd = channel(); fcntl.fcntl(fd, 1031, 2 ** 20); os.set_blocking(fd, False)',
      '  data = frame(1, b"") * 340_000',
      '  try:\n    while True: os.write(fd, data)',
      '  except BlockingIOError: os._exit(0)',
    ].join('\n');
    const running = step(code)(null);
    const stop = watchLoop();
    await running.result;
    const worst = stop();
    assert.ok(worst < 700, `${worst} ms`);
  });

  void test('is not blamed for an app that is busy, nor for frames that follow one another without a gap', async () => {
    const large = 'def run(params, tables, step):\n  for i in range(4): step.send("x" * 200_000)\n  return "done"';
    const running = step(large, { messageTimeout: '200ms' })(null);
    for await (const message of running.messages) blockLoop(typeof message === 'string' ? 450 : 0);
    assert.equal((await running).message, 'done');

    const torn = (count: number): string =>
      `def run(params):\n  f = frame(2, text(b"x" * 5000)); write(f[:100])\n  for i in range(${count}):\n    write(f[100:] + f[:100]); time.sleep(0.05)\n  write(f[100:]); return "done"`;
    const steady = step(torn(20), { messageTimeout: '500ms' })(null);
    let count = 0;
    for await (const message of steady.messages) count += typeof message === 'string' ? 1 : 0;
    assert.deepEqual([count, (await steady).message], [21, 'done']);

    const late = 'def run(params):\n  write(frame(2, text(b"x" * 5000))[:100]); time.sleep(30)';
    const { result } = (await step(late, { messageTimeout: '200ms' }).try(null)) as StepRefusal;
    assert.match(`${result.cause}: ${result.detail}`, /invalidOutput: .*had not come whole/, 'the control');
  });

  void test('answers as many calls of next() as there are at once', async () => {
    const code =
      'def run(params, tables, step):\n  time.sleep(0.1); step.send(1); step.send(2); print("one", flush=True)';
    const running = step(code)(null);
    const messages = running.messages[Symbol.asyncIterator]();
    const logs = running.logs[Symbol.asyncIterator]();
    const all = Promise.all([messages.next(), messages.next(), messages.next(), logs.next(), logs.next()]);
    const answers = await Promise.race([all, setTimeout(20_000, undefined, { ref: false })]);
    assert.deepEqual(
      answers?.map(({ done, value }) => (done === true ? 'end' : value)),
      [1, 2, 'end', { stream: 'stdout', text: 'one', partial: false }, 'end'],
    );
    await running;
  });
});

void suite('a typed step that attacks the app by tables', { ...needsPandas, timeout: 300_000 }, () => {
  let zygote: Zygote;
  before(async () => {
    zygote = await createZygote({
      runtime: 'python',
      preload: ['pyarrow'],
      interpreter: PYTHON_WITH_PANDAS ?? 'python3',
    });
  });
  after(() => zygote.destroy());

  const step = (code: string, more: Partial<StepDefinition<undefined, undefined>> = {}): Plain =>
    defineStep({ zygote, code: `import os, pyarrow as pa\n${code}`, function: 'run', ...more });
  const TABLE = 'pa.table({"x": [1, 2]})';

  async function closing(call: Plain): Promise<void> {
    const outcome = await call.try(null);
    if (outcome.ok) for (const table of Object.values(outcome.tables)) table.close();
  }

  void test('leaves out a table, or returns one of a type that apache-arrow does not know, and nothing stays open', async () => {
    const pair = (second: string): string => `def run(params):\n  return {"a": ${TABLE}${second}}`;
    const both = { outputs: ['a', 'b'] };
    const good = step(pair(`, "b": ${TABLE}`), both);
    await closing(good);
    const before = descriptors();
    for (let call = 0; call < 5; call++) await closing(good);
    assert.ok(descriptors() <= before + 2, 'the control');
    const runs = 'pa.table({"x": pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([1]))})';
    const attacks = { "table 'b' is missing": '', 'cannot be read by apache-arrow': `, "b": ${runs}` };
    for (const [expected, second] of Object.entries(attacks)) {
      for (let call = 0; call < 10; call++) {
        const outcome = (await step(pair(second), both).try(null)) as StepRefusal;
        assert.equal(outcome.ok, false);
        assert.equal(outcome.result.cause, 'invalidOutput');
        assert.ok(outcome.result.detail.includes(expected), outcome.result.detail);
      }
      assert.ok(descriptors() <= before + 4, `${expected}: ${before} descriptors before, ${descriptors()} after`);
    }
  });

  void test('keeps a table open for writing, sealed, sparse or as another slot, and it is refused', async () => {
    const leave = async (body: string): Promise<string> => {
      const code = `def run(params, tables, step):\n  fd = int(step.table_path("a").split("/")[-1]); step.write_table("a", ${TABLE})\n  ${body}`;
      const outcome = await step(code, { outputs: ['a'] }).try(null);
      if (!outcome.ok) return outcome.result.detail;
      const table = outcome.tables['a'] as StepTable;
      const rows = table.numRows;
      table.close();
      return `${rows} rows`;
    };
    assert.equal(await leave('pass'), '2 rows', 'the control');
    assert.match(await leave('import fcntl; fcntl.fcntl(fd, 1033, 1)'), /cannot be made unchangeable: EPERM/);
    assert.match(await leave('os.ftruncate(fd, 2 ** 29)'), /is sparse/);
    assert.match(await leave('os.ftruncate(fd, 0)'), /is empty/);
    const kept = 'import mmap, subprocess; m = mmap.mmap(fd, 64); subprocess.Popen(["sleep", "60"], pass_fds=[fd])';
    assert.equal(await leave(kept), '2 rows', 'who could have written is dead before it is sealed');
  });

  void test('is small and of so many parts that reading it would take seconds, and the app has its turns', async () => {
    const arrays = (columns: number, batches: number): string =>
      `batch = pa.record_batch([pa.array([1], pa.int8())] * ${columns}, names=[f"c{i}" for i in range(${columns})])\n  with step.table_writer("a", batch.schema) as writer:\n    for i in range(${batches}): writer.write(batch)`;
    const deltas = (count: number): string =>
      `schema = pa.schema([("d", pa.dictionary(pa.int32(), pa.utf8()))]); values = []\n  with pa.ipc.new_file(pa.OSFile(step.table_path("a"), "wb"), schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as writer:\n    for i in range(${count}):\n      values.append(str(i)); writer.write(pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([i], pa.int32()), pa.array(values))], schema=schema))`;
    const keys = (count: number): string =>
      `step.write_table("a", pa.table({"x": [1]}).replace_schema_metadata({str(i): "" for i in range(${count})}))`;
    const read = async (body: string): Promise<string> => {
      const running = step(`def run(params, tables, step):\n  ${body}`, { outputs: ['a'] });
      const stop = watchLoop();
      const outcome = await running.try(null);
      const worst = stop();
      assert.ok(worst < 500, `${body.slice(0, 30)}: ${worst} ms`);
      if (!outcome.ok) return outcome.result.detail;
      const { rows } = (outcome.tables['a'] as StepTable).summary;
      outcome.tables['a']?.close();
      return `${rows} rows`;
    };
    assert.equal(await read(arrays(1000, 40)), '40 rows', 'the control');
    assert.equal(await read(arrays(10, 4000)), '4000 rows', 'the control');
    assert.equal(await read(deltas(100)), '100 rows', 'the control');
    assert.equal(await read(keys(1000)), '1 rows', 'the control');
    assert.match(await read(arrays(1000, 400)), /would keep the app busy/);
    assert.match(await read(deltas(4000)), /would keep the app busy/);
    assert.match(await read(keys(400_000)), /would keep the app busy/);
    const texts = (bytes: number): string =>
      `batch = pa.record_batch({"x": [1]})\n  with step.table_writer("a", batch.schema) as writer:\n    for i in range(4): writer.write_batch(batch, custom_metadata={"k": "x" * ${bytes} + "\\u0100"})`;
    assert.equal(await read(texts(10_000)), '4 rows', 'the control');
    assert.match(await read(texts(2 ** 25)), /would keep the app busy/);
  });

  void test('moves the position of a table in memory, and no other step sees it', async () => {
    const { tables } = await step(`def run(params):\n  return ${TABLE}`)(null);
    const given = { tables: { t: tables['output'] as StepTable, u: tableFromArrays({ x: [1, 2] }) } };
    const at =
      'def run(params, tables):\n  fds = [tables._inputs[name][0] for name in ("t", "u")]\n  found = [os.lseek(fd, 0, 1) for fd in fds]\n  return [found, [os.lseek(fd, 77, 0) for fd in fds]]';
    for (let call = 0; call < 2; call++) {
      const { message } = await step(at)(null, given);
      assert.deepEqual(message, [
        [0, 0],
        [77, 77],
      ]);
    }
    const change =
      'def run(params, tables):\n  refused = []\n  for name in ("t", "u"):\n    path = tables.path(name)\n    for attempt in (lambda: os.truncate(path, 0), lambda: os.pwrite(os.open(path, os.O_RDWR), b"x", 0)):\n      try: attempt()\n      except OSError as error: refused.append(error.errno)\n  return len(refused)';
    assert.equal((await step(change)(null, given)).message, 4);
  });

  void test('marks a table in memory, or closes it to others, and the next step sees nothing of it', async () => {
    const { tables } = await step(`def run(params):\n  return ${TABLE}`)(null);
    const given = { tables: { t: tables['output'] as StepTable } };
    const leave =
      'def run(params, tables):\n  answers = []\n  for attempt in (lambda: os.fchmod(tables._inputs["t"][0], 0), lambda: os.setxattr(tables.path("t"), "user.left", b"!")):\n    try: attempt(); answers.append(0)\n    except OSError as error: answers.append(error.errno)\n  return answers';
    const { message } = await step(leave)(null, given);
    assert.equal((message as number[])[1], 95, 'attributes are not supported');
    const look =
      'def run(params, tables):\n  return [len(open(tables.path("t"), "rb").read(8)), os.listxattr(tables.path("t"))]';
    assert.deepEqual((await step(look)(null, given)).message, [8, []]);
  });

  void test('names a table as no table may be called', async () => {
    const named = async (name: string): Promise<string> => {
      const code = `def run(params):\n  return {${JSON.stringify(name)}: ${TABLE}}`;
      const outcome = await defineStep({
        zygote,
        code: `import pyarrow as pa\n${code}`,
        function: 'run',
        ...LIMITS,
      }).try(null);
      if (outcome.ok) for (const table of Object.values(outcome.tables)) table.close();
      return outcome.ok ? Object.keys(outcome.tables).join() : outcome.result.detail;
    };
    for (const name of ['output', '__proto__', 'a b.ä', '..a']) assert.equal(await named(name), name, 'the control');
    for (const name of ['../x', '.', '..', 'a/b', 'a\u001b[31m', '\u202e', 'x'.repeat(201)]) {
      assert.match(await named(name), /has a name that is none/);
    }
  });
});
