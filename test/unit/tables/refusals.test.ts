import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkArrowBytes } from '#src/tables/check-bytes.js';
import { type ArrowCheckOptions, resolveLimits } from '#src/tables/limits.js';
import { Refusal } from '#src/tables/refusal.js';
import type { ArrowSummary } from '#src/tables/report.js';
import { isText } from '#src/tables/values/text.js';
import { randomNumbers } from '../../helpers/random.js';
import {
  arrowFile,
  type Batch,
  bytes,
  dictionary,
  field,
  type File,
  int32s,
  int64s,
  integer,
  letters,
  none,
} from './arrow-writer.js';
import { byte, type Cell, int, ints, long, short, table, tables, text } from './flatbuffer-writer.js';

const check = (file: Uint8Array, options: ArrowCheckOptions = {}): ArrowSummary =>
  checkArrowBytes(file, resolveLimits(options));

function refused(file: Uint8Array, why: RegExp, options: ArrowCheckOptions = {}): void {
  assert.throws(
    () => check(file, options),
    (error) => {
      assert.ok(error instanceof Refusal, String(error));
      assert.match(error.message, why);
      return true;
    },
  );
}

/** A column `a`, and batches of it: one that is right, and ones that are not, with why. */
interface Column {
  readonly title: string;
  readonly field: Cell;
  readonly right: Batch;
  /** In the file before each of them. */
  readonly before?: readonly Batch[];
  readonly wrong: readonly (readonly [why: RegExp, difference: Partial<Batch>])[];
}

const VALID = none();
const pairs = (...names: readonly string[]): Cell[] => names.map((name) => integer(name, 8));
const union = (mode: number): Cell =>
  field('a', 14, { children: pairs('x', 'y'), parameters: [short(mode), ints(3, 5)] });
const key = integer('key', 8, { nullable: false });
const entries = field('entries', 13, { nullable: false, children: [key, integer('value', 8)] });
const VIEW = [20, 0, 0, 0, 97, 98, 99, 100, 0, 0, 0, 0, 0, 0, 0, 0];
const LETTERS = letters('abcdefghijklmnopqrstuvwxyz');
const view = (...changes: readonly (readonly [at: number, value: number])[]): Uint8Array => {
  const changed = Uint8Array.from(VIEW);
  for (const [at, value] of changes) changed[at] = value;
  return changed;
};

