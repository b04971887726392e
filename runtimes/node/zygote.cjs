'use strict';
// The Node end of a zygote: preloads what it was told to, waits, and in each step that was forked from it runs the job.
//
// Started by spawn-sandbox as the main program of a confined process. Everything that confines a step is in the addon
// beside this file; what is here runs in the memory that the preloaded modules share, and is trusted no more than they are.

const core = require('/.zygote/zygote-node.node');
const typed = require('/.zygote/typed.cjs');
const async_hooks = require('node:async_hooks');
const crypto = require('node:crypto');
const fs = require('node:fs');
const Module = require('node:module');
const net = require('node:net');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const v8 = require('node:v8');
const vm = require('node:vm');

void start();

async function start() {
  const isZygote = core.open();
  if (isZygote === undefined) refuse('not started by spawn-sandbox');
  const config = JSON.parse(fs.readFileSync(0, 'utf8'));
  process.argv = [process.execPath];
  process.execArgv = []; // what it was started with is the zygote's
  forget();
  await importQuietly();
  const before = isZygote ? await threads() : undefined;
  const exercises = await preload(config);
  if (!isZygote) return void setImmediate(runBooted);
  if (config.mode === 'parked') return waitForEnd('it was asked not to be');
  const added = [...(await threads())].filter(([id]) => !before.has(id)).map(([, name]) => name);
  const reason = added.length > 0 ? `what was preloaded has started threads (${added.join(', ')})` : core.prepare();
  if (reason !== undefined) return waitForEnd(reason);
  defineBuiltins();
  await exercise(exercises);
  takePlace();
  // Not from within the event loop's wait, as the loop is made anew in each step.
  setImmediate(serve, exercises);
}

function refuse(reason) {
  fs.writeSync(2, `zygote: ${reason}\n`);
  process.exit(1);
}

/** Names by number, Node's own included: those of its pool are there for good once it was used. */
async function threads() {
  await fs.promises.readFile(__filename);
  const directory = '/proc/self/task';
  return new Map(
    fs.readdirSync(directory).map((id) => [id, fs.readFileSync(path.join(directory, id, 'comm'), 'utf8').trim()]),
  );
}

/** What was preloaded is known to load: each step starts by itself, and does it again. */
function waitForEnd(reason) {
  core.warm(JSON.stringify({ mode: 'parked', runtime: `Node ${process.version}`, threads: [], reason }));
  core.waitForEnd();
}

/** In a step that is a process of its own. */
function runBooted() {
  defineBuiltins();
  const job = core.job();
  takePlace();
  run(job);
}

/** What a plain node would not have loaded, no step is to find. */
function forget() {
  for (const file of Object.keys(require.cache)) delete require.cache[file];
  process.mainModule = undefined;
}

async function preload({ preload: names, code }) {
  for (const name of names) {
    const file = locate(name);
    await load(name);
    // `import` of it is to be warm, too, where `require` has loaded it.
    if (file !== undefined && path.isAbsolute(file)) await importFrom(pathToFileURL(file).href).catch(() => undefined);
  }
  const exercises = names.includes('apache-arrow') ? [useArrow] : [];
  if (code === undefined) return exercises;
  const exported = await runModule(code);
  return typeof exported?.rehearse === 'function' ? [...exercises, exported.rehearse] : exercises;
}

/** What a step does that takes tables and returns some. */
function useArrow() {
  const { tableFromArrays, tableFromIPC, tableToIPC } = requireFromHere()('apache-arrow');
  const table = tableFromArrays({ number: Float64Array.of(1, 2), text: ['x', 'y'] });
  for (const row of tableFromIPC(tableToIPC(table, 'file'))) void row?.number;
}

