import { loadAddon, requireLinux } from '../spawner/locate.js';
import { invalidOption } from '../options/check.js';
import { isTyped, type ResolvedDefinition, resolveCall, resolveDefinition } from './definition.js';
import { mapEach } from './map-each.js';
import { Call } from './running-call.js';
import type { Params } from './start.js';
import type { CallOptions, ParamsInput, StepDefinition, TypedStep } from './types.js';

/**
 * Names a function that is to run in steps of a zygote: a call sends it parameters and tables, and resolves to the message and tables
 * that it returns. Whatever it returns is checked before the app sees it, and is its claim all the same.
 *
 * @throws SandboxError `ERR_INVALID_OPTION`
 */
export function defineStep<P = undefined, R = undefined>(definition: StepDefinition<P, R>): TypedStep<P, R> {
  requireLinux();
  const resolved = resolveDefinition(definition);
  const call = (params: ParamsInput<P>, options?: CallOptions): Call<R> => begin<R>(resolved, params, options);
  return Object.assign(call, {
    try: async (params: ParamsInput<P>, options?: CallOptions) => call(params, options).outcome(),
  });
}

function begin<R>(definition: ResolvedDefinition, params: unknown, options: unknown): Call<R> {
  const resolved = resolveCall(definition, options);
  if (!isTyped(definition.target) && isAsyncIterable(params)) {
    throw invalidOption('params', "must be one value for a command with protocol: 'none'");
  }
  return new Call<R>(definition, encoded(definition, params), resolved, loadAddon());
}

function encoded({ params: codec }: ResolvedDefinition, params: unknown): Params {
  if (!isAsyncIterable(params)) return { payload: codec.encode(params), value: params };
  return { payloads: mapEach(params, (one) => codec.encode(one)) };
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
