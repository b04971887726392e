/** One column of a table. */
export interface ArrowColumn {
  readonly name: string;
  /** As Python's `str(type)` shows it; of an extension type the storage, for what an extension means is up to whoever reads it. */
  readonly type: string;
  /** What the file says: a column that is not nullable may hold nulls all the same, for Arrow takes this as advice. */
  readonly nullable: boolean;
}

/** A table that was checked to the last value. */
export interface ArrowSummary {
  readonly rows: number;
  readonly columns: readonly ArrowColumn[];
  /** Record batches; those of dictionaries do not count. */
  readonly batches: number;
  /** Size of the file. */
  readonly bytes: number;
}
