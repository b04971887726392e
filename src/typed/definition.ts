import {
  expectArray,
  expectInteger,
  expectObject,
  expectOneOf,
  expectRecord,
  expectText,
  invalidOption,
} from '../options/check.js';
import { OPTION_NAMES, resolveFlag } from '../options/resolve.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { refuseOfTheSandbox } from '../sandbox/plans.js';
import { expectSandbox } from '../sandbox/living-sandbox.js';
import type { Sandbox } from '../sandbox/types.js';
import { checkSignal } from '../options/signal.js';
import { show } from '../show.js';
import { type Limits, resolveLimits } from '../tables/limits.js';
import { parseDuration, parseSize } from '../units.js';
import { mergeOptions } from '../options/merge.js';
import { isZygote, type Zygote } from '../zygote/zygote.js';
import { codecOf, type MessageCodec } from './messages/codec.js';

/** A table that the step may return; without a name, one of any name. */
export interface OutputSlot {
  readonly name: string;
  readonly limits: Limits;
  readonly optional: boolean;
}

/** A function in a step of a zygote: one of `module`, `file` and `code` is not empty. */
export interface FunctionTarget {
  readonly zygote: Zygote;
  readonly module: string;
  readonly file: string;
  readonly code: string;
  readonly function: string;
}

/** A program of its own. */
export interface CommandTarget {
  readonly command: string;
  readonly args: (paths: Readonly<Record<string, string>>) => readonly string[];
  /** It is called and answers as proto/step.proto has it. */
  readonly isTyped: boolean;
}

/** A definition with every default filled in. */
export interface ResolvedDefinition {
  readonly target: FunctionTarget | CommandTarget;
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
  /** Those of the definition included. */
  readonly sandbox: SandboxOptions;
  readonly tables: readonly (readonly [name: string, source: unknown])[];
  readonly freeze: boolean;
  readonly signal: AbortSignal | undefined;
  /** One that lives, if it is to run there. */
  readonly inside: Sandbox | undefined;
}

const OWN_NAMES = [
  ...['zygote', 'module', 'file', 'code', 'function', 'command', 'args', 'protocol'],
  ...['params', 'result', 'outputs'],
  ...['maxMessageBytes', 'maxMessages', 'maxElements', 'messageTimeout'],
];
const CALL_NAMES = ['tables', 'freeze', 'signal', 'sandbox'];
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
  const target = given['command'] === undefined ? functionTarget(given) : commandTarget(given);
  const maxElements = integer(given, 'maxElements', 100_000, 10_000_000);
  const bounds = { maxDepth: MOST_DEPTH, maxElements };
  return {
    target,
    params: codecOf(given['params'], 'params', bounds),
    result: codecOf(given['result'], 'result', bounds),
    outputs: resolveOutputs(given['outputs'], isTyped(target) ? UNDECLARED : 0),
    maxFrameBytes: messageLimit(given['maxMessageBytes']),
    maxMessages: integer(given, 'maxMessages', 100_000, 2 ** 31 - 1),
    messageTimeout:
      given['messageTimeout'] === undefined
        ? DEFAULT_TIMEOUT
        : parseDuration(given['messageTimeout'], 'messageTimeout'),
    sandbox: sandboxOf(given),
    title: titleOf(target),
  };
}

/** It speaks proto/step.proto; else what it prints is all that it says. */
export function isTyped(target: FunctionTarget | CommandTarget): boolean {
  return 'zygote' in target || target.isTyped;
}

function functionTarget(given: Readonly<Record<string, unknown>>): FunctionTarget {
  refuse(given, ['args', 'protocol'], "goes with 'command' only");
  const places = ['module', 'file', 'code'].filter((name) => given[name] !== undefined);
  if (places.length !== 1) throw invalidOption('definition', "must have exactly one of 'module', 'file' and 'code'");
  if (!isZygote(given['zygote'])) {
    throw invalidOption('zygote', `must be what createZygote() resolved to, and is ${show(given['zygote'])}`);
  }
  const text = (name: string): string => (given[name] === undefined ? '' : expectText(given[name], name));
  return {
    zygote: given['zygote'],
    ...{ module: text('module'), file: text('file'), code: text('code') },
    function: expectText(given['function'], 'function'),
  };
}

