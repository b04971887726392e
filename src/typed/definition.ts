import { invalidOption, expectInteger, expectObject, expectText } from '../options/check.js';
import { OPTION_NAMES } from '../options/resolve.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { checkSignal } from '../options/signal.js';
import { show } from '../show.js';
import { type Limits, resolveLimits } from '../tables/limits.js';
import { parseDuration, parseSize } from '../units.js';
import { isZygote, type Zygote } from '../zygote/zygote.js';
import { codecOf, type MessageCodec } from './messages/codec.js';

/** A table that the step may return; without a name, one of any name. */
export interface OutputSlot {
  readonly name: string;
  readonly limits: Limits;
  readonly optional: boolean;
}

/** A definition with every default filled in. */
export interface ResolvedDefinition {
  readonly zygote: Zygote;
  readonly module: string;
  readonly file: string;
  readonly code: string;
  readonly function: string;
  readonly params: MessageCodec;
  readonly result: MessageCodec;
  readonly outputs: readonly OutputSlot[];
  readonly maxFrameBytes: number;
  readonly maxMessages: number;
  /** Milliseconds. */
  readonly messageTimeout: number;
  readonly sandbox: SandboxOptions;
  /** Names the step in errors. */
  readonly title: string;
}

export interface ResolvedCall {
  readonly sandbox: SandboxOptions;
  readonly tables: readonly (readonly [name: string, source: unknown])[];
  readonly freeze: boolean;
  readonly signal: AbortSignal | undefined;
}

const OWN_NAMES = [
  ...['zygote', 'module', 'file', 'code', 'function', 'params', 'result', 'outputs'],
  ...['maxMessageBytes', 'maxMessages', 'maxElements', 'messageTimeout'],
];
const CALL_NAMES = ['tables', 'freeze', 'signal'];
const NOT_HERE = ['input', 'stdin', 'stdout', 'stderr', 'encoding', 'reject', 'terminal', 'signal'];
const SANDBOX_NAMES = OPTION_NAMES.filter((name) => !NOT_HERE.includes(name));

const DEFAULT_MESSAGE = 256 * 2 ** 10;
const MOST_MESSAGE = 64 * 2 ** 20;
const LEAST_MESSAGE = 2 ** 10;
const DEFAULT_TIMEOUT = 10_000;
/** Of messages; protobuf's own libraries take 100. */
const MOST_DEPTH = 64;
/** Tables of any name. */
const UNDECLARED = 4;
/** Inputs and outputs of one call, each: they are descriptors, of which a message to the spawner takes 32. */
const MOST_TABLES = 15;

/** @throws SandboxError `ERR_INVALID_OPTION` */
export function resolveDefinition(definition: unknown): ResolvedDefinition {
  const given = expectObject(definition, 'options', [...OWN_NAMES, ...SANDBOX_NAMES]);
  const places = ['module', 'file', 'code'].filter((name) => given[name] !== undefined);
  if (places.length !== 1) throw invalidOption('definition', "must have exactly one of 'module', 'file' and 'code'");
  if (!isZygote(given['zygote'])) {
    throw invalidOption('zygote', `must be what createZygote() resolved to, and is ${show(given['zygote'])}`);
  }
  const text = (name: string): string => (given[name] === undefined ? '' : expectText(given[name], name));
  const maxElements = integer(given, 'maxElements', 100_000, 10_000_000);
  const bounds = { maxDepth: MOST_DEPTH, maxElements };
  return {
    zygote: given['zygote'],
    module: text('module'),
    file: text('file'),
    code: text('code'),
    function: expectText(given['function'], 'function'),
    params: codecOf(given['params'], 'params', bounds),
    result: codecOf(given['result'], 'result', bounds),
    outputs: resolveOutputs(given['outputs']),
    maxFrameBytes: messageLimit(given['maxMessageBytes']),
    maxMessages: integer(given, 'maxMessages', 100_000, 2 ** 31 - 1),
    messageTimeout:
      given['messageTimeout'] === undefined
        ? DEFAULT_TIMEOUT
        : parseDuration(given['messageTimeout'], 'messageTimeout'),
    sandbox: sandboxOf(given),
    title: `${text('module') || text('file') || 'code'}.${text('function')}`,
  };
}

/** @throws SandboxError `ERR_INVALID_OPTION` */
export function resolveCall(options: unknown): ResolvedCall {
  const given = expectObject(options, 'options', [...CALL_NAMES, ...SANDBOX_NAMES]);
  const { freeze = false, tables } = given;
  if (typeof freeze !== 'boolean') throw invalidOption('freeze', `must be true or false, and is ${show(freeze)}`);
  const named = tables === undefined ? [] : Object.entries(plainObject(tables, 'tables'));
  if (named.length > MOST_TABLES)
    throw invalidOption('tables', `must be at most ${MOST_TABLES}, and are ${named.length}`);
  return { sandbox: sandboxOf(given), tables: named, freeze, signal: checkSignal(given['signal']) };
}

function sandboxOf(given: Readonly<Record<string, unknown>>): SandboxOptions {
  return Object.fromEntries(Object.entries(given).filter(([name]) => (SANDBOX_NAMES as string[]).includes(name)));
}

function resolveOutputs(option: unknown): readonly OutputSlot[] {
  if (option === undefined) {
    return Array.from({ length: UNDECLARED }, () => ({ name: '', limits: resolveLimits({}), optional: true }));
  }
  const declared = Array.isArray(option)
    ? option.map((name): [unknown, unknown] => [name, {}])
    : Object.entries(plainObject(option, 'outputs'));
  if (declared.length > MOST_TABLES) {
    throw invalidOption('outputs', `must be at most ${MOST_TABLES}, and are ${declared.length}`);
  }
  return declared.map(([name, of]) => resolveOutput(expectText(name, 'outputs'), of));
}

function resolveOutput(name: string, option: unknown): OutputSlot {
  const { optional = false, ...limits } = plainObject(option, `outputs.${name}`);
  if (typeof optional !== 'boolean') {
    throw invalidOption(`outputs.${name}.optional`, `must be true or false, and is ${show(optional)}`);
  }
  return { name, limits: resolveLimits(limits), optional };
}

function plainObject(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidOption(name, `must be an object, and is ${show(value)}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function messageLimit(option: unknown): number {
  if (option === undefined) return DEFAULT_MESSAGE;
  const bytes = parseSize(option, 'maxMessageBytes');
  if (bytes < LEAST_MESSAGE || bytes > MOST_MESSAGE) {
    throw invalidOption('maxMessageBytes', `must be from 1 KiB to 64 MiB, and is ${show(option)}`);
  }
  return bytes;
}

function integer(given: Readonly<Record<string, unknown>>, name: string, otherwise: number, most: number): number {
  return given[name] === undefined ? otherwise : expectInteger(given[name], name, 0, most);
}
