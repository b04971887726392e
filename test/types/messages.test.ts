import { test } from 'node:test';
import { expectTypeOf } from 'expect-type';
import type { Message, Type } from 'protobufjs';
import type { ParamsOf, PlainParams, PlainValue, ResultOf } from '#src/typed/messages/types.js';
import type { shop } from '../fixtures/messages/generated.js';

type Order = typeof shop.Order;
declare class Filter extends Message<Filter> {
  column: string;
  min: number;
}

declare function render(params: ParamsOf<Order>): void;
declare function filter(params: ParamsOf<typeof Filter>): void;

void test('parameters of a generated class are as wide as what is taken', () => {
  expectTypeOf<{ name: 'x'; id: 5n }>().toExtend<ParamsOf<Order>>();
  expectTypeOf<{ id: '5'; counts: { a: 1n; b: 2 } }>().toExtend<ParamsOf<Order>>();
  expectTypeOf<{ parts: [{ parts: []; point: { x: 1 } }]; left: null }>().toExtend<ParamsOf<Order>>();
  expectTypeOf<{ numbers: { o: Uint8Array; h: { low: number; high: number; unsigned: boolean } } }>().toExtend<
    ParamsOf<Order>
  >();
  expectTypeOf<{ name: 5 }>().not.toExtend<ParamsOf<Order>>();
  expectTypeOf<{ parts: [{ id: true }] }>().not.toExtend<ParamsOf<Order>>();
  expectTypeOf<keyof ParamsOf<Order>>().toEqualTypeOf<
    | 'name'
    | 'id'
    | 'state'
    | 'point'
    | 'parts'
    | 'counts'
    | 'numbers'
    | 'left'
    | 'right'
    | 'middle'
    | 'maybe'
    | 'createdBy'
    | 'choice'
  >();
});

void test('results of a generated class are as they are delivered', () => {
  expectTypeOf<ResultOf<Order>['name']>().toEqualTypeOf<string>();
  expectTypeOf<ResultOf<Order>['id']>().toEqualTypeOf<bigint>();
  expectTypeOf<ResultOf<Order>['counts']>().toEqualTypeOf<{ [key: string]: bigint }>();
  expectTypeOf<ResultOf<typeof shop.Lists>['h']>().toEqualTypeOf<bigint[]>();
  expectTypeOf<ResultOf<typeof shop.Lists>['c']>().toEqualTypeOf<number[]>();
  expectTypeOf<ResultOf<typeof shop.Numbers>['o']>().toEqualTypeOf<Uint8Array>();
  expectTypeOf<NonNullable<ResultOf<Order>['numbers']>['i']>().toEqualTypeOf<bigint | null | undefined>();
  expectTypeOf<ResultOf<Order>>().not.toHaveProperty('toJSON');
  expectTypeOf<ResultOf<Order>>().not.toHaveProperty('$unknowns');
});

void test('other types of messages', () => {
  expectTypeOf<ParamsOf<typeof Filter>>().toEqualTypeOf<{ readonly column?: string; readonly min?: number }>();
  expectTypeOf<ResultOf<typeof Filter>>().toEqualTypeOf<{ column: string; min: number }>();
  expectTypeOf<ParamsOf<Type>>().toEqualTypeOf<Readonly<Record<string, unknown>>>();
  expectTypeOf<ResultOf<Type>>().toEqualTypeOf<Record<string, unknown>>();
  expectTypeOf<ParamsOf<undefined>>().toEqualTypeOf<PlainParams>();
  expectTypeOf<ResultOf<undefined>>().toEqualTypeOf<PlainValue>();
  expectTypeOf<{ rows: [1, 'a', null, { deep: undefined }] }>().toExtend<PlainParams>();
  expectTypeOf<{ when: Date }>().not.toExtend<PlainParams>();
  expectTypeOf<ParamsOf<{ readonly rows: number }>>().toEqualTypeOf<{ readonly rows: number }>();
});

void test('a mistyped name does not compile', () => {
  const never = (): void => {
    // @ts-expect-error there is no such field
    render({ nam: 'x' });
    // @ts-expect-error nor in a message within
    render({ point: { z: 1 } });
    // @ts-expect-error a string is no double
    render({ point: { y: '1' } });
    // @ts-expect-error there is no such field
    filter({ colum: 'x' });
    render({ name: 'x', id: 5n, parts: [{ id: '7' }], counts: { a: 1n } });
    filter({ column: 'x' });
  };
  expectTypeOf(never).toBeFunction();
});