function serve(exercises) {
  emptyUuids();
  becomeProcess(); // or each step would compile it
  tellEnd();
  collectGarbage();
  const outcome = core.check();
  if (outcome === CHECKING) return prove();
  if (outcome !== PROVEN) {
    return waitForEnd(
      `this build of it, or what was preloaded, does not bear it: a fork ${ENDINGS[outcome] ?? `ended with ${outcome}`}`,
    );
  }
  if (core.rehearse()) return practise(exercises);
  if (!emptyCaches()) return waitForEnd('this build of it keeps random numbers where they cannot be renewed');
  core.warm(JSON.stringify({ mode: 'fork', runtime: `Node ${process.version}`, threads: [] }));
  if (!core.next()) core.leave(0);
  becomeProcess();
  if (core.ahead()) practiseCode();
  const job = core.job();
  takePlace();
  run(job);
}

const CHECKING = -1;
const PROVEN = 42;
const ENDINGS = {
  '-2': 'did not come to its end',
  '-3': 'would not be rid of all descriptors that are open',
  139: 'crashed',
};

/** In a fork that is no step: whether it does what Node's own threads, pool and event loop are needed for. */
function prove() {
  becomeProcess();
  process.exitCode = 1;
  collectGarbage();
  fs.promises.stat('/').then(() =>
    setTimeout(() => {
      process.exitCode = PROVEN;
    }, 1),
  );
}

/** A job that does next to nothing, in a process that is no step: what memory it touches, each step will. */
function practise(exercises) {
  becomeProcess();
  takePlace();
  runCode(['console.log(process.argv.length)']);
  for (const work of exercises) attempt(work);
  void practiseTyped().then(() => setImmediate(core.rehearsed));
}

function collectGarbage() {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  v8.setFlagsFromString('--no-expose-gc');
  collect();
  collect();
}

/** What `randomInt` keeps for later calls would be equal in all steps. False when it cannot be used up. */
function emptyCaches() {
  const read = Buffer.prototype.readUIntBE;
  let left;
  Buffer.prototype.readUIntBE = function (offset, size) {
    left = this.length - offset - size;
    return read.call(this, offset, size);
  };
  try {
    do crypto.randomInt(2);
    while (left > 0);
  } finally {
    Buffer.prototype.readUIntBE = read;
  }
  return left !== undefined;
}

const UUIDS_KEPT = 128;
let uuidsLeft = UUIDS_KEPT; // at most

/** Uses up what `randomUUID` keeps. When it takes more is seen by the hooks that follow each request; two in a row tell how much it takes. */
function emptyUuids() {
  let taken = 0;
  const hook = async_hooks.createHook({
    init(_, type) {
      if (type === 'RANDOMBYTESREQUEST') taken++;
    },
  });
  const callsUntilItTakes = () => {
    const before = taken;
    for (let calls = 1; calls <= 2 * UUIDS_KEPT; calls++) {
      crypto.randomUUID();
      if (taken > before) return calls;
    }
    return undefined;
  };
  hook.enable();
  try {
    if (callsUntilItTakes() === undefined) return;
    const kept = callsUntilItTakes();
    if (kept === undefined) return;
    for (let i = 1; i < kept; i++) crypto.randomUUID();
    uuidsLeft = 0;
  } finally {
    hook.disable();
  }
}

/** What has been the zygote's becomes the step's: as far as that can be done before there is a job, */
function becomeProcess() {
  Object.defineProperty(process, 'pid', { value: core.pid(), enumerable: true, configurable: true, writable: false });
  for (let i = 0; i < uuidsLeft; i++) crypto.randomUUID();
}

/** and the rest. */
function takePlace() {
  process.chdir('.'); // it remembers the directory
  const { TZ, NODE_PATH } = process.env;
  if (TZ !== undefined) process.env.TZ = TZ; // tells V8
  if (NODE_PATH !== undefined) Module._initPaths();
}

/** Tells the addon the status that a natural end will have, once no listener can change it any more. */
function tellEnd() {
  const { emit } = process;
  Object.defineProperty(process, 'emit', {
    value: function (...args) {
      const result = Reflect.apply(emit, this, args);
      if (args[0] === 'exit') core.endWith(Number(process.exitCode ?? args[1] ?? 0));
      return result;
    },
    enumerable: false,
    configurable: true,
    writable: true,
  });
}

