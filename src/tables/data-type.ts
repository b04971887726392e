import type { DataType, Field, Layout, Rule } from './field.js';
import type { Flatbuffer, Table } from './flatbuffer.js';
import type { Refusal } from './refusal.js';

/** What a field says of its type: the table of its parameters, and the fields below it. */
interface Declared {
  readonly parameters: Table;
  readonly children: readonly Field[];
  readonly refuse: (problem: string) => Refusal;
}

type Maker = (declared: Declared) => DataType;

/** The types of the format, by their numbers in its union. */
const MAKERS: Readonly<Record<number, Maker>> = {
  1: () => plain('null', 'null', 0),
  2: integer,
  3: floatingPoint,
  4: () => plain('binary', 'binary', 0),
  5: () => text('binary', 'string'),
  6: () => plain('bool', 'bool', 0),
  7: decimal,
  8: date,
  9: time,
  10: timestamp,
  11: interval,
  12: (declared) => list(declared, 'list', 'list'),
  13: struct,
  14: union,
  15: fixedSizeBinary,
  16: fixedSizeList,
  17: map,
  18: duration,
  19: () => plain('largeBinary', 'large_binary', 0),
  20: () => text('largeBinary', 'large_string'),
  21: (declared) => list(declared, 'largeList', 'large_list'),
  22: runEndEncoded,
  23: () => plain('view', 'binary_view', 0),
  24: () => text('view', 'string_view'),
  25: (declared) => list(declared, 'listView', 'list_view'),
  26: (declared) => list(declared, 'largeListView', 'large_list_view'),
};

const NESTED: ReadonlySet<Layout> = new Set<Layout>([
  'list',
  'largeList',
  'listView',
  'largeListView',
  'fixedSizeList',
  'struct',
  'map',
  'sparseUnion',
  'denseUnion',
  'runEndEncoded',
]);

const UNITS = ['s', 'ms', 'us', 'ns'];
const PER_SECOND = [1, 1e3, 1e6, 1e9];
const SECONDS_OF_A_DAY = 86_400;
/** Characters; the longest name of a zone has 30. */
const LONGEST_ZONE = 100;

/** @param number of the type in the format's union */
export function dataType(number: number, parameters: Table, children: readonly Field[], buffer: Flatbuffer): DataType {
  const refuse = (problem: string): Refusal => buffer.refusal(problem);
  const make = MAKERS[number];
  if (make === undefined) throw refuse(`type ${number} is unknown`);
  const made = make({ parameters, children, refuse });
  if (children.length > 0 && !NESTED.has(made.layout)) throw refuse(`${made.text} has fields below it`);
  return made;
}

/** A name as part of a type's text: quoted where it could be taken for something else than a name. */
export function nameInType(name: string): string {
  return /^[\p{L}\p{M}\p{N} _.$/-]*$/u.test(name) ? name : JSON.stringify(name);
}

function plain(layout: Layout, name: string, size: number, rule?: Rule): DataType {
  return { layout, text: name, size, rule, utf8: false, children: [], typeIds: [] };
}

function text(layout: Layout, name: string): DataType {
  return { ...plain(layout, name, 0), utf8: true };
}

function nested(layout: Layout, name: string, children: readonly Field[], size = 0): DataType {
  return { ...plain(layout, name, size), children };
}

function integer({ parameters, refuse }: Declared): DataType {
  const { bytes, signed } = integerParameters(parameters, refuse);
  return plain('fixed', `${signed ? '' : 'u'}int${bytes * 8}`, bytes);
}

export function integerParameters(
  parameters: Table,
  refuse: (problem: string) => Refusal,
): { readonly bytes: number; readonly signed: boolean } {
  const bits = parameters.int(0, 0);
  if (![8, 16, 32, 64].includes(bits)) throw refuse(`an integer of ${bits} bits`);
  return { bytes: bits / 8, signed: parameters.bool(1) };
}

function floatingPoint({ parameters, refuse }: Declared): DataType {
  const precision = parameters.short(0, 0);
  const name = ['halffloat', 'float', 'double'][precision];
  if (name === undefined) throw refuse(`a floating point number of precision ${precision}`);
  return plain('fixed', name, 2 << precision);
}

/** Most digits that fit, by bits. */
const DIGITS: Readonly<Record<number, number>> = { 32: 9, 64: 18, 128: 38, 256: 76 };

function decimal({ parameters, refuse }: Declared): DataType {
  const precision = parameters.int(0, 0);
  const scale = parameters.int(1, 0);
  const bits = parameters.int(2, 128);
  const most = DIGITS[bits];
  if (most === undefined) throw refuse(`a decimal of ${bits} bits`);
  if (precision < 1 || precision > most) throw refuse(`a decimal of ${bits} bits with ${precision} digits`);
  return plain('fixed', `decimal${bits}(${precision}, ${scale})`, bits / 8, { kind: 'decimal', precision });
}

function date({ parameters, refuse }: Declared): DataType {
  const unit = parameters.short(0, 1);
  if (unit === 0) return plain('fixed', 'date32[day]', 4);
  if (unit === 1) return plain('fixed', 'date64[ms]', 8, { kind: 'days' });
  throw refuse(`a date with unit ${unit}`);
}

function timeUnit(parameters: Table, otherwise: number, refuse: (problem: string) => Refusal): number {
  const unit = parameters.short(0, otherwise);
  if (UNITS[unit] === undefined) throw refuse(`a time with unit ${unit}`);
  return unit;
}

