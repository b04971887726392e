import { test } from 'node:test';
import { expectTypeOf } from 'expect-type';
import type { Type } from 'protobufjs';
import {
  defineStep,
  type PlainValue,
  type StepRefusal,
  type StepReturn,
  type StepTable,
  type TypedStep,
  type Zygote,
} from 'spawn-sandbox';
import type { shop } from '../fixtures/messages/generated.js';

declare const zygote: Zygote;
declare const Order: typeof shop.Order;
declare const Lists: typeof shop.Lists;
declare const reflected: Type;

/** Never called: the compiler is what is tested. */
async function typed(): Promise<void> {
  const render = defineStep({ zygote, module: 'steps', function: 'render', params: Order, result: Lists });
  expectTypeOf(render).toEqualTypeOf<TypedStep<typeof shop.Order, typeof shop.Lists>>();
  const { message, tables, result } = await render({ name: 'x', id: 5n });
  expectTypeOf(message.h).toEqualTypeOf<bigint[]>();
  expectTypeOf(tables['output']).toEqualTypeOf<StepTable | undefined>();
  expectTypeOf(result.status).toEqualTypeOf<number>();
  // @ts-expect-error a name is no number
  render({ name: 1 });
  // @ts-expect-error there is no such field
  render({ nam: 'x' });
  // @ts-expect-error nor such an option
  render({ name: 'x' }, { timeout: 1 });
  // @ts-expect-error its streams are the library's
  render({ name: 'x' }, { stdin: 'pipe' });
  // @ts-expect-error a table is a path, bytes or a table
  render({ name: 'x' }, { tables: { input: 5 } });
  for await (const sent of render({}).messages) expectTypeOf(sent.c).toEqualTypeOf<number[]>();
  async function* many(): AsyncGenerator<{ name: string }> {
    yield await Promise.resolve({ name: 'x' });
  }
  expectTypeOf(render(many()).id).toBeString();

  const outcome = await render.try({});
  expectTypeOf(outcome).toEqualTypeOf<StepReturn<typeof shop.Lists> | StepRefusal>();
  if (!outcome.ok) expectTypeOf(outcome.failure?.traceback).toEqualTypeOf<string | undefined>();
}

async function untyped(): Promise<void> {
  const plain = defineStep({ zygote, code: '', function: 'run' });
  expectTypeOf((await plain({ column: 'price' })).message).toEqualTypeOf<PlainValue>();
  // @ts-expect-error no plain value is a date
  plain({ when: new Date() });

  const byType = defineStep({ zygote, code: '', function: 'run', params: reflected, result: reflected });
  expectTypeOf((await byType({ any: 1 })).message).toEqualTypeOf<Record<string, unknown>>();

  const said = defineStep<{ column: string }, { rows: number }>({ zygote, code: '', function: 'run' });
  expectTypeOf((await said({ column: 'price' })).message).toEqualTypeOf<{ rows: number }>();
  // @ts-expect-error a column has a name
  said({ column: 1 });
}

void test('what is wrong does not compile', () => {
  expectTypeOf(typed).toBeFunction();
  expectTypeOf(untyped).toBeFunction();
});
