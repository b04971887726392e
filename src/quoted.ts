const LONGEST = 80;

/** Text from somebody who is not trusted, as part of a message: bounded, on one line, and with nothing that a terminal would obey. */
export function quoted(name: string, longest = LONGEST): string {
  const shown = name.length > longest ? `${name.slice(0, longest)}…` : name;
  return `'${shown.replace(/[\p{C}\p{Z}'\\]/gu, escaped)}'`;
}

function escaped(character: string): string {
  return character === ' ' ? ' ' : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