const COLUMNS: readonly Column[] = [
  {
    title: 'integers',
    field: integer('a', 32),
    right: { rows: 3, nodes: [3, 1], buffers: [bytes(0b101), int32s(1, 2, 3)] },
    wrong: [
      [/batch 0, column 'a': it has 2 values, and the batch 3 rows/, { nodes: [2, 1] }],
      [/column 'a': 4 of 3 values are null/, { nodes: [3, 4] }],
      [/column 'a': -1 of 3 values are null/, { nodes: [3, -1] }],
      [/column 'a': it has -1 values/, { nodes: [-1, 0] }],
      [/column 'a': 1 of its values are null, and it says 2/, { nodes: [3, 2] }],
      [/column 'a': 1 of its values are null, and it says 0/, { nodes: [3, 0] }],
      [/validity bitmap of 0 bytes is too short/, { buffers: [VALID, int32s(1, 2, 3)] }],
      [/buffer 1 \(values\) has 8 bytes, and 12 are needed/, { buffers: [bytes(5), int32s(1, 2)] }],
      [/buffer 1 \(values\) begins at 4, which is not a multiple of 8/, { places: [0, 1, 4, 12] }],
      [/buffer 1 \(values\) overlaps the one before it/, { places: [0, 9, 8, 12] }],
      [/buffer 1 \(values\) is not within the body/, { places: [0, 1, 8, 17] }],
      [/buffer 1 \(values\) is not within the body/, { places: [0, 1, -8, 12] }],
      [/buffer 1 \(values\) is not within the body/, { places: [0, 1, 2 ** 52, 12] }],
      [/the batch has 1 buffers only/, { places: [0, 1] }],
      [/the batch has 0 nodes only/, { nodes: [] }],
      [/it has 2 nodes; its schema takes 1/, { nodes: [3, 1, 3, 0] }],
      [/it has 3 buffers; its schema takes 2/, { places: [0, 1, 8, 12, 0, 0] }],
      [/counts of variadic buffers; its schema takes 0/, { variadic: [0] }],
      [/batch 0: it has -1 rows/, { rows: -1 }],
      [/its body is compressed \(LZ4_FRAME\)/, { compression: table(byte(0)) }],
      [/its body is compressed \(ZSTD\)/, { compression: table(byte(1)) }],
    ],
  },
  {
    title: 'text',
    field: field('a', 5),
    right: { rows: 2, nodes: [2, 0], buffers: [VALID, int32s(0, 1, 3), letters('xé')] },
    wrong: [
      [/offset 1 is/, { buffers: [VALID, int32s(0, -1, 3), letters('xé')] }],
      [/offset 0 is/, { buffers: [VALID, int32s(-1, 1, 3), letters('xé')] }],
      [/offset 2 is 1: it falls/, { buffers: [VALID, int32s(0, 3, 1), letters('xé')] }],
      [/offset 2 is 4: .* beyond 3/, { buffers: [VALID, int32s(0, 1, 4), letters('xé')] }],
      [/buffer 1 \(offsets\) has 8 bytes, and 12/, { buffers: [VALID, int32s(0, 3), letters('xé')] }],
      [/value 0 is not UTF-8/, { buffers: [VALID, int32s(0, 2, 3), letters('xé')] }],
      [/value 1 is not UTF-8/, { buffers: [VALID, int32s(0, 1, 3), bytes(120, 0xc0, 0x80)] }],
      [/value 1 is not UTF-8/, { buffers: [VALID, int32s(0, 1, 4), bytes(120, 0xed, 0xa0, 0x80)] }],
      [/value 1 is not UTF-8/, { buffers: [VALID, int32s(0, 0, 4), bytes(0xf4, 0x90, 0x80, 0x80)] }],
    ],
  },
  {
    title: 'text with 64-bit offsets',
    field: field('a', 20),
    right: { rows: 2, nodes: [2, 0], buffers: [VALID, int64s(0, 1, 3), letters('xé')] },
    wrong: [
      [/offset 1 is/, { buffers: [VALID, int64s(0, 2n ** 32n, 3), letters('xé')] }],
      [/offset 1 is/, { buffers: [VALID, int64s(0, -1, 3), letters('xé')] }],
      [/value 0 is not UTF-8/, { buffers: [VALID, int64s(0, 2, 3), letters('xé')] }],
    ],
  },
  {
    title: 'views',
    field: field('a', 24),
    right: { rows: 1, nodes: [1, 0], variadic: [1], buffers: [VALID, view(), LETTERS] },
    wrong: [
      [/value 0: its length is negative/, { buffers: [VALID, view([3, 255]), LETTERS] }],
      [/value 0: it lies in buffer 1, and there are 1/, { buffers: [VALID, view([8, 1]), LETTERS] }],
      [/value 0: it lies in buffer -/, { buffers: [VALID, view([11, 255]), LETTERS] }],
      [/value 0: it reaches beyond its buffer/, { buffers: [VALID, view([12, 7]), LETTERS] }],
      [/value 0: its beginning differs/, { buffers: [VALID, view([12, 1]), LETTERS] }],
      [/value 0: there is something behind its end/, { buffers: [VALID, view([0, 3]), LETTERS] }],
      [/value 0: it is not UTF-8/, { buffers: [VALID, view([0, 4], [5, 0xff]), LETTERS] }],
      [/value 0: it is not UTF-8/, { buffers: [VALID, view(), Uint8Array.from(LETTERS).fill(0xff, 8, 9)] }],
      [/it has 2 buffers of data, which are not there/, { variadic: [2] }],
      [/it has -1 buffers of data/, { variadic: [-1] }],
      [/the number of its buffers is missing/, { variadic: [] }],
    ],
  },
  {
    title: 'lists',
    field: field('a', 12, { children: [integer('item', 8)] }),
    right: { rows: 2, nodes: [2, 0, 3, 0], buffers: [VALID, int32s(0, 1, 3), VALID, bytes(1, 2, 3)] },
    wrong: [[/column 'a': offset 2 is 3: .* beyond 2/, { nodes: [2, 0, 2, 0] }]],
  },
  {
    title: 'list views',
    field: field('a', 25, { children: [integer('item', 8)] }),
    right: { rows: 2, nodes: [2, 0, 3, 0], buffers: [VALID, int32s(1, 0), int32s(2, 3), VALID, bytes(1, 2, 3)] },
    wrong: [
      [/list 0 is not within the 3 values/, { buffers: [VALID, int32s(2, 0), int32s(2, 3), VALID, bytes(1, 2, 3)] }],
      [/list 1 is not within/, { buffers: [VALID, int32s(1, -1), int32s(2, 3), VALID, bytes(1, 2, 3)] }],
      [/list 1 is not within/, { buffers: [VALID, int32s(1, 0), int32s(2, -3), VALID, bytes(1, 2, 3)] }],
    ],
  },
  {
    title: 'lists of a fixed size',
    field: field('a', 16, { children: [integer('item', 8)], parameters: [int(2)] }),
    right: { rows: 2, nodes: [2, 0, 4, 0], buffers: [VALID, VALID, bytes(1, 2, 3, 4)] },
    wrong: [[/2 lists of 2 are made of 3 values/, { nodes: [2, 0, 3, 0] }]],
  },
  {
    title: 'structs',
    field: field('a', 13, { children: pairs('x') }),
    right: { rows: 2, nodes: [2, 0, 2, 0], buffers: [VALID, VALID, bytes(1, 2)] },
    wrong: [[/column 'a.x': it has 1 values, and what it is a part of 2/, { nodes: [2, 0, 1, 0] }]],
  },
  {
    title: 'maps',
    field: field('a', 17, { children: [entries] }),
    right: {
      rows: 1,
      nodes: [1, 0, 2, 0, 2, 0, 2, 0],
      buffers: [VALID, int32s(0, 2), VALID, VALID, bytes(1, 2), VALID, bytes(1, 2)],
    },
    wrong: [
      [
        /column 'a.entries.key': it has nulls, and is the keys of a map/,
        {
          nodes: [1, 0, 2, 0, 2, 1, 2, 0],
          buffers: [VALID, int32s(0, 2), VALID, bytes(1), bytes(1, 2), VALID, bytes(1, 2)],
        },
      ],
      [/1 keys and 2 values make 2 pairs/, { nodes: [1, 0, 2, 0, 1, 0, 2, 0] }],
    ],
  },
  {
    title: 'sparse unions',
    field: union(0),
    right: { rows: 2, nodes: [2, 0, 2, 0, 2, 0], buffers: [bytes(3, 5), VALID, bytes(1, 2), VALID, bytes(1, 2)] },
    wrong: [
      [/type id 1 is none of this union/, { buffers: [bytes(3, 4), VALID, bytes(1, 2), VALID, bytes(1, 2)] }],
      [/type id 0 is none of this union/, { buffers: [bytes(200, 5), VALID, bytes(1, 2), VALID, bytes(1, 2)] }],
      [/it has nulls of its own/, { nodes: [2, 1, 2, 0, 2, 0] }],
    ],
  },
  {
    title: 'dense unions',
    field: union(1),
    right: {
      rows: 3,
      nodes: [3, 0, 2, 0, 1, 0],
      buffers: [bytes(3, 5, 3), int32s(0, 0, 1), VALID, bytes(1, 2), VALID, bytes(1)],
    },
    wrong: [
      [/offset 2 is outside/, { buffers: [bytes(3, 5, 3), int32s(0, 0, 2), VALID, bytes(1, 2), VALID, bytes(1)] }],
      [
        /offset 2 is .* before an earlier/,
        { buffers: [bytes(3, 5, 3), int32s(1, 0, 0), VALID, bytes(1, 2), VALID, bytes(1)] },
      ],
      [/offset 1 is outside/, { buffers: [bytes(3, 5, 3), int32s(0, -1, 1), VALID, bytes(1, 2), VALID, bytes(1)] }],
    ],
  },
  {
    title: 'runs',
    field: field('a', 22, { children: [integer('run_ends', 32), integer('values', 8)] }),
    right: { rows: 3, nodes: [3, 0, 2, 0, 2, 0], buffers: [VALID, int32s(1, 3), VALID, bytes(1, 2)] },
    wrong: [
      [/run 0 ends at 0/, { buffers: [VALID, int32s(0, 3), VALID, bytes(1, 2)] }],
      [/run 1 ends at 1, and the one before it at 1/, { buffers: [VALID, int32s(1, 1), VALID, bytes(1, 2)] }],
      [/its runs end at 2, and it has 3 values/, { buffers: [VALID, int32s(1, 2), VALID, bytes(1, 2)] }],
      [/2 runs have 1 values/, { nodes: [3, 0, 2, 0, 1, 0] }],
      [
        /it has nulls, and is the ends of runs/,
        { nodes: [3, 0, 2, 1, 2, 0], buffers: [bytes(1), int32s(1, 3), VALID, bytes(1, 2)] },
      ],
    ],
  },
  {
    title: 'indices of a dictionary',
    field: integer('a', 8, { dictionary: dictionary(7) }),
    before: [
      { rows: 2, nodes: [2, 0], buffers: [VALID, bytes(8, 9)], dictionary: 7 },
      { rows: 1, nodes: [1, 0], buffers: [VALID, bytes(10)], dictionary: 7, isDelta: true },
    ],
    right: { rows: 3, nodes: [3, 1], buffers: [bytes(0b101), int32s(2, 99, 0)] },
    wrong: [
      [/index 0 is none of a dictionary of 3 values/, { buffers: [bytes(5), int32s(3, 0, 0)] }],
      [/index 2 is none of a dictionary of 3 values/, { buffers: [bytes(5), int32s(2, 0, -1)] }],
    ],
  },
  {
    title: 'decimals',
    field: field('a', 7, { parameters: [int(3), int(1)] }),
    right: { rows: 3, nodes: [3, 1], buffers: [bytes(0b011), int64s(999, 0, -999, -1, 1000, 0)] },
    wrong: [
      [/value 0 is outside of what decimal128\(3, 1\)/, { buffers: [bytes(3), int64s(1000, 0, 0, 0, 0, 0)] }],
      [/value 1 is outside/, { buffers: [bytes(3), int64s(0, 0, -1000, -1, 0, 0)] }],
      [/value 1 is outside/, { buffers: [bytes(3), int64s(0, 0, 0, 1, 0, 0)] }],
    ],
  },
  {
    title: 'times of day',
    field: field('a', 9, { parameters: [short(2), int(64)] }),
    right: { rows: 2, nodes: [2, 1], buffers: [bytes(1), int64s(86_399_999_999, -1)] },
    wrong: [
      [/value 0 is outside of what time64\[us\]/, { buffers: [bytes(1), int64s(86_400_000_000, 0)] }],
      [/value 0 is outside/, { buffers: [bytes(1), int64s(-1, 0)] }],
    ],
  },
  {
    title: 'days in milliseconds',
    field: field('a', 8, { parameters: [short(1)] }),
    right: { rows: 2, nodes: [2, 0], buffers: [VALID, int64s(-86_400_000, 86_400_000n * 100_000_000_000n)] },
    wrong: [
      [/value 1 is outside of what date64/, { buffers: [VALID, int64s(0, 86_400_000n * 100_000_000_000n + 1n)] }],
    ],
  },
  {
    title: 'nulls',
    field: field('a', 1),
    right: { rows: 2, nodes: [2, 2] },
    wrong: [[/1 of its 2 nulls are null/, { nodes: [2, 1] }]],
  },
];