/** Runs the job; what it throws is the step's own. */
function run([form, ...rest]) {
  if (form === 'code') return runCode(rest);
  forgetBuiltins();
  if (form === 'file') runFile(rest);
  else if (form === 'typed') void typed.run(core, Number(rest[0]), { find, requireFromHere });
  else void call(rest);
}

function runFile([file, ...args]) {
  process.argv = [process.execPath, path.resolve(file), ...args];
  Module.runMain();
}

/** As `node -e` does: a script that finds `require`, `module` and the modules of Node as global names. */
function runCode([source, ...args]) {
  process.argv = [process.execPath, ...args];
  const script = compile(source, '[eval]');
  if (script === undefined) return void importSource(source);
  const module = moduleNamed('[eval]');
  Object.assign(globalThis, {
    module,
    exports: module.exports,
    require: Module.createRequire(module.filename),
    __filename: '[eval]',
    __dirname: '.',
  });
  script.runInThisContext();
}

function moduleNamed(name) {
  const module = new Module(name);
  module.filename = path.join(process.cwd(), name);
  module.paths = Module._nodeModulePaths(process.cwd());
  return module;
}

/** Undefined when only a module could contain such syntax. */
function compile(source, filename) {
  try {
    return new vm.Script(source, { filename, importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER });
  } catch (error) {
    if (isOfModules(error)) return undefined;
    throw error;
  }
}

const MODULE_SYNTAX =
  /^(Cannot use import statement outside a module|Unexpected token 'export'|Cannot use 'import\.meta' outside a module|await is only valid in async functions)/;

function isOfModules(error) {
  return error instanceof SyntaxError && MODULE_SYNTAX.test(error.message);
}

/** From a file in the work directory, so that it finds what lies there; where none can be made, it finds what has a URL. */
async function importSource(source) {
  const file = path.resolve(`[eval-${process.pid}].mjs`);
  try {
    fs.writeFileSync(file, source, { flag: 'wx' });
  } catch {
    return import(`data:text/javascript,${encodeURIComponent(source)}`);
  }
  return importFrom(pathToFileURL(file).href).finally(() => {
    fs.rmSync(file, { force: true });
  });
}

/** What only `-e` has. They are defined ahead, as it is the form that is in a hurry. */
function forgetBuiltins() {
  for (const [name, before] of covered) {
    if (before === undefined) delete globalThis[name];
    else Object.defineProperty(globalThis, name, before);
  }
}

const covered = new Map();

function defineBuiltins() {
  for (const name of BUILTINS) {
    covered.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
    Object.defineProperty(globalThis, name, {
      get: () => require(name),
      set: (value) => {
        Object.defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
      },
      enumerable: false,
      configurable: true,
    });
  }
}

const BUILTINS = Module.builtinModules.filter(
  (name) => /^[a-z]\w*$/.test(name) && name !== 'process' && name !== 'console',
);

/** Preloaded code: a module of its own, of either kind. Answers what it exports. */
async function runModule(source, name = '[preload]') {
  const module = moduleNamed(name);
  try {
    module._compile(source, module.filename, 'commonjs');
  } catch (error) {
    if (!isOfModules(error)) throw error;
    return importSource(source);
  }
  return module.exports;
}

async function call([name, dotted, args]) {
  process.argv = [process.execPath];
  const [holder, key] = member(await load(name), dotted, name);
  await holder[key](...JSON.parse(args));
}

/** The function that a typed call names, as an object and its key there. */
async function find({ module, code, file, function: dotted }) {
  process.argv = [process.execPath];
  if (module !== '') return member(await load(module), dotted, module);
  if (file !== '') return member(await load(path.resolve(file)), dotted, file);
  return member(await runModule(code, '[step]'), dotted, 'the code');
}

