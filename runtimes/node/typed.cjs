'use strict';
// The Node end of a typed step (proto/step.proto): takes the call, runs the function, and sends what it says.
//
// Loaded by zygote.cjs beside it, before any step is forked. It runs in the step's own memory and is trusted no more than the
// step: the app bounds and checks whatever comes. It needs no package; apache-arrow is loaded when a table is touched, and
// protobufjs is there when the step's own message classes are.

const fs = require('node:fs');
const net = require('node:net');
const { Writable } = require('node:stream');
const util = require('node:util');

const VERSION = 1;
const LOG = 1; // kinds of FromStep
const MESSAGE = 2;
const RESULT = 3;
const FAILURE = 4;
const STDOUT = 0;
const STDERR = 1;
const LOG_PIECE = 3072; // a write of up to PIPE_BUF bytes is never torn apart by another
const MOST_TEXT = 65536;
const MOST_DEPTH = 64;

// ---------------------------------------------------------------- the wire format

function varint(number) {
  const bytes = [];
  while (number > 0x7f) {
    bytes.push((number % 0x80) | 0x80);
    number = Math.floor(number / 0x80);
  }
  bytes.push(number);
  return Buffer.from(bytes);
}

function numberField(number, value) {
  return value === 0 ? Buffer.alloc(0) : Buffer.concat([varint(number << 3), varint(value)]);
}

function bytesField(number, ...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([varint((number << 3) | 2), varint(length), ...parts]);
}

function textField(number, text) {
  return bytesField(number, Buffer.from(text));
}

/** [value, where it ends]; undefined when it is not whole. Lengths and numbers of ours are below 2 ** 53. */
function readVarint(data, at) {
  let value = 0;
  for (let scale = 1; at < data.length; scale *= 0x80) {
    const byte = data[at++];
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return [value, at];
  }
  return undefined;
}

/** [number, value] of each: a number, or the bytes of what has a length. */
function* fields(data) {
  for (let at = 0; at < data.length;) {
    let tag, value;
    [tag, at] = readVarint(data, at);
    const kind = tag & 7;
    if (kind === 0) [value, at] = readVarint(data, at);
    else {
      let length = kind === 1 ? 8 : 4;
      if (kind === 2) [length, at] = readVarint(data, at);
      value = data.subarray(at, (at += length));
    }
    yield [Math.floor(tag / 8), value];
  }
}

// ---------------------------------------------------------------- plain values, as google.protobuf.Value

const NULL = Buffer.from([0x08, 0x00]);
const TRUE = Buffer.from([0x20, 0x01]);
const FALSE = Buffer.from([0x20, 0x00]);

function encodeValue(value, path = 'the value', depth = 0) {
  if (value === null || value === undefined) return NULL;
  if (typeof value === 'boolean') return value ? TRUE : FALSE;
  if (typeof value === 'string') return textField(3, value);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9, 0x11);
    bytes.writeDoubleLE(value, 1);
    return bytes;
  }
  if (depth > MOST_DEPTH) throw new RangeError(`${path} is nested too deeply, or contains itself`);
  if (Array.isArray(value)) {
    return bytesField(
      6,
      ...value.map((item, index) => bytesField(1, encodeValue(item, `${path}[${index}]`, depth + 1))),
    );
  }
  if (isPlain(value)) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return bytesField(
      5,
      ...entries.map(([key, item]) =>
        bytesField(1, textField(1, key), bytesField(2, encodeValue(item, `${path}.${key}`, depth + 1))),
      ),
    );
  }
  const what = typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
  throw new TypeError(`${path} is a ${what}, which no plain value can say`);
}