void describe('values of a wrong kind are refused, and right ones are not:', () => {
  for (const { title, field: column, right, before = [], wrong } of COLUMNS) {
    void test(title, () => {
      const file = (difference: Partial<Batch>): Uint8Array =>
        arrowFile({ fields: [column], batches: [...before, { ...right, ...difference }] });
      assert.equal(check(file({})).rows, right.rows);
      for (const [why, difference] of wrong) refused(file(difference), why);
    });
  }
});

const ROW: Batch = { rows: 1, nodes: [1, 0], buffers: [VALID, int32s(1)] };
const ROW_OF_FIRST: Batch = { ...ROW, buffers: [VALID, int32s(0)] };
const GOOD: File = { fields: [integer('a', 32)], batches: [ROW, ROW] };

void describe('a file is refused', () => {
  void test('if it does not begin and end as one', () => {
    const good = arrowFile(GOOD);
    assert.equal(check(good).rows, 2);
    for (let end = 0; end < good.length; end++) refused(good.slice(0, end), /^(file|footer): /);
    refused(
      Uint8Array.from(good, (value, index) => (index === 0 ? 0 : value)),
      /does not begin with 'ARROW1'/,
    );
    for (const length of [0, -1, good.length, 2 ** 31 - 1]) {
      const changed = Buffer.from(good);
      changed.writeInt32LE(length, good.length - 10);
      refused(changed, /^footer: its length is/);
    }
  });

  void test('if it is of a version or byte order that cannot be read', () => {
    assert.equal(check(arrowFile({ ...GOOD, version: 3 })).rows, 2);
    refused(arrowFile({ ...GOOD, version: 2 }), /version 3 of the format/);
    refused(arrowFile({ ...GOOD, version: 5 }), /version 6 of the format/);
    refused(arrowFile({ ...GOOD, endianness: 1 }), /not little-endian/);
    refused(arrowFile({ fields: [union(0)], batches: [{ rows: 0 }], version: 3 }), /batch 0: unions of version 4/);
  });

  void test('if its first schema is not that of the footer', () => {
    const leading = (column: Cell): Uint8Array => arrowFile({ ...GOOD, leading: table(short(0), tables(column)) });
    assert.equal(check(leading(integer('a', 32))).rows, 2);
    for (const column of [integer('b', 32), integer('a', 64), integer('a', 32, { nullable: false })]) {
      refused(leading(column), /schema message: it differs/);
    }
  });

  void test('if blocks overlap each other, the schema or the footer', () => {
    const changed = (index: number, part: number, change: (value: number) => number): Uint8Array =>
      arrowFile({
        ...GOOD,
        blocks: (blocks) => {
          const block = blocks[index];
          if (block !== undefined) block[part] = change(block[part] ?? 0);
        },
      });
    refused(
      changed(0, 0, (at) => at + 4),
      /batch 0: its place or length is not a multiple of 8/,
    );
    refused(
      changed(0, 0, () => 0),
      /batch 0: it has an impossible place/,
    );
    refused(
      changed(0, 0, () => -8),
      /batch 0: it has an impossible place/,
    );
    refused(
      changed(0, 2, (size) => size + 8),
      /batch 0: it overlaps batch 1/,
    );
    refused(
      changed(1, 2, (size) => size + 8),
      /batch 1: it reaches into the footer/,
    );
    refused(
      changed(1, 2, () => 2 ** 50),
      /batch 1: it reaches into the footer/,
    );
    refused(
      changed(1, 2, (size) => size - 8),
      /batch 1: the footer gives its body another length/,
    );
    refused(
      changed(1, 1, (size) => size + 8),
      /batch 1: /,
    );
  });

  void test('if its dictionaries are not once each, and before what uses them', () => {
    const words = [integer('a', 8, { dictionary: dictionary(7) })];
    const values: Batch = { rows: 1, nodes: [1, 0], buffers: [VALID, bytes(8)], dictionary: 7 };
    const file = (...batches: Batch[]): Uint8Array => arrowFile({ fields: words, batches });
    assert.equal(check(file(values, ROW_OF_FIRST)).rows, 1);
    assert.equal(check(file(values, ROW, { ...values, isDelta: true })).rows, 1);
    refused(file(ROW), /its dictionary 7 is not in the file before it/);
    refused(file(values, values), /dictionary 7 is in the file twice/);
    refused(file({ ...values, isDelta: true }), /it adds to dictionary 7, which was not there/);
    refused(file({ ...values, dictionary: 8 }), /no column has a dictionary 8/);
    const struct = field('a', 13, { children: words, dictionary: dictionary(1) });
    const pairsOf: Batch = { rows: 1, nodes: [1, 0, 1, 0], buffers: [VALID, VALID, int32s(0)], dictionary: 1 };
    assert.equal(check(arrowFile({ fields: [struct], batches: [values, pairsOf, ROW_OF_FIRST] })).rows, 1);
    const nested = arrowFile({ fields: [struct], batches: [values, pairsOf, { ...pairsOf, isDelta: true }] });
    refused(nested, /it adds to dictionary 1, whose values have dictionaries below them/);
    const two = [...words, integer('b', 16, { dictionary: dictionary(7) })];
    refused(arrowFile({ fields: two }), /dictionary 7 has values of two types/);
  });
});

