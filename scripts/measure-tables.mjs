// How fast tables are checked, on one core: `node scripts/measure-tables.mjs [MIB]`. Files are of one kind of column each, written by pyarrow.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkArrowBytes } from '../dist/tables/check-bytes.js';
import { resolveLimits } from '../dist/tables/limits.js';
import { checkArrowFile } from '../dist/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const python = join(root, '.venv/bin/python');
const mebibytes = Number(process.argv[2] ?? '64');
const ROUNDS = 7;

const WRITE = `
import sys, numpy as np, pyarrow as pa
directory, size = sys.argv[1], int(sys.argv[2]) << 20
def words(text, count):
    encoded = text.encode()
    data = pa.py_buffer(encoded * count)
    offsets = pa.py_buffer(np.arange(0, (count + 1) * len(encoded), len(encoded), dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), count, [None, offsets, data])
def lists(count, large):
    kind, width = (pa.large_list(pa.null()), np.int64) if large else (pa.list_(pa.null()), np.int32)
    offsets = pa.py_buffer(np.arange(count + 1, dtype=width))
    return pa.Array.from_buffers(kind, count, [None, offsets], children=[pa.nulls(count)])
short, accents, long = "sixteen letters.", "vierzehn é ö ü", "ein längerer Text, wie er in Tabellen steht, mit 80 Zeichen é ö ü ß und so weiter"
numbers = np.arange(size // 8)
columns = {
    "64-bit numbers": pa.array(numbers),
    "64-bit numbers with nulls": pa.array(numbers, mask=numbers % 7 == 0),
    "32-bit offsets (lists)": lists(size // 4, False),
    "64-bit offsets (large lists)": lists(size // 8, True),
    "short ASCII text": words(short, size // (4 + len(short.encode()))),
    "short UTF-8 text": words(accents, size // (4 + len(accents.encode()))),
    "long UTF-8 text": words(long, size // (4 + len(long.encode()))),
    "views of short UTF-8 text": words(accents, size // 32).cast(pa.string_view()),
    "dictionary indices": pa.DictionaryArray.from_arrays(pa.array((numbers % 1000).astype(np.int32)), pa.array([str(i) for i in range(1000)])),
    "decimals": pa.array(np.arange(size // 64)).cast(pa.decimal128(20, 0)),
    "times of day": pa.array(numbers % 86400, pa.time64("us")),
}
for name, column in columns.items():
    batch = pa.record_batch({"a": column})
    with pa.ipc.new_file(f"{directory}/{name}", batch.schema) as writer:
        writer.write_batch(batch)
    print(name)
`;

if (existsSync(python)) await measure();
else console.log('skipped: no .venv with pyarrow: node scripts/setup-python.mjs');

async function measure() {
  const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-measure-'));
  try {
    const names = execFileSync(python, ['-c', WRITE, directory, String(mebibytes)], { encoding: 'utf8' });
    for (const name of names.trim().split('\n')) await measureOne(join(directory, name), name);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measureOne(path, name) {
  const bytes = new Uint8Array(readFileSync(path));
  const limits = resolveLimits({ maxRows: 2 ** 31 - 1 });
  const core = await best(() => checkArrowBytes(bytes, limits));
  const whole = await best(() => checkArrowFile(path, { maxRows: 2 ** 31 - 1 }));
  const speed = (time) => (bytes.length / time / 1e6).toFixed(2).padStart(6);
  console.log(`${name.padEnd(30)} ${speed(core)} GB/s, ${speed(whole)} GB/s as a file in a thread`);
}

/** Milliseconds of the quickest round. */
async function best(act) {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    await act();
    least = Math.min(least, performance.now() - started);
  }
  return least;
}
