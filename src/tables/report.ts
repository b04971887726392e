/** One column of a table. */
export interface ArrowColumn {
  /** Its name, as the file has it. */
  readonly name: string;
  /** As Python's `str(type)` shows it; of an extension type the storage, for what an extension means is up to whoever reads it. */
  readonly type: string;
  /** What the file says: a column that is not nullable may hold nulls all the same, for Arrow takes this as advice. */
  readonly nullable: boolean;
}

/** A table that was checked to the last value. */
export interface ArrowSummary {
  /** Rows of all batches together. */
  readonly rows: number;
  /** The columns, in their order. */
  readonly columns: readonly ArrowColumn[];
  /** Record batches; those of dictionaries do not count. */
  readonly batches: number;
  /** Size of the file, in bytes. */
  readonly bytes: number;
}
