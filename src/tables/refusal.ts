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

const LONGEST = 80;

/** A name, or a type, out of the file as part of a message: bounded, on one line, and with nothing that a terminal would obey. */
export function quoted(name: string, longest = LONGEST): string {
  const shown = name.length > longest ? `${name.slice(0, longest)}…` : name;
  return `'${shown.replace(/[\p{C}\p{Z}'\\]/gu, escaped)}'`;
}

function escaped(character: string): string {
  return character === ' ' ? ' ' : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
