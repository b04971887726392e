/**
 * Why a file is refused. Thrown and caught within the check only: `checkArrowFile()` makes a `SandboxError` of it. What is in
 * the sentence may come from the file, so names in it have been through `quoted()`.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** The place in the file: `batch 2, column 'a.item'`. */
  readonly where: string;
  readonly problem: string;
  readonly remedy: string | undefined;

  constructor(where: string, problem: string, remedy?: string) {
    super(`${where}: ${problem}`);
    this.where = where;
    this.problem = problem;
    this.remedy = remedy;
  }
}
