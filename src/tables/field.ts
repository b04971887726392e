/** How the values of a type lie in a batch. */
export type Layout =
  | 'null'
  | 'bool'
  | 'fixed'
  | 'binary'
  | 'largeBinary'
  | 'view'
  | 'list'
  | 'largeList'
  | 'listView'
  | 'largeListView'
  | 'fixedSizeList'
  | 'struct'
  | 'map'
  | 'sparseUnion'
  | 'denseUnion'
  | 'runEndEncoded';

/** What values of a fixed width must be, besides there. */
export type Rule =
  | { readonly kind: 'decimal'; readonly precision: number }
  /** 0 <= value < limit. */
  | { readonly kind: 'time'; readonly limit: number }
  /** Milliseconds that are whole days. */
  | { readonly kind: 'days' };

export interface DataType {
  readonly layout: Layout;
  /** As Python's `str(type)` shows it, but for names that could be taken for something else: those are quoted. */
  readonly text: string;
  /** Bytes of a value of a fixed width; of a list of a fixed size, values. Else 0. */
  readonly size: number;
  readonly utf8: boolean;
  readonly rule: Rule | undefined;
  readonly children: readonly Field[];
  /** Of a union, for each child. */
  readonly typeIds: readonly number[];
}

export interface Dictionary {
  readonly id: number;
  readonly indexBytes: number;
  readonly indexSigned: boolean;
}

export interface Field {
  readonly name: string;
  readonly nullable: boolean;
  /** For messages: names from the column down. */
  readonly path: string;
  /** Of the values; what a batch holds is indices if there is a dictionary. */
  readonly type: DataType;
  /** Of both. */
  readonly text: string;
  readonly dictionary: Dictionary | undefined;
  /** Equal for fields that are the same in all that matters for reading them. */
  readonly signature: string;
}

export interface Schema {
  readonly fields: readonly Field[];
  readonly signature: string;
  /** The values of each dictionary, by its id. */
  readonly dictionaries: ReadonlyMap<number, Field>;
}