void describe('a schema is refused', () => {
  const TYPES: readonly (readonly [why: RegExp, column: Cell])[] = [
    [/type 0 is unknown/, field('a', 0)],
    [/type 27 is unknown/, field('a', 27)],
    [/an integer of 24 bits/, integer('a', 24)],
    [/precision 3/, field('a', 3, { parameters: [short(3)] })],
    [/a decimal of 128 bits with 39 digits/, field('a', 7, { parameters: [int(39)] })],
    [/a decimal of 96 bits/, field('a', 7, { parameters: [int(9), int(0), int(96)] })],
    [/a date with unit 2/, field('a', 8, { parameters: [short(2)] })],
    [/a time of day in ns with 32 bits/, field('a', 9, { parameters: [short(3), int(32)] })],
    [/a time with unit -1/, field('a', 10, { parameters: [short(-1)] })],
    [/an interval with unit 3/, field('a', 11, { parameters: [short(3)] })],
    [/binary values of -1 bytes/, field('a', 15, { parameters: [int(-1)] })],
    [/lists of -1 values/, field('a', 16, { children: pairs('x'), parameters: [int(-1)] })],
    [/a list of 0 fields/, field('a', 12)],
    [/a list of 2 fields/, field('a', 12, { children: pairs('x', 'y') })],
    [/int8 has fields below it/, integer('a', 8, { children: pairs('x') })],
    [/a union without type ids/, field('a', 14, { children: pairs('x'), parameters: [short(0)] })],
    [/a union of mode 2/, field('a', 14, { parameters: [short(2)] })],
    [/a union has the type id 3/, field('a', 14, { children: pairs('x', 'y'), parameters: [short(0), ints(3, 3)] })],
    [/a union has the type id 128/, field('a', 14, { children: pairs('x'), parameters: [short(0), ints(128)] })],
    [/a union of 1 types has 2 type ids/, field('a', 14, { children: pairs('x'), parameters: [short(0), ints(1, 2)] })],
    [/the entries of a map are not pairs/, field('a', 17, { children: pairs('x') })],
    [
      /a map has nullable keys/,
      field('a', 17, { children: [field('e', 13, { nullable: false, children: pairs('k', 'v') })] }),
    ],
    [/a map has nullable entries/, field('a', 17, { children: [field('e', 13, { children: [key, key] })] })],
    [/run ends of type int8/, field('a', 22, { children: pairs('x', 'y') })],
    [
      /the extension type 'arrow.uuid', which cannot be checked/,
      integer('a', 8, { metadata: [table(text('ARROW:extension:name'), text('arrow.uuid'))] }),
    ],
    [/a name or key is not UTF-8/, table(text(bytes(255)), byte(1), byte(2), table(int(8)))],
    [/the type of 'a' is missing/, table(text('a'), byte(1), byte(2))],
  ];
  for (const [why, column] of TYPES)
    void test(`for ${why.source}`, () => {
      refused(arrowFile({ fields: [column] }), why);
    });

  void test('if it is nested too deeply, or in itself', () => {
    let deep = integer('a', 8);
    for (let depth = 1; depth < 32; depth++) deep = field('a', 12, { children: [deep] });
    assert.equal(check(arrowFile({ fields: [deep] })).rows, 0);
    refused(arrowFile({ fields: [field('a', 12, { children: [deep] })] }), /nested deeper than 32 \(maxDepth\)/);
    const children: Cell[] = [];
    const endless = table(text('a'), byte(1), byte(12), table(), undefined, { tables: children });
    children.push(endless);
    // Offsets lead forward only.
    refused(arrowFile({ fields: [endless] }), /leads outside itself/);
  });

  void test('if few bytes of it describe much', () => {
    let many = integer('a', 8);
    for (let depth = 0; depth < 20; depth++) many = field('a', 13, { children: [many, many] });
    refused(arrowFile({ fields: [many] }), /much more than it holds|more than 10000 fields/);
    const long = 'n'.repeat(60_000);
    const column = integer(long, 8);
    refused(arrowFile({ fields: Array<Cell>(9000).fill(column) }), /much more than it holds|names are too long/);
  });
});