function isPlain(value) {
  if (typeof value !== 'object') return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function decodeValue(data) {
  let value = null;
  for (const [number, content] of fields(data)) {
    if (number === 1) value = null;
    else if (number === 2) value = content.readDoubleLE(0);
    else if (number === 3) value = content.toString();
    else if (number === 4) value = content !== 0;
    else if (number === 5) value = decodeStruct(content);
    else if (number === 6) value = [...fields(content)].map(([, item]) => decodeValue(item));
  }
  return value;
}

function decodeStruct(data) {
  const struct = {};
  for (const [, entry] of fields(data)) {
    let key = '';
    let value = null;
    for (const [number, content] of fields(entry)) {
      if (number === 1) key = content.toString();
      else if (number === 2) value = decodeValue(content);
    }
    // Not by assignment: `__proto__` is a key like any other.
    Object.defineProperty(struct, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return struct;
}

// ---------------------------------------------------------------- the channel

/** The two descriptors that the app talks by, moved out of the way of the step's code. */
class Channel {
  maxFrame = 256 * 1024;
  #requests;
  #replies;
  #pending = Buffer.alloc(0);

  constructor(core, log) {
    this.#requests = core.moveAway(0);
    this.#replies = core.moveAway(1, log);
  }

  /** The bytes of the first frame. Waits, which nothing else needs the event loop for yet. */
  receive() {
    for (;;) {
      const frame = this.#take();
      if (frame !== undefined) return frame;
      const part = Buffer.allocUnsafe(65536);
      const length = fs.readSync(this.#requests, part);
      if (length === 0) return undefined;
      this.#pending = Buffer.concat([this.#pending, part.subarray(0, length)]);
    }
  }

  /** The others. */
  async *receiveEach() {
    const socket = new net.Socket({ fd: this.#requests, readable: true, writable: false });
    socket.unref(); // a function that reads no further is over when it returns
    for (;;) {
      for (let frame = this.#take(); frame !== undefined; frame = this.#take()) yield frame;
      socket.ref();
      const part = await nextPart(socket);
      socket.unref();
      if (part === undefined) return;
      this.#pending = Buffer.concat([this.#pending, part]);
    }
  }

  #take() {
    const pending = this.#pending;
    const length = readVarint(pending, 0);
    if (length === undefined || pending.length < length[1] + length[0]) return undefined;
    this.#pending = pending.subarray(length[1] + length[0]);
    return pending.subarray(length[1], length[1] + length[0]);
  }

  send(kind, ...parts) {
    const message = bytesField(kind, ...parts);
    if (message.length > this.maxFrame) {
      throw new RangeError(
        `a message of ${message.length} bytes is longer than the ${this.maxFrame} that maxMessageBytes allows: return a table, or send it in parts`,
      );
    }
    this.#write(Buffer.concat([varint(message.length), message]));
  }

  log(stream, data) {
    for (let start = 0; start < data.length; start += LOG_PIECE) {
      const message = bytesField(LOG, numberField(1, stream), bytesField(2, data.subarray(start, start + LOG_PIECE)));
      this.#write(Buffer.concat([varint(message.length), message]));
    }
  }

  #write(data) {
    while (data.length > 0) data = data.subarray(fs.writeSync(this.#replies, data));
  }
}

function nextPart(socket) {
  return new Promise((resolve, reject) => {
    const take = () => {
      const part = socket.read();
      if (part === null && !socket.readableEnded) return;
      socket.off('readable', take).off('end', take).off('error', reject);
      resolve(part ?? undefined);
    };
    socket.on('readable', take).on('end', take).on('error', reject);
    take();
  });
}

/** What `process.stdout` and `process.stderr` are: written at once, so that nothing is left when the process ends. */
class LogOutput extends Writable {
  #put;

  constructor(fd, put) {
    super({ decodeStrings: true });
    this.fd = fd;
    this.#put = put;
    this._type = 'pipe';
    this._isStdio = true;
  }

  _write(data, _encoding, callback) {
    this.#put(data);
    callback();
  }

  _destroy(error, callback) {
    callback(error); // as process.stdout, it stays open
  }
}

function useOutputs(put) {
  for (const [name, fd] of [
    ['stdout', 1],
    ['stderr', 2],
  ]) {
    const stream = new LogOutput(fd, (data) => put(fd, data));
    Object.defineProperty(process, name, { value: stream, configurable: true, enumerable: true, writable: false });
    console[`_${name}`] = stream; // it may have looked at the one before
  }
}

function writeAll(fd, data) {
  while (data.length > 0) data = data.subarray(fs.writeSync(fd, data));
}

// ---------------------------------------------------------------- tables

/** What the step may read, by name: an apache-arrow Table over mapped memory, made when it is first asked for. */
function inputTables(core, inputs, loadArrow) {
  const tables = Object.create(null);
  for (const { name, descriptor, bytes } of inputs) {
    let table;
    Object.defineProperty(tables, name, {
      get: () => (table ??= loadArrow().tableFromIPC(new Uint8Array(core.map(descriptor, bytes)))),
      enumerable: true,
    });
  }
  return tables;
}

/** The empty files for tables that the step was given. */
class Outputs {
  #slots;
  #taken = new Map();
  #loadArrow;

  constructor(slots, loadArrow) {
    this.#slots = slots;
    this.#loadArrow = loadArrow;
  }

  get only() {
    const declared = this.#slots.filter(({ name }) => name !== '');
    return declared.length === 1 ? declared[0].name : 'output';
  }

  #slot(name) {
    const known = this.#taken.get(name);
    if (known !== undefined) return known;
    const free = (wanted) =>
      this.#slots.findIndex((slot, index) => slot.name === wanted && ![...this.#taken.values()].includes(index));
    let index = free(name);
    if (index < 0) index = free('');
    if (index >= 0) {
      this.#taken.set(name, index);
      return index;
    }
    const declared = this.#slots.map((slot) => slot.name).filter((slot) => slot !== '');
    if (declared.length > 0) {
      throw new RangeError(
        `'${name}' is no table that the step may return; declared are: ${declared.map((slot) => `'${slot}'`).join(', ')}`,
      );
    }
    throw new RangeError(
      `'${name}' is one table too many: a step may return ${this.#slots.length} unless they are declared`,
    );
  }

  path(name) {
    return `/proc/self/fd/${this.#slots[this.#slot(name)].descriptor}`;
  }

  write(name, table) {
    const { descriptor } = this.#slots[this.#slot(name)];
    const bytes = table instanceof Uint8Array ? table : this.#loadArrow().tableToIPC(table, 'file');
    fs.ftruncateSync(descriptor);
    for (let at = 0; at < bytes.length;) at += fs.writeSync(descriptor, bytes, at, bytes.length - at, at);
  }

  encode() {
    return [...this.#taken].map(([name, index]) => {
      const { size } = fs.fstatSync(this.#slots[index].descriptor);
      return bytesField(2, textField(1, name), numberField(2, index), numberField(3, size));
    });
  }
}

function isTable(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    Array.isArray(value.batches) &&
    Array.isArray(value.schema?.fields) &&
    typeof value.getChildAt === 'function'
  );
}

function isTables(value) {
  return isPlain(value) && Object.keys(value).length > 0 && Object.values(value).every(isTable);
}

/** What was returned, as a message and tables by name. */
function split(returned, outputs) {
  if (returned === null || typeof returned !== 'object') return [returned, {}];
  if (isTable(returned)) return [undefined, { [outputs.only]: returned }];
  if (isTables(returned)) return [undefined, returned];
  if (Array.isArray(returned) && returned.length === 2) {
    const [message, tables] = returned;
    if (isTable(tables)) return [message, { [outputs.only]: tables }];
    if (tables !== null && isTables(tables)) return [message, tables];
  }
  if (isPlain(returned) && isPlain(returned.tables ?? 0) && isTables(returned.tables)) {
    const extra = Object.keys(returned).filter((key) => key !== 'tables' && key !== 'message');
    if (extra.length === 0) return [returned.message, returned.tables];
  }
  return [returned, {}];
}

// ---------------------------------------------------------------- the step

/** Between a Payload and what the function is given or returns. `kind`: a class or Type of protobufjs, or undefined. */
class Codec {
  constructor(kind, name) {
    this.kind = kind;
    this.name = name;
  }

  decode(payload) {
    for (const [number, content] of fields(payload)) {
      if (number === 1) return this.#known().decode(content);
      if (number === 2) return decodeValue(content);
    }
    return undefined;
  }

  encode(value) {
    if (this.name === '' && this.kind === undefined) return bytesField(2, encodeValue(value));
    return bytesField(1, this.#known().encode(this.#known().fromObject(value)).finish());
  }

  #known() {
    if (this.kind !== undefined) return this.kind;
    throw new TypeError(
      `no class is known for the message type ${this.name}: set the properties \`params\` and \`result\` of the function to classes or types of protobufjs`,
    );
  }
}

function readCall(frame) {
  const call = {
    ...{ version: 0, module: '', function: '', code: '', file: '', params: undefined, streaming: false },
    ...{ paramsType: '', resultType: '', inputs: [], outputs: [], maxFrame: undefined },
  };
  const texts = { 2: 'module', 3: 'function', 4: 'code', 5: 'file', 8: 'paramsType', 9: 'resultType' };
  for (const [kind, content] of fields(frame)) {
    if (kind !== 1) continue;
    for (const [number, value] of fields(content)) {
      if (number in texts) call[texts[number]] = value.toString();
      else if (number === 1) call.version = value;
      else if (number === 6) call.params = value;
      else if (number === 7) call.streaming = value !== 0;
      else if (number === 10 || number === 11) {
        const { 1: name = '', 2: descriptor = 0, 3: bytes = 0 } = Object.fromEntries(fields(value));
        call[number === 10 ? 'inputs' : 'outputs'].push({ name: name.toString(), descriptor, bytes });
      } else if (number === 13) call.maxFrame = value;
    }
  }
  return call;
}

/**
 * Runs the call that comes on descriptor 0, and sets the status.
 *
 * `find({ module, function, code, file })` answers the function that is meant, and what it is to be called on.
 */
async function run(core, log, { find, requireFromHere }) {
  const descriptors = core.descriptors();
  const channel = new Channel(core, descriptors[log]);
  useOutputs((fd, data) => channel.log(fd === 1 ? STDOUT : STDERR, data));
  let body;
  try {
    body = await perform(core, channel, descriptors, { find, requireFromHere });
    channel.send(RESULT, ...body);
  } catch (error) {
    process.exitCode = 1;
    channel.send(FAILURE, ...describe(error, Math.min(MOST_TEXT, channel.maxFrame >> 4)));
  }
  useOutputs(writeAll); // what is printed from now on, after the last frame
}

async function perform(core, channel, descriptors, { find, requireFromHere }) {
  const frame = channel.receive();
  if (frame === undefined) throw new Error('there was no call');
  const call = readCall(frame);
  if (call.version !== VERSION) {
    throw new Error(`this runtime knows version ${VERSION} of the contract, and not ${call.version}`);
  }
  channel.maxFrame = call.maxFrame ?? channel.maxFrame;
  const loadArrow = () => arrowFrom(requireFromHere());
  const [holder, key] = await find(call);
  const target = holder[key];
  const paramsCodec = new Codec(target.params, call.paramsType);
  const codec = new Codec(target.result, call.resultType);
  const withNumber = (table) => ({ ...table, descriptor: descriptors[table.descriptor] });
  const tables = inputTables(core, call.inputs.map(withNumber), loadArrow);
  const outputs = new Outputs(call.outputs.map(withNumber), loadArrow);
  const step = {
    tables,
    send: (message) => channel.send(MESSAGE, codec.encode(message)),
    writeTable: (name, table) => outputs.write(name, table),
    tablePath: (name) => outputs.path(name),
  };
  const params = call.streaming
    ? eachParams(channel, paramsCodec)
    : call.params === undefined
      ? undefined
      : paramsCodec.decode(call.params);
  const returned = await complete(await holder[key](params, tables, step), step);
  const [message, written] = split(returned, outputs);
  for (const [name, table] of Object.entries(written)) outputs.write(name, table);
  const nothing = message === undefined && (call.resultType !== '' || Object.keys(written).length > 0);
  return [...(nothing ? [] : [bytesField(1, codec.encode(message))]), ...outputs.encode()];
}

async function* eachParams(channel, codec) {
  for await (const frame of channel.receiveEach()) {
    for (const [number, content] of fields(frame)) if (number === 2) yield codec.decode(content);
  }
}

function arrowFrom(require) {
  try {
    return require('apache-arrow');
  } catch (cause) {
    throw new Error(
      'a table needs the package apache-arrow, which is not found: mount node_modules by filesystem.readOnly, and preload it to be fast',
      { cause },
    );
  }
}

/** What an iterator yields are messages, and what it returns is the result. */
async function complete(returned, step) {
  const isIterator = typeof returned?.next === 'function' && typeof returned.return === 'function';
  if (!isIterator) return returned;
  for (;;) {
    const { done, value } = await returned.next();
    if (done) return value;
    step.send(value);
  }
}

function describe(error, most) {
  const isError = util.types.isNativeError(error);
  const name = isError ? String(error.name) : typeof error;
  const stack = isError && typeof error.stack === 'string' ? util.inspect(error).split('\n') : [util.inspect(error)];
  const trace = stack.filter((line) => !/\(?(?:file:\/\/)?\/\.zygote\//.test(line)).join('\n');
  const message = isError ? String(error.message) : util.inspect(error);
  return [name, message, trace].map((text, index) => textField(index + 1, shorten(text, most)));
}

function shorten(text, most) {
  return text.length <= most ? text : `${text.slice(0, most / 2)}\n... left out ...\n${text.slice(-most / 2)}`;
}

// ---------------------------------------------------------------- practice

const PRACTICE = [
  'exports.run = (params) => params;',
  'exports.run = function* (params, tables, step) { console.log("a line"); step.send(params); yield params; return params; };',
  'exports.run = () => { throw new Error("on purpose"); };',
];

/** A few calls in which nothing is said to anybody: what is compiled and set up lazily, each step would do again. */
async function practise(core, tools) {
  const before = [
    ...['stdout', 'stderr'].map((name) => [process, name]),
    ...['_stdout', '_stderr'].map((name) => [console, name]),
  ].map(([owner, name]) => [owner, name, Object.getOwnPropertyDescriptor(owner, name)]);
  const { argv, exitCode } = process;
  for (const code of PRACTICE) await practiseOne(core, tools, code);
  Object.assign(process, { argv, exitCode });
  for (const [owner, name, descriptor] of before) {
    if (descriptor === undefined) delete owner[name];
    else Object.defineProperty(owner, name, descriptor);
  }
}

async function practiseOne(core, tools, code) {
  const [requests, call] = core.pipe();
  const replies = fs.openSync('/dev/null', 'w');
  const params = { number: 1, text: 'a text', list: [true, null] };
  const message = bytesField(
    1,
    ...[numberField(1, VERSION), textField(3, 'run'), textField(4, code)],
    ...[
      bytesField(6, bytesField(2, encodeValue(params))),
      bytesField(11, numberField(2, 0)),
      numberField(13, MOST_TEXT),
    ],
  );
  writeAll(call, Buffer.concat([varint(message.length), message]));
  try {
    await run({ descriptors: () => [-1], moveAway: (fd) => (fd === 0 ? requests : replies) }, 0, tools);
  } finally {
    for (const fd of [requests, call, replies]) fs.closeSync(fd);
  }
}

module.exports = { run, practise };