function member(exported, dotted, title) {
  const owner = dotted.split('.').slice(0, -1);
  const key = dotted.split('.').at(-1);
  for (const root of [exported, exported?.default]) {
    const holder = owner.reduce((found, name) => found?.[name], root);
    if (typeof holder?.[key] === 'function') return [holder, key];
  }
  throw new TypeError(`${title} exports no function ${dotted}`);
}

/** A module by its name, as from the work directory; a promise where it has to be imported. */
function load(name) {
  const file = locate(name);
  if (file !== undefined && isCommon(file)) {
    try {
      return requireFromHere()(name);
    } catch (error) {
      if (!isOfModules(error) && !String(error?.code).startsWith('ERR_REQUIRE_')) throw error;
    }
  }
  return importFrom(file !== undefined && path.isAbsolute(file) ? pathToFileURL(file).href : name);
}

function requireFromHere() {
  return Module.createRequire(path.join(process.cwd(), '[eval]'));
}

function locate(name) {
  try {
    return requireFromHere().resolve(name.startsWith('file:') ? new URL(name).pathname : name);
  } catch {
    return undefined;
  }
}

function isCommon(file) {
  const extension = path.extname(file);
  return extension !== '.mjs' && (extension !== '.js' || packageType(path.dirname(file)) !== 'module');
}

function packageType(directory) {
  try {
    return JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8')).type;
  } catch {
    return directory === '/' ? undefined : packageType(path.dirname(directory));
  }
}

function importFrom(specifier) {
  const script = new vm.Script('(specifier) => import(specifier)', {
    filename: path.join(process.cwd(), '[eval]'),
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  return script.runInThisContext()(specifier);
}

/** Node warns once of what it means by `import()` here, though it is just what `node -e` means. */
async function importQuietly() {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    await importFrom('node:path');
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** The first use of anything costs many times what the next one does: what Node sets up or compiles lazily, it does here. */
async function exercise(own) {
  for (const name of OFTEN_USED) require(name);
  void globalThis.Headers; // loads what is behind `fetch`
  await useStreams();
  await fs.promises.readFile(__filename);
  await new Promise((resolve) => setTimeout(resolve, 1));
  practiseCode();
  for (let round = 0; round < TYPED_ROUNDS; round++) await practiseTyped();
  const before = performance.now();
  for (let round = 0; round < ROUNDS && performance.now() - before < MOST_MS; round++) {
    for (const work of own) await attempt(work);
  }
}

const OFTEN_USED = [
  ...[
    'assert',
    'async_hooks',
    'buffer',
    'child_process',
    'crypto',
    'dns',
    'events',
    'fs/promises',
    'http',
    'https',
    'net',
  ],
  ...['os', 'path', 'perf_hooks', 'querystring', 'readline', 'stream', 'stream/promises', 'string_decoder'],
  ...['timers/promises', 'tls', 'tty', 'url', 'util', 'v8', 'vm', 'worker_threads', 'zlib'],
];
const ROUNDS = 200;
const TYPED_ROUNDS = 4;
const MOST_MS = 2000;

async function attempt(work) {
  try {
    await work();
  } catch {
    // of no account: the step that needs it will say what is wrong
  }
}

/** What `process.stdout` and `process.stdin` are in a step. Our own are left alone: they would be the steps'. */
async function useStreams() {
  const [from, to] = core.pipe();
  const output = new net.Socket({ fd: to, readable: false, writable: true });
  const input = new net.Socket({ fd: from, readable: true, writable: false });
  const closed = new Promise((resolve) => input.on('close', resolve));
  const words = new console.Console(output, output);
  words.log('a text', 1, { object: [true] });
  words.error('%s', 'another');
  input.resume();
  output.end();
  await closed;
}

function practiseCode() {
  const before = new Set(Reflect.ownKeys(globalThis));
  runCode(['void 0']);
  for (const key of Reflect.ownKeys(globalThis)) if (!before.has(key)) delete globalThis[key];
  process.argv = [process.execPath];
}

async function practiseTyped() {
  forgetBuiltins();
  await attempt(() => typed.practise(core, { find, requireFromHere }));
  defineBuiltins();
}