function commandTarget(given: Readonly<Record<string, unknown>>): CommandTarget {
  refuse(given, ['zygote', 'module', 'file', 'code', 'function'], "does not go with 'command'");
  const target = {
    command: expectText(given['command'], 'command'),
    args: argumentsOf(given['args']),
    isTyped: expectOneOf(given['protocol'] ?? 'none', 'protocol', ['none', 'frames']) === 'frames',
  };
  if (!target.isTyped) refuse(given, ['params', 'result'], "goes with protocol: 'frames', or with a zygote");
  return target;
}

function argumentsOf(option: unknown): CommandTarget['args'] {
  if (typeof option === 'function') return option as CommandTarget['args'];
  const args = expectArray(option, 'args') as string[];
  return () => args;
}

function refuse(given: Readonly<Record<string, unknown>>, names: readonly string[], why: string): void {
  const wrong = names.find((name) => given[name] !== undefined);
  if (wrong !== undefined) throw invalidOption(wrong, why);
}

function titleOf(target: FunctionTarget | CommandTarget): string {
  if ('command' in target) return target.command;
  return `${target.module || target.file || 'code'}.${target.function}`;
}

/** @throws SandboxError `ERR_INVALID_OPTION` */
export function resolveCall(definition: ResolvedDefinition, options: unknown): ResolvedCall {
  const given = expectObject(options, 'options', [...CALL_NAMES, ...SANDBOX_NAMES]);
  const { tables } = given;
  const named = tables === undefined ? [] : Object.entries(expectRecord(tables, 'tables'));
  if (named.length > MOST_TABLES)
    throw invalidOption('tables', `must be at most ${MOST_TABLES}, and are ${named.length}`);
  const sandbox = mergeOptions(definition.sandbox, sandboxOf(given));
  return {
    sandbox,
    tables: named,
    freeze: resolveFlag(given['freeze'], 'freeze'),
    signal: checkSignal(given['signal']),
    inside: resolveInside(definition, given['sandbox'], sandbox),
  };
}

function resolveInside({ target }: ResolvedDefinition, option: unknown, own: SandboxOptions): Sandbox | undefined {
  if (option === undefined) return undefined;
  if (!('zygote' in target)) throw invalidOption('sandbox', "goes with a definition that has a 'zygote' only");
  refuseOfTheSandbox(own);
  return expectSandbox(option, 'sandbox');
}

function sandboxOf(given: Readonly<Record<string, unknown>>): SandboxOptions {
  return Object.fromEntries(Object.entries(given).filter(([name]) => (SANDBOX_NAMES as string[]).includes(name)));
}

function resolveOutputs(option: unknown, undeclared: number): readonly OutputSlot[] {
  if (option === undefined) {
    return Array.from({ length: undeclared }, () => ({ name: '', limits: resolveLimits({}), optional: true }));
  }
  const declared = Array.isArray(option)
    ? option.map((name): [unknown, unknown] => [name, {}])
    : Object.entries(expectRecord(option, 'outputs'));
  if (declared.length > MOST_TABLES) {
    throw invalidOption('outputs', `must be at most ${MOST_TABLES}, and are ${declared.length}`);
  }
  return declared.map(([name, of]) => resolveOutput(expectText(name, 'outputs'), of));
}

function resolveOutput(name: string, option: unknown): OutputSlot {
  const { optional, ...limits } = expectRecord(option, `outputs.${name}`);
  return { name, limits: resolveLimits(limits), optional: resolveFlag(optional, `outputs.${name}.optional`) };
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
