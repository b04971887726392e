// How the tour looks on a terminal, and its memory of what did not go as told.

const styled = process.stdout.isTTY && process.env.NO_COLOR === undefined;
const style = (code, text) => (styled ? `\x1b[${code}m${text}\x1b[0m` : text);
const bold = (text) => style('1', text);

let chapters = 0;
let broken = 0;

export function chapter(title) {
  chapters++;
  console.log(`\n${bold(`${chapters}. ${title}`)}`);
}

export function say(text = '') {
  console.log(text === '' ? '' : `   ${text}`);
}

/** One statement of the tour, checked: what is not as told is shown, and makes the tour fail. */
export function told(claim, holds, otherwise = '') {
  if (!holds) broken++;
  const mark = holds ? style('32', 'yes') : style('31;1', 'NO ');
  console.log(`   ${mark}  ${claim}${holds || otherwise === '' ? '' : `: ${otherwise.trim()}`}`);
}

export function table(heads, rows) {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => String(row[column]).length)));
  const line = (cells) => cells.map((cell, column) => String(cell).padEnd(widths[column])).join('  ');
  say(style('2', line(heads).trimEnd()));
  for (const row of rows) say(line(row).trimEnd());
}

/** How the tour ends: 0 when everything went as told. */
export function verdict(millis) {
  const seconds = (millis / 1000).toFixed(1);
  const text = broken === 0 ? 'Everything went as told' : `${broken} statements above did not hold`;
  console.log(`\n${bold(`${text}, in ${seconds} s.`)}`);
  return broken === 0 ? 0 : 1;
}
