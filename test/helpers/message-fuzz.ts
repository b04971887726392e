import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type protobuf from 'protobufjs';
import { codecOf, type MessageCodec } from '#src/typed/messages/codec.js';
import { frame, FrameReader } from '#src/typed/messages/frames.js';
import { type Payload, readFromStep } from '#src/typed/messages/from-step.js';
import { Writer } from '#src/typed/messages/writer.js';
import { randomNumbers } from './random.js';
import { below, joined, mutated } from './message-mutations.js';
import { generatedClasses, plainRoot, read, root, TYPES, VALUES } from './message-types.js';

const BOUNDS = { maxDepth: 32, maxElements: 100_000 };
const LIMIT = 65_536;

interface Subject {
  readonly name: string;
  readonly codec: MessageCodec;
  readonly payload: Payload;
  /** What reads the same payload, as a second opinion. */
  readonly type: protobuf.Type;
  /** That protobufjs makes the same of it: of a closed enum, it drops what it does not know. */
  readonly same: boolean;
}

/** One value of each type, by Type and by generated class, and a plain one. */
async function subjects(): Promise<readonly Subject[]> {
  const { classes } = await generatedClasses();
  const { shop, legacy } = classes;
  const found: Subject[] = [];
  for (const name of TYPES) {
    const type = root.lookupType(name);
    const [space, member] = name.split('.') as ['shop' | 'legacy', string];
    const generated = ({ shop, legacy } as unknown as Record<string, Record<string, unknown>>)[space]?.[member];
    for (const [form, described] of [
      ['Type', type],
      ['class', generated],
    ]) {
      const codec = codecOf(described, 'params', BOUNDS);
      const same = space === 'shop';
      found.push({ name: `${String(form)} ${name}`, codec, payload: codec.encode(VALUES[name]), type, same });
    }
  }
  const plain = codecOf(undefined, 'params', BOUNDS);
  const value = { rows: [1, 'zwölf', null, [true, { deep: [[]] }]], name: 'x', __proto_: {} };
  const type = plainRoot.lookupType('google.protobuf.Value');
  found.push({ name: 'plain value', codec: plain, payload: plain.encode(value), type, same: false });
  const form = plainRoot.lookupType('plain.Form');
  const codec = codecOf(form, 'params', BOUNDS);
  const payload = codec.encode({
    object: { a: 1 },
    value: [2],
    list: [{}],
    values: [null],
    objects: { x: { y: 1 } },
    chosen: 5,
  });
  return [...found, { name: 'fields of plain values', codec, payload, type: form, same: false }];
}

export interface FuzzOutcome {
  frames: number;
  refused: number;
  accepted: number;
  /** Milliseconds of the slowest mutation. */
  slowest: number;
  /** Bytes of heap after less before. */
  heap: number;
  readonly disagreements: string[];
}

/** Damages what a step says, `count` times, and has it read. Nothing may come of it but values and refusals. */
export async function fuzzMessages({
  count,
  seed,
}: {
  readonly count: number;
  readonly seed: number;
}): Promise<FuzzOutcome> {
  const random = randomNumbers(seed);
  const all = await subjects();
  const outcome: FuzzOutcome = { frames: 0, refused: 0, accepted: 0, slowest: 0, heap: 0, disagreements: [] };
  let before = 0;
  for (let index = 0; index < count; index++) {
    // Not from the beginning: what is compiled and cached at first stays.
    if (index === Math.min(2000, count >> 1)) before = heapUsed();
    const subject = all[index % all.length];
    const other = all[below(random, all.length)];
    if (subject === undefined || other === undefined) break;
    const stream = damaged(subject, other.payload.bytes, random);
    const started = performance.now();
    try {
      readStream(stream, subject, random, outcome);
    } catch (error) {
      outcome.disagreements.push(`${subject.name}: ${String(error)}: ${Buffer.from(stream).toString('hex')}`);
    }
    outcome.slowest = Math.max(outcome.slowest, performance.now() - started);
  }
  outcome.heap = heapUsed() - before;
  return outcome;
}

/** Half of the time only the payload, in a sound frame: else what lies deep would hardly be reached. */
function damaged({ payload }: Subject, other: Uint8Array, random: () => number): Uint8Array {
  const shallow = random() < 0.5;
  const bytes = shallow ? payload.bytes : mutated(payload.bytes, other, random);
  const frames = [...said({ kind: payload.kind, bytes }, random)];
  const stream = joined(...frames.map(frame));
  return shallow ? mutated(stream, other, random) : stream;
}

/** Frames of one of the kinds that a step may say. */
function* said({ kind, bytes }: Payload, random: () => number): Generator<Uint8Array> {
  const within = (field: number, ...parts: readonly Uint8Array[]): Uint8Array => {
    const writer = new Writer();
    writer.tag(field, 2);
    writer.bytes(joined(...parts));
    return writer.finish();
  };
  const payload = within(kind === 'message' ? 1 : 2, bytes);
  const text = (field: number, value: string): Uint8Array => within(field, Buffer.from(value));
  if (random() < 0.1) yield within(1, Uint8Array.of(8, 1), text(2, 'printed'));
  if (random() < 0.1) yield within(4, text(1, 'ValueError'), text(2, 'schlecht ü'), text(3, 'line 1'));
  const table = within(2, text(1, 'table'), Uint8Array.of(16, 3, 24, 0x80, 0x80, 4));
  yield random() < 0.5 ? within(2, payload) : within(3, within(1, payload), table, table);
}

function readStream(stream: Uint8Array, subject: Subject, random: () => number, outcome: FuzzOutcome): void {
  const reader = new FrameReader({ maxFrameBytes: LIMIT });
  const middle = below(random, stream.length + 1);
  for (const chunk of [stream.subarray(0, middle), stream.subarray(middle)]) {
    reader.push(chunk);
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      outcome.frames++;
      readFrame(next, subject, outcome);
    }
  }
  if (reader.refusal !== undefined || reader.partial !== undefined) outcome.refused++;
}

function readFrame(bytes: Uint8Array, { codec, type, same }: Subject, outcome: FuzzOutcome): void {
  const read = readFromStep(bytes);
  const payload = 'payload' in read ? read.payload : undefined;
  const refusal = 'refusal' in read ? read.refusal : payload === undefined ? undefined : codec.check(payload);
  if (refusal !== undefined) {
    outcome.refused++;
    assert.match(refusal, /^[A-Z].*\.$/s);
    return;
  }
  outcome.accepted++;
  if (payload === undefined) return;
  const value = codec.decode(payload);
  compare(type, payload.bytes, value, same);
}

function compare(type: protobuf.Type, bytes: Uint8Array, value: unknown, same: boolean): void {
  const other = same ? read(type, bytes) : type.decode(bytes);
  if (same) assert.deepEqual(value, other);
}

const collect = ((): (() => void) => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

/** After what nobody needs is gone. */
export function heapUsed(): number {
  collect();
  collect();
  const { heapUsed: heap, arrayBuffers } = process.memoryUsage();
  return heap + arrayBuffers;
}
