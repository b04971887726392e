/** Text that others have chosen, for a terminal: nothing in it moves a cursor, turns the direction of writing or begins another line. */
export function printable(text: string, kept = ''): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    kept.includes(character) ? character : (SHORT[character] ?? `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`),
  );
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** As a string of JSON, and printable. */
export function quoted(text: string): string {
  return printable(JSON.stringify(text));
}
