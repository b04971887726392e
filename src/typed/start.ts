import type { Input, SandboxOptions } from '../options/sandbox-options.js';
import { spawnWith } from '../spawn-sandbox.js';
import type { Further } from '../step/further.js';
import type { RunningStep } from '../step/running-step.js';
import { spawnInZygote } from '../zygote/zygote.js';
import type { CommandTarget, FunctionTarget, ResolvedCall, ResolvedDefinition } from './definition.js';
import type { Listening } from './listening.js';
import { mapEach } from './map-each.js';
import type { Payload } from './messages/from-step.js';
import { encodeCall, encodeParams } from './messages/to-step.js';
import type { InputFile } from './tables/inputs.js';
import type { Outputs } from './tables/outputs.js';

/** One message, or one after another. */
export type Params =
  | { readonly payload: Payload; /** As it was given. */ readonly value: unknown }
  | { readonly payloads: AsyncIterable<Payload> };

/** All that a step is started with. */
export interface CallFacts {
  readonly definition: ResolvedDefinition;
  readonly options: ResolvedCall;
  readonly params: Params;
  readonly inputs: readonly InputFile[];
  readonly outputs: Outputs;
  /** It hears what is printed past the language. */
  readonly listening: Listening;
}

/** This version of proto/step.proto. */
const CONTRACT_VERSION = 1;
/** Descriptors of a step of a zygote beyond the standard ones: the pipe behind its descriptor 1, inputs, outputs. */
const LOG_DESCRIPTOR = 0;
const JOB = ['typed', String(LOG_DESCRIPTOR)].map((text) => Buffer.from(text));
/** The first number of a command's, which has inputs and outputs only. */
const FIRST_OF_COMMAND = 3;
/** What can be the name of a variable. */
const IDENTIFIER = /^[A-Za-z_]\w*$/;

/** Sends the step on its way. */
export function startStep(facts: CallFacts): RunningStep {
  const { target } = facts.definition;
  const files: Further[] = [
    ...facts.inputs.map(({ descriptor, readOnly }): Further => ({
      kind: readOnly ? 'readOnlyFile' : 'file',
      descriptor,
    })),
    ...facts.outputs.descriptors.map((descriptor): Further => ({ kind: 'file', descriptor })),
  ];
  return 'zygote' in target ? fork(target, facts, files) : spawn(target, facts, files);
}

function fork(target: FunctionTarget, facts: CallFacts, files: readonly Further[]): RunningStep {
  const { listening } = facts;
  const log: Further = {
    kind: 'pipe',
    onOpen: (flow) => {
      listening.openPrints(flow);
    },
    onData: (chunk) => {
      if (chunk !== null) listening.print('stdout', chunk);
    },
  };
  const input = frames(facts, LOG_DESCRIPTOR + 1, target);
  const { inside } = facts.options;
  const options = { ...sandboxOptions(facts, input), ...(inside === undefined ? {} : { sandbox: inside }) };
  return spawnInZygote(target.zygote, JOB, options, [log, ...files]);
}

function spawn(target: CommandTarget, facts: CallFacts, files: readonly Further[]): RunningStep {
  const names = [...facts.inputs, ...facts.definition.outputs].map(({ name }) => name);
  const paths = names.map((name, index) => [name, `/proc/self/fd/${FIRST_OF_COMMAND + index}`] as const);
  const named = paths.filter(([name]) => IDENTIFIER.test(name)).map(([name, path]) => [`TABLE_${name}`, path] as const);
  const options = sandboxOptions(facts, target.isTyped ? frames(facts, 0) : json(facts.params));
  const env = { ...Object.fromEntries(named), ...options.env };
  return spawnWith(target.command, target.args(Object.fromEntries(paths)), { ...options, env }, files);
}

function sandboxOptions({ definition, options }: CallFacts, input: Input): SandboxOptions {
  const fileSize = Math.max(...definition.outputs.map(({ limits }) => limits.maxBytes));
  return {
    ...options.sandbox,
    // Nothing else bounds what a file in memory may grow to where the spawner cannot count it.
    ...(definition.outputs.length === 0 ? {} : { limits: { fileSize, ...options.sandbox.limits } }),
    collect: false,
    input,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

/** For a command that knows no frames. */
function json(params: Params): Input {
  return 'payload' in params && params.value !== undefined ? JSON.stringify(params.value) : '';
}

/** `first`: the number of the first table among the descriptors. */
function frames({ definition, params, inputs }: CallFacts, first: number, target?: FunctionTarget): Input {
  const call = encodeCall({
    version: CONTRACT_VERSION,
    ...(target === undefined
      ? {}
      : { module: target.module, file: target.file, code: target.code, function: target.function }),
    params: 'payload' in params ? params.payload : undefined,
    streaming: 'payloads' in params,
    paramsType: definition.params.typeName,
    resultType: definition.result.typeName,
    inputs: inputs.map(({ name, bytes }, index) => ({ name, descriptor: first + index, bytes })),
    outputs: definition.outputs.map(({ name }, index) => ({ name, descriptor: first + inputs.length + index })),
    logDescriptor: LOG_DESCRIPTOR,
    maxFrameBytes: definition.maxFrameBytes,
  });
  return 'payload' in params ? call : mapEach(params.payloads, encodeParams, [call]);
}