function time({ parameters, refuse }: Declared): DataType {
  const unit = timeUnit(parameters, 1, refuse);
  const bits = parameters.int(1, 32);
  if (bits !== (unit < 2 ? 32 : 64)) throw refuse(`a time of day in ${UNITS[unit] ?? ''} with ${bits} bits`);
  const limit = SECONDS_OF_A_DAY * (PER_SECOND[unit] ?? 0);
  return plain('fixed', `time${bits}[${UNITS[unit] ?? ''}]`, bits / 8, { kind: 'time', limit });
}

function timestamp({ parameters, refuse }: Declared): DataType {
  const unit = UNITS[timeUnit(parameters, 0, refuse)] ?? '';
  const zone = parameters.text(1) ?? '';
  if (zone.length > LONGEST_ZONE) throw refuse(`a time zone of ${zone.length} characters`);
  const shown = /^[\w+\-/:]*$/.test(zone) ? zone : JSON.stringify(zone);
  return plain('fixed', zone === '' ? `timestamp[${unit}]` : `timestamp[${unit}, tz=${shown}]`, 8);
}

function duration({ parameters, refuse }: Declared): DataType {
  return plain('fixed', `duration[${UNITS[timeUnit(parameters, 1, refuse)] ?? ''}]`, 8);
}

function interval({ parameters, refuse }: Declared): DataType {
  const unit = parameters.short(0, 0);
  const name = ['month_interval', 'day_time_interval', 'month_day_nano_interval'][unit];
  if (name === undefined) throw refuse(`an interval with unit ${unit}`);
  return plain('fixed', name, 4 << unit);
}

function fixedSizeBinary({ parameters, refuse }: Declared): DataType {
  const size = parameters.int(0, 0);
  if (size < 0) throw refuse(`binary values of ${size} bytes`);
  return plain('fixed', `fixed_size_binary[${size}]`, size);
}

function only({ children, refuse }: Declared, what: string): Field {
  const [child] = children;
  if (child === undefined || children.length !== 1) throw refuse(`${what} of ${children.length} fields`);
  return child;
}

function list(declared: Declared, layout: Layout, name: string): DataType {
  const child = only(declared, `a ${name}`);
  return nested(layout, `${name}<${fieldText(child)}>`, declared.children);
}

function fixedSizeList(declared: Declared): DataType {
  const child = only(declared, 'a fixed_size_list');
  const size = declared.parameters.int(0, 0);
  if (size < 0) throw declared.refuse(`lists of ${size} values`);
  return nested('fixedSizeList', `fixed_size_list<${fieldText(child)}>[${size}]`, declared.children, size);
}

function struct({ children }: Declared): DataType {
  return nested('struct', `struct<${children.map(fieldText).join(', ')}>`, children);
}

function map(declared: Declared): DataType {
  const entries = only(declared, 'a map');
  const [key, value] = entries.type.children;
  if (entries.type.layout !== 'struct' || key === undefined || value === undefined) {
    throw declared.refuse('the entries of a map are not pairs');
  }
  if (entries.type.children.length !== 2) throw declared.refuse('the entries of a map are not pairs');
  if (entries.nullable || entries.dictionary !== undefined) throw declared.refuse('a map has nullable entries');
  if (key.nullable) throw declared.refuse('a map has nullable keys');
  const sorted = declared.parameters.bool(0) ? ', keys_sorted' : '';
  const pair = `${key.text}${unusual(key, 'key')}, ${value.text}${unusual(value, 'value')}`;
  return nested('map', `map<${pair}${sorted}${unusual(entries, 'entries')}>`, declared.children);
}

function unusual({ name }: Field, usual: string): string {
  return name === usual ? '' : ` ('${nameInType(name)}')`;
}

/** Type ids are bytes, and none is negative. */
const TYPE_IDS = 128;

function union({ parameters, children, refuse }: Declared): DataType {
  const mode = parameters.short(0, 0);
  if (mode !== 0 && mode !== 1) throw refuse(`a union of mode ${mode}`);
  if (children.length > TYPE_IDS) throw refuse(`a union of ${children.length} types`);
  const typeIds = unionTypeIds(parameters, children.length, refuse);
  const shown = children.map((child, index) => `${fieldText(child)}=${typeIds[index] ?? ''}`).join(', ');
  const made = nested(mode === 0 ? 'sparseUnion' : 'denseUnion', '', children);
  return { ...made, text: `${mode === 0 ? 'sparse' : 'dense'}_union<${shown}>`, typeIds };
}

function unionTypeIds(parameters: Table, count: number, refuse: (problem: string) => Refusal): readonly number[] {
  // The format lets them be left out, as nobody does, and apache-arrow then finds no child.
  if (!parameters.has(1)) throw refuse('a union without type ids');
  const ids = parameters.vector(1, 4, 4);
  if (ids.count !== count) throw refuse(`a union of ${count} types has ${ids.count} type ids`);
  const all = new Set<number>();
  for (let index = 0; index < count; index++) {
    const id = parameters.buffer.view.getInt32(ids.at + 4 * index, true);
    if (id < 0 || id >= TYPE_IDS || all.has(id)) throw refuse(`a union has the type id ${id}`);
    all.add(id);
  }
  return [...all];
}

function runEndEncoded({ children, refuse }: Declared): DataType {
  const [ends, values] = children;
  if (ends === undefined || values === undefined || children.length !== 2) {
    throw refuse(`a run_end_encoded of ${children.length} fields`);
  }
  if (!['int16', 'int32', 'int64'].includes(ends.text)) throw refuse(`run ends of type ${ends.text}`);
  return nested('runEndEncoded', `run_end_encoded<run_ends: ${ends.text}, values: ${values.text}>`, children);
}

function fieldText({ name, text: type, nullable }: Field): string {
  return `${nameInType(name)}: ${type}${nullable ? '' : ' not null'}`;
}