void describe('limits', () => {
  const file = arrowFile(GOOD);

  void test('each is named by what exceeds it', () => {
    refused(file, /are allowed \(maxBytes\)/, { maxBytes: file.length - 1 });
    refused(file, /\(maxRows\)/, { maxRows: 1 });
    refused(file, /\(maxColumns\)/, { maxColumns: 0 });
    refused(file, /\(maxBatches\)/, { maxBatches: 1 });
    refused(arrowFile({ fields: [field('a', 12, { children: pairs('x') })] }), /\(maxDepth\)/, { maxDepth: 1 });
  });

  void test('values that take no bytes are rows, however deep they lie', () => {
    const nulls = field('a', 12, { children: [field('item', 1)] });
    const batch = { rows: 1, nodes: [1, 0, 2000, 2000], buffers: [VALID, int32s(0, 2000)] };
    assert.equal(check(arrowFile({ fields: [nulls], batches: [batch] })).rows, 1);
    refused(arrowFile({ fields: [nulls], batches: [batch] }), /column 'a.item': it has 2000 values; 1999 are allowed/, {
      maxRows: 1999,
    });
  });

  void test('views that overlap are looked at so often, and no more', () => {
    const data = Uint8Array.from({ length: 4096 }, (_, index) => (index === 4095 ? 255 : 97));
    const one = bytes(0xf0, 15, 0, 0, 97, 97, 97, 97, 0, 0, 0, 0, 0, 0, 0, 0);
    const batch = {
      rows: 100,
      nodes: [100, 0],
      variadic: [1],
      buffers: [VALID, Buffer.concat(Array<Uint8Array>(100).fill(one)), data],
    };
    refused(arrowFile({ fields: [field('a', 24)], batches: [batch] }), /overlap so often/);
    const binary = arrowFile({ fields: [field('a', 23)], batches: [batch] });
    assert.equal(check(binary).rows, 100);
  });
});

