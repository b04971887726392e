'use strict';
// The wire format of protobuf, as far as the Node end of a typed step needs it, and plain values in it (google.protobuf.Value).
//
// A round trip is some tens of microseconds, of which each object that is made here is a part: so one buffer is written and read in place.

const MOST_DEPTH = 64;
const SMALLEST = 1024;
/** A longer buffer is not kept for the next message. */
const LARGEST_KEPT = 1024 * 1024;

const VARINT = 0; // kinds of fields
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/**
 * Writes from the end to the beginning: the length of a part comes before it, and is known after it. So fields are written last one first, and
 * `close(number, mark)` makes one of all that was written since `mark = writer.length`.
 */
class Writer {
  #data = Buffer.allocUnsafeSlow(SMALLEST);
  #at = SMALLEST;

  /** Bytes that were written. */
  get length() {
    return this.#data.length - this.#at;
  }

  /** What was written, until something else is. */
  get bytes() {
    return this.#data.subarray(this.#at);
  }

  clear() {
    if (this.#data.length > LARGEST_KEPT) this.#data = Buffer.allocUnsafeSlow(SMALLEST);
    this.#at = this.#data.length;
  }

  /** A whole number below 2 ** 53. */
  varint(value) {
    if (value < 0x80) {
      this.#reserve(1);
      this.#data[this.#at] = value;
      return;
    }
    let size = 1;
    for (let rest = Math.floor(value / 0x80); rest > 0; rest = Math.floor(rest / 0x80)) size++;
    let at = this.#reserve(size);
    for (; value > 0x7f; value = Math.floor(value / 0x80)) this.#data[at++] = (value % 0x80) | 0x80;
    this.#data[at] = value;
  }

  close(number, mark) {
    this.varint(this.length - mark);
    this.varint((number << 3) | BYTES);
  }

  /** Nothing when it is 0, as protobuf has it. */
  number(number, value) {
    if (value === 0) return;
    this.varint(value);
    this.varint((number << 3) | VARINT);
  }

  double(number, value) {
    this.#data.writeDoubleLE(value, this.#reserve(8));
    this.varint((number << 3) | FIXED64);
  }

  text(number, text) {
    const size = Buffer.byteLength(text);
    const at = this.#reserve(size);
    this.#data.write(text, at, size);
    this.varint(size);
    this.varint((number << 3) | BYTES);
  }

  raw(number, bytes) {
    this.#data.set(bytes, this.#reserve(bytes.length));
    this.varint(bytes.length);
    this.varint((number << 3) | BYTES);
  }

  #reserve(size) {
    if (this.#at < size) {
      const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#data.length, this.length + size));
      this.#data.copy(larger, larger.length - this.length, this.#at);
      this.#at = larger.length - this.length;
      this.#data = larger;
    }
    return (this.#at -= size);
  }
}

/** Reads the fields of a message where it lies: what the app has sent, and is believed. */
class Reader {
  #data;
  #at;
  #end;
  /** Of the field that `next()` has read. */
  number = 0;
  /** Its value where that is a varint. */
  value = 0;
  #from = 0;
  #to = 0;

  constructor(data, at, end) {
    this.#data = data;
    this.#at = at;
    this.#end = end;
  }

  /** Where the next byte is. */
  get at() {
    return this.#at;
  }

  /** Undefined when it is not whole. Lengths and numbers of ours are below 2 ** 53. */
  varint() {
    const data = this.#data;
    let value = 0;
    for (let scale = 1; this.#at < this.#end; scale *= 0x80) {
      const byte = data[this.#at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  next() {
    if (this.#at >= this.#end) return false;
    const tag = this.varint();
    this.number = Math.floor(tag / 8);
    const kind = tag & 7;
    if (kind === VARINT) {
      this.value = this.varint();
      return true;
    }
    const length = kind === BYTES ? this.varint() : kind === FIXED32 ? 4 : 8;
    this.#from = this.#at;
    this.#to = this.#at += length;
    return true;
  }

  get double() {
    return this.#data.readDoubleLE(this.#from);
  }

  get text() {
    return this.#data.toString('utf8', this.#from, this.#to);
  }

  get bytes() {
    return this.#data.subarray(this.#from, this.#to);
  }

  /** The field's own fields. */
  get fields() {
    return new Reader(this.#data, this.#from, this.#to);
  }
}

/** The fields of a google.protobuf.Value. */
function writeValue(writer, value, path = 'the value', depth = 0) {
  switch (typeof value) {
    case 'string':
      writer.text(3, value);
      return;
    case 'number':
      writer.double(2, value);
      return;
    case 'boolean':
      writer.varint(value ? 1 : 0);
      writer.varint(4 << 3);
      return;
    case 'undefined':
      writeNull(writer);
      return;
    case 'object':
      if (value === null) writeNull(writer);
      else writeObject(writer, value, path, depth);
      return;
    default:
      throw new TypeError(`${path} is a ${typeof value}, which no plain value can say`);
  }
}

function writeNull(writer) {
  writer.varint(0);
  writer.varint(1 << 3);
}

function writeObject(writer, value, path, depth) {
  if (depth > MOST_DEPTH) throw new RangeError(`${path} is nested too deeply, or contains itself`);
  const mark = writer.length;
  if (Array.isArray(value)) {
    for (let index = value.length - 1; index >= 0; index--) {
      const end = writer.length;
      writeValue(writer, value[index], `${path}[${index}]`, depth + 1);
      writer.close(1, end);
    }
    writer.close(6, mark);
    return;
  }
  if (!isPlain(value)) {
    throw new TypeError(`${path} is a ${value.constructor?.name ?? 'object'}, which no plain value can say`);
  }
  const entries = Object.entries(value);
  for (let index = entries.length - 1; index >= 0; index--) {
    const [key, item] = entries[index];
    if (item === undefined) continue;
    const end = writer.length;
    writeValue(writer, item, `${path}.${key}`, depth + 1);
    writer.close(2, end);
    writer.text(1, key);
    writer.close(1, end);
  }
  writer.close(5, mark);
}

function isPlain(value) {
  if (typeof value !== 'object') return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function readValue(reader) {
  let value = null;
  while (reader.next()) {
    if (reader.number === 1) value = null;
    else if (reader.number === 2) value = reader.double;
    else if (reader.number === 3) value = reader.text;
    else if (reader.number === 4) value = reader.value !== 0;
    else if (reader.number === 5) value = readStruct(reader.fields);
    else if (reader.number === 6) value = readList(reader.fields);
  }
  return value;
}

function readList(reader) {
  const list = [];
  while (reader.next()) list.push(readValue(reader.fields));
  return list;
}

function readStruct(reader) {
  const struct = {};
  while (reader.next()) {
    const entry = reader.fields;
    let key = '';
    let value = null;
    while (entry.next()) {
      if (entry.number === 1) key = entry.text;
      else if (entry.number === 2) value = readValue(entry.fields);
    }
    // By assignment it would be the prototype.
    if (key !== '__proto__') struct[key] = value;
    else Object.defineProperty(struct, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return struct;
}

module.exports = { Reader, Writer, isPlain, readValue, writeValue };
