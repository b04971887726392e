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
const { Reader, Writer, isPlain, readValue, writeValue } = require('/.zygote/wire.cjs');

const VERSION = 1;
const LOG = 1; // kinds of FromStep
const MESSAGE = 2;
const RESULT = 3;
const FAILURE = 4;
const STDOUT = 0;
const STDERR = 1;
const LOG_PIECE = 3072; // a write of up to PIPE_BUF bytes is never torn apart by another
const MOST_LOGS = 500_000; // frames; the app takes twice as many. Who prints more does it without an order among streams
const INBOX_BLOCK = 65536;
const MOST_TEXT = 65536;

// ---------------------------------------------------------------- the channel

/** What the app has sent and nobody has taken yet. */
class Inbox {
  #block = Buffer.alloc(0);
  #from = 0;
  #to = 0;

  get length() {
    return this.#to - this.#from;
  }

  /** Where to put what is read next. Never where a frame was: parts of it may still be in use. */
  get room() {
    const begin = this.#begin();
    const needed = begin === undefined ? 0 : begin.end - this.#from;
    if (this.#to === this.#block.length || this.#from + needed > this.#block.length) {
      const block = Buffer.allocUnsafe(Math.max(INBOX_BLOCK, needed, 2 * this.length));
      this.#block.copy(block, 0, this.#from, this.#to);
      [this.#block, this.#from, this.#to] = [block, 0, this.length];
    }
    return this.#block.subarray(this.#to);
  }

  filled(count) {
    this.#to += count;
  }

  /** The fields of the next frame; undefined when it is not whole. */
  take() {
    const begin = this.#begin();
    if (begin === undefined || begin.end > this.#to) return undefined;
    this.#from = begin.end;
    return new Reader(this.#block, begin.at, begin.end);
  }

  /** Where the next frame's message is to be. */
  #begin() {
    const reader = new Reader(this.#block, this.#from, this.#to);
    const length = reader.varint();
    return length === undefined ? undefined : { at: reader.at, end: reader.at + length };
  }
}

/** The two descriptors that the app talks by, moved out of the way of the step's code. */
class Channel {
  maxFrame = 256 * 1024;
  #requests;
  #replies;
  #inbox = new Inbox();
  #writer = new Writer();
  #logs = 0;
  #isOver = false; // nothing may follow the last frame

  constructor(core, log) {
    this.#requests = core.moveAway(0);
    this.#replies = core.moveAway(1, log);
  }

  /** The first frame. Waits, which nothing else needs the event loop for yet. */
  receive() {
    for (;;) {
      const frame = this.#inbox.take();
      if (frame !== undefined) return frame;
      const count = fs.readSync(this.#requests, this.#inbox.room);
      if (count === 0) return undefined;
      this.#inbox.filled(count);
    }
  }

  /** The others, each what `decode` makes of it. */
  receiveEach(decode) {
    return new Requests(this.#requests, this.#inbox, decode);
  }

  /** `write` is given a Writer, to write the fields of the message. */
  send(kind, write) {
    if (this.#isOver) throw new Error('the step has ended: no message can be sent any more');
    // What is written may be asked for by code of the step, which may send something meanwhile.
    const writer = this.#writer ?? new Writer();
    this.#writer = undefined;
    try {
      write(writer);
      writer.close(kind, 0);
      const { length } = writer;
      if (length > this.maxFrame) {
        throw new RangeError(
          `a message of ${length} bytes is longer than the ${this.maxFrame} that maxMessageBytes allows: return a table, or send it in parts`,
        );
      }
      writer.varint(length);
      this.#isOver = kind === RESULT || kind === FAILURE;
      writeAll(this.#replies, writer.bytes);
    } finally {
      writer.clear();
      this.#writer = writer;
    }
  }

  log(stream, data) {
    if (this.#isOver || this.#logs >= MOST_LOGS) writeAll(stream === STDOUT ? 1 : 2, data);
    else this.#sendLog(stream, data);
  }

  #sendLog(stream, data) {
    for (let start = 0; start < data.length; start += LOG_PIECE) {
      this.#logs++;
      this.send(LOG, (writer) => {
        writer.raw(2, data.subarray(start, start + LOG_PIECE));
        writer.number(1, stream);
      });
    }
  }
}

/** Messages that the app goes on to send. Read ahead only as far as the inbox has room: who is slow slows the app. */
class Requests {
  #fd;
  #inbox;
  #decode;
  #socket;
  #waiting = [];
  #over = false;
  #error;

  constructor(fd, inbox, decode) {
    this.#fd = fd;
    this.#inbox = inbox;
    this.#decode = decode;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  next() {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#serve();
      if (this.#waiting.length > 0) this.#read();
    });
  }

  return(value) {
    this.#end();
    return Promise.resolve({ done: true, value });
  }

  #serve() {
    while (this.#waiting.length > 0) {
      const frame = this.#over ? undefined : this.#inbox.take();
      if (frame === undefined && !this.#over) return;
      const { resolve, reject } = this.#waiting.shift();
      if (frame === undefined) {
        if (this.#error === undefined) resolve({ done: true, value: undefined });
        else reject(this.#error);
        continue;
      }
      try {
        resolve({ done: false, value: this.#decode(frame) });
      } catch (error) {
        this.#end();
        reject(error);
      }
    }
    this.#socket?.unref(); // a function that reads no further is over when it returns
  }

  #read() {
    this.#socket ??= this.#open();
    this.#socket.ref();
    this.#socket.resume();
  }

  #open() {
    const take = (count) => {
      this.#inbox.filled(count);
      this.#serve();
      return this.#waiting.length > 0 || this.#inbox.length < INBOX_BLOCK;
    };
    const onread = { buffer: () => this.#inbox.room, callback: take };
    const socket = new net.Socket({ fd: this.#fd, readable: true, writable: false, onread });
    return socket.on('end', () => this.#end()).on('error', (error) => this.#end(error));
  }

  #end(error) {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#serve();
  }
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

function useOutputs(channel) {
  for (const [name, fd] of [
    ['stdout', 1],
    ['stderr', 2],
  ]) {
    const stream = new LogOutput(fd, (data) => channel.log(fd === 1 ? STDOUT : STDERR, data));
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

  encode(writer) {
    for (const [name, index] of [...this.#taken].reverse()) {
      const mark = writer.length;
      writer.number(3, fs.fstatSync(this.#slots[index].descriptor).size);
      writer.number(2, index);
      writer.text(1, name);
      writer.close(2, mark);
    }
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
    while (payload.next()) {
      if (payload.number === 1) return this.#known().decode(payload.bytes);
      if (payload.number === 2) return readValue(payload.fields);
    }
    return undefined;
  }

  encode(writer, value) {
    if (this.name !== '' || this.kind !== undefined) {
      writer.raw(1, this.#known().encode(this.#known().fromObject(value)).finish());
      return;
    }
    const mark = writer.length;
    writeValue(writer, value);
    writer.close(2, mark);
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
  while (frame.next()) {
    if (frame.number !== 1) continue;
    const field = frame.fields;
    while (field.next()) {
      const { number } = field;
      if (number in texts) call[texts[number]] = field.text;
      else if (number === 1) call.version = field.value;
      else if (number === 6) call.params = field.fields;
      else if (number === 7) call.streaming = field.value !== 0;
      else if (number === 10) call.inputs.push(readTable(field.fields));
      else if (number === 11) call.outputs.push(readTable(field.fields));
      else if (number === 13) call.maxFrame = field.value;
    }
  }
  return call;
}

function readTable(field) {
  const table = { name: '', descriptor: 0, bytes: 0 };
  while (field.next()) {
    if (field.number === 1) table.name = field.text;
    else if (field.number === 2) table.descriptor = field.value;
    else if (field.number === 3) table.bytes = field.value;
  }
  return table;
}

function decodeParams(frame, codec) {
  while (frame.next()) if (frame.number === 2) return codec.decode(frame.fields);
  return undefined;
}

/**
 * Runs the call that comes on descriptor 0, and sets the status.
 *
 * `find({ module, function, code, file })` answers the function that is meant, and what it is to be called on.
 */
async function run(core, log, { find, requireFromHere }) {
  const descriptors = core.descriptors();
  const channel = new Channel(core, descriptors[log]);
  useOutputs(channel);
  try {
    channel.send(RESULT, await perform(core, channel, descriptors, { find, requireFromHere }));
  } catch (error) {
    process.exitCode = 1;
    const texts = describe(error, Math.min(MOST_TEXT, channel.maxFrame >> 4));
    channel.send(FAILURE, (writer) => {
      for (let index = texts.length - 1; index >= 0; index--) writer.text(index + 1, texts[index]);
    });
  }
}

/** Answers what writes the result. */
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
    send: (message) => channel.send(MESSAGE, (writer) => codec.encode(writer, message)),
    writeTable: (name, table) => outputs.write(name, table),
    tablePath: (name) => outputs.path(name),
  };
  const params = call.streaming
    ? channel.receiveEach((frame) => decodeParams(frame, paramsCodec))
    : call.params === undefined
      ? undefined
      : paramsCodec.decode(call.params);
  const returned = await complete(await holder[key](params, tables, step), step);
  const [message, written] = split(returned, outputs);
  for (const [name, table] of Object.entries(written)) outputs.write(name, table);
  const nothing = message === undefined && (call.resultType !== '' || Object.keys(written).length > 0);
  return (writer) => {
    outputs.encode(writer);
    if (nothing) return;
    const mark = writer.length;
    codec.encode(writer, message);
    writer.close(1, mark);
  };
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
  const isError = isAnError(error);
  const name = isError ? String(error.name) : typeof error;
  const stack = isError && typeof error.stack === 'string' ? util.inspect(error).split('\n') : [util.inspect(error)];
  const trace = stack.filter((line) => !/\(?(?:file:\/\/)?\/\.zygote\//.test(line)).join('\n');
  const message = isError ? String(error.message) : util.inspect(error);
  return [name, message, trace].map((text) => shorten(text, most));
}

/** A DOMException is none of the language's own, and is what an AbortSignal throws. */
function isAnError(error) {
  try {
    return util.types.isNativeError(error) || error instanceof Error;
  } catch {
    return false; // a proxy
  }
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
  const writer = new Writer();
  writer.number(13, MOST_TEXT);
  const end = writer.length;
  writer.number(2, 0);
  writer.close(11, end);
  const last = writer.length;
  writeValue(writer, params);
  writer.close(2, last);
  writer.close(6, last);
  writer.text(4, code);
  writer.text(3, 'run');
  writer.number(1, VERSION);
  writer.close(1, 0);
  writer.varint(writer.length);
  writeAll(call, writer.bytes);
  try {
    await run({ descriptors: () => [-1], moveAway: (fd) => (fd === 0 ? requests : replies) }, 0, tools);
  } finally {
    for (const fd of [requests, call, replies]) fs.closeSync(fd);
  }
}

module.exports = { run, practise };