void describe('an expected schema', () => {
  const file = arrowFile({
    fields: [integer('a', 32), field('b', 5)],
    batches: [{ rows: 1, nodes: [1, 1, 1, 0], buffers: [bytes(0), int32s(1), VALID, int32s(0, 1), letters('x')] }],
  });

  void test('takes columns in any order', () => {
    assert.equal(check(file, { schema: { b: 'string', a: 'int32' } }).rows, 1);
    assert.equal(check(file, { schema: { b: 'string not null', a: 'int32' } }).rows, 1);
  });

  void test('says what differs', () => {
    refused(
      file,
      /^schema: 'a' is 'int32' instead of 'int64'; 'b' \('string'\) was not expected; 'c' \('bool'\) is missing$/,
      {
        schema: { a: 'int64', c: 'bool' },
      },
    );
    refused(file, /column 'a': 1 values are null, and none may be/, { schema: { a: 'int32 not null', b: 'string' } });
    refused(arrowFile({ fields: pairs('a', 'a') }), /'a' is there twice/, { schema: { a: 'int8' } });
  });

  void test('is not met by a name that looks like a type', () => {
    const fake = arrowFile({ fields: [field('s', 13, { children: [integer('x: int8, y', 8)] })] });
    refused(fake, /instead of/, { schema: { s: 'struct<x: int8, y: int8>' } });
  });
});

