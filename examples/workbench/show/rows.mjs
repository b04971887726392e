// The first rows of a table as text, with what is needed to set them well. Names and values are the step's claim: escape them.
import { DataType } from 'apache-arrow';
import { grouped } from './text.mjs';

const MOST_COLUMNS = 24;
const MOST_DECIMALS = 3;
/** Of a number with decimals. */
const DIGITS = 6;

/** @returns {{ columns: { name: string, type: string, isNumber: boolean }[], rows: (string | null)[][], total: number, hidden: number }} */
export function firstRows(table, most) {
  const fields = table.schema.fields.slice(0, MOST_COLUMNS);
  const count = Math.min(table.numRows, most);
  const columns = fields.map(({ name, type }, index) => {
    const vector = table.getChildAt(index);
    const values = Array.from({ length: count }, (_, row) => vector.get(row));
    return { name, type: String(type), isNumber: isNumber(type), texts: textsOf(values, type) };
  });
  const rows = Array.from({ length: count }, (_, row) => columns.map(({ texts }) => texts[row]));
  return {
    columns: columns.map(({ texts: _, ...column }) => column),
    rows,
    total: table.numRows,
    hidden: table.schema.fields.length - fields.length,
  };
}

function isNumber(type) {
  return DataType.isInt(type) || DataType.isFloat(type) || DataType.isDecimal(type);
}

/** Numbers of a column have as many decimals as the one that needs most, so that their points stand below each other. */
function textsOf(values, type) {
  const map = (toText) => values.map((value) => (value === null ? null : toText(value)));
  if (!isNumber(type)) return map((value) => textOf(value, type));
  const decimals = DataType.isFloat(type) ? decimalsOf(values.filter((value) => Number.isFinite(value))) : 0;
  const plain = map((value) => (DataType.isFloat(type) ? floatText(value, decimals) : String(value)));
  // Years and small counts need no commas; where one number does, all have them.
  return plain.some((text) => /^-?\d{5}/.test(text ?? ''))
    ? plain.map((text) => (text === null ? null : grouped(text)))
    : plain;
}

function decimalsOf(values) {
  const largest = Math.max(0, ...values.map(Math.abs));
  const most = Math.min(MOST_DECIMALS, Math.max(1, DIGITS - String(Math.trunc(largest)).length));
  const needed = values.map((value) => (String(Number(value.toFixed(most))).split('.')[1] ?? '').length);
  return Math.max(0, ...needed);
}

function floatText(value, decimals) {
  const isFar = Math.abs(value) >= 1e15 || (value !== 0 && Math.abs(value) < 10 ** -MOST_DECIMALS);
  return Number.isFinite(value) && !isFar ? value.toFixed(decimals) : String(value);
}

function textOf(value, type) {
  if (DataType.isDate(type)) return new Date(Number(value)).toISOString().slice(0, 10);
  if (DataType.isTimestamp(type)) return new Date(Number(value)).toISOString().replace('T', ' ').replace('.000Z', '');
  return String(value);
}
