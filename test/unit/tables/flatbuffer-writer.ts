/** A field of a table: a number of some bytes, or something that the table has an offset to. */
export type Cell =
  | { readonly bytes: 1 | 2 | 4 | 8; readonly value: number }
  | { readonly table: readonly (Cell | undefined)[] }
  | { readonly text: string | Uint8Array }
  | { readonly tables: readonly Cell[] }
  | { readonly elements: Uint8Array; readonly count: number };

export const byte = (value: number): Cell => ({ bytes: 1, value });
export const short = (value: number): Cell => ({ bytes: 2, value });
export const int = (value: number): Cell => ({ bytes: 4, value });
export const long = (value: number): Cell => ({ bytes: 8, value });
export const text = (value: string | Uint8Array): Cell => ({ text: value });
export const table = (...cells: readonly (Cell | undefined)[]): Cell => ({ table: cells });
export const tables = (...cells: readonly Cell[]): Cell => ({ tables: cells });

export function ints(...values: readonly number[]): Cell {
  return { elements: new Uint8Array(Int32Array.from(values).buffer), count: values.length };
}

/** Of structs of `each` numbers of 64 bits. */
export function longs(each: number, values: readonly number[]): Cell {
  const elements = new Uint8Array(BigInt64Array.from(values, (value) => BigInt(value)).buffer);
  return { elements, count: values.length / each };
}

/** The plainest flatbuffer: each table with a vtable before it, everything after what refers to it. A cell that is met again is not written again. */
export function flatbuffer(root: Cell): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.refer(writer.take(4, 4), root);
  return writer.bytes();
}

class Writer {
  readonly #view = new DataView(new ArrayBuffer(1 << 20));
  readonly #places = new Map<Cell, number>();
  #end = 0;

  bytes(): Uint8Array<ArrayBuffer> {
    this.take(0, 8);
    return new Uint8Array(this.#view.buffer.slice(0, this.#end));
  }

  take(size: number, alignment: number): number {
    this.#end = Math.ceil(this.#end / alignment) * alignment;
    this.#end += size;
    return this.#end - size;
  }

  /** Writes a cell, or finds it, and an offset to it. */
  refer(at: number, cell: Cell): void {
    const place = this.#places.get(cell) ?? this.#write(cell);
    this.#view.setUint32(at, place - at, true);
  }

  #write(cell: Cell): number {
    if ('table' in cell) return this.#table(cell, cell.table);
    if ('tables' in cell) return this.#tables(cell, cell.tables);
    if ('elements' in cell) return this.#elements(cell.elements, cell.count);
    if ('text' in cell) return this.#text(cell.text);
    throw new Error('a number is not referred to');
  }

  #table(cell: Cell, cells: readonly (Cell | undefined)[]): number {
    const vtable = this.take(4 + 2 * cells.length, 2);
    const at = this.take(8, 8);
    this.#places.set(cell, at);
    const places = cells.map((field) => {
      const size = field === undefined ? 0 : 'bytes' in field ? field.bytes : 4;
      return field === undefined ? 0 : this.take(size, size);
    });
    this.#view.setInt32(at, at - vtable, true);
    this.#view.setUint16(vtable, 4 + 2 * cells.length, true);
    this.#view.setUint16(vtable + 2, this.#end - at, true);
    for (const [index, field] of cells.entries()) {
      const place = places[index] ?? 0;
      if (field === undefined) continue;
      this.#view.setUint16(vtable + 4 + 2 * index, place - at, true);
      if ('bytes' in field) this.#number(place, field.bytes, field.value);
      else this.refer(place, field);
    }
    return at;
  }

  #number(at: number, bytes: number, value: number): void {
    if (bytes === 1) this.#view.setUint8(at, value);
    else if (bytes === 2) this.#view.setInt16(at, value, true);
    else if (bytes === 4) this.#view.setInt32(at, value, true);
    else this.#view.setBigInt64(at, BigInt(value), true);
  }

  #tables(cell: Cell, cells: readonly Cell[]): number {
    const at = this.take(4 + 4 * cells.length, 4);
    this.#places.set(cell, at);
    this.#view.setUint32(at, cells.length, true);
    for (const [index, element] of cells.entries()) this.refer(at + 4 + 4 * index, element);
    return at;
  }

  #elements(elements: Uint8Array, count: number): number {
    this.take(4, 8);
    const at = this.take(4, 4);
    new Uint8Array(this.#view.buffer).set(elements, this.take(elements.length, 8));
    this.#view.setUint32(at, count, true);
    return at;
  }

  #text(value: string | Uint8Array): number {
    const content = Buffer.from(value);
    const at = this.take(4, 4);
    new Uint8Array(this.#view.buffer).set(content, this.take(content.length + 1, 1));
    this.#view.setUint32(at, content.length, true);
    return at;
  }
}