void test('whatever stands behind the end of a short view is found, and nothing that belongs to it', () => {
  for (let size = 0; size <= 12; size++) {
    for (let at = 0; at < 12; at++) {
      const content = new Uint8Array(16);
      content[0] = size;
      content[4 + at] = 1;
      const batch = { rows: 1, nodes: [1, 0], variadic: [0], buffers: [VALID, content] };
      const file = arrowFile({ fields: [field('a', 24)], batches: [batch] });
      if (at < size) assert.equal(check(file).rows, 1);
      else refused(file, /something behind its end/);
    }
  }
});

void test('text is UTF-8 exactly if a decoder that does not forgive takes it', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const random = randomNumbers(7);
  const bytesOf = [
    0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5,
  ];
  for (let round = 0; round < 20_000; round++) {
    const length = 1 + Math.floor(random() * 6);
    const content = Uint8Array.from({ length }, () => bytesOf[Math.floor(random() * bytesOf.length)] ?? 0);
    let expected = true;
    try {
      decoder.decode(content);
    } catch {
      expected = false;
    }
    assert.equal(isText(content, 0, length), expected, content.toString());
  }
});

void test('a message shows nothing that a terminal would obey', () => {
  const file = arrowFile({ fields: [integer('\u001b[2J\n', 8)], batches: [{ rows: 1 }] });
  refused(file, /^batch 0, column '\\u\{1b\}\[2J\\u\{a\}': /);
});

void test('bytes that are not aligned are checked like others', () => {
  const file = arrowFile({ fields: [integer('a', 32)], batches: [ROW] });
  const shifted = new Uint8Array(file.length + 3).subarray(3);
  shifted.set(file);
  assert.equal(check(shifted).rows, 1);
});

void test('the ids of dictionaries are any', () => {
  const column = integer('a', 8, { dictionary: table(long(-3), table(int(8))) });
  assert.equal(
    check(arrowFile({ fields: [column] })).columns[0]?.type,
    'dictionary<values=int8, indices=uint8, ordered=0>',
  );
});
