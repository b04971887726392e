// What steps wrote, made harmless for people's eyes: nothing in it moves a cursor, turns text around or hides.

/** Control characters, what changes the direction of text, and what takes no room. */
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]/gu;

/** Unseen characters as `\u{1b}`; new lines and tabs stay. */
export function visible(text) {
  return String(text).replace(UNSEEN, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}

/** On one line. */
export function oneLine(text) {
  return visible(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

export function shorten(text, most) {
  const characters = [...text.slice(0, 2 * most)];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}

/** `0.42`, `3.1`, `47`, `1,203`. */
export function millis(value) {
  if (value < 10) return value.toFixed(1);
  return grouped(value.toFixed(0));
}

/** Thousands with a comma, which four digits alone do not need. */
export function grouped(digits) {
  const [, sign, whole, rest] = /^(-?)(\d+)(\.\d+)?$/.exec(digits) ?? [];
  return whole === undefined ? digits : sign + whole.replace(/\B(?=(\d{3})+$)/g, ',') + (rest ?? '');
}

export function mebibytes(bytes) {
  return bytes === undefined ? '' : `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
}

export function plural(count, noun) {
  return `${grouped(String(count))} ${noun}${count === 1 ? '' : 's'}`;
}
