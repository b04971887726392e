// Pieces of Markdown: types with links, words of comments with links, defaults, cells, anchors.

/** As GitHub makes them of headings. */
export function anchorOf(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

/** A type as code in which the names of `links` lead to their sections. */
export function linkedType(type, links) {
  return alternatives(type)
    .map((part) => linkedPart(part, links))
    .join(' | ');
}

function linkedPart(type, links) {
  let answer = '';
  let rest = 0;
  for (const match of type.matchAll(/(?<!['"\w])[A-Za-z]\w*(?!['"\w])/g)) {
    const anchor = links.get(match[0]);
    if (anchor === undefined) continue;
    answer += `${code(type.slice(rest, match.index))}[\`${match[0]}\`](#${anchor})`;
    rest = match.index + match[0].length;
  }
  return answer + code(type.slice(rest));
}

/** What stands between bars that are in no brackets. */
function alternatives(type) {
  const parts = [''];
  let depth = 0;
  for (const part of type.split(/(=>|[()[\]{}<>]| \| )/)) {
    if (/^[([{<]$/.test(part)) depth++;
    else if (/^[)\]}>]$/.test(part)) depth--;
    // Behind an arrow all belongs to what the function returns.
    else if (part === '=>' && depth === 0) depth = Infinity;
    if (part === ' | ' && depth === 0) parts.push('');
    else parts.push(parts.pop() + part);
  }
  return parts;
}

/** A space at the edge of code would be seen as code. */
function code(text) {
  const [, before, inner, after] = /^(\s*)(.*?)(\s*)$/.exec(text);
  return inner === '' ? text : `${before}\`${inner}\`${after}`;
}

/** Text of a comment, in which code that names a section or an error leads there; not to `own`, where it stands. */
export function linkedText(text, links, own) {
  return text.replace(/(?<!\[)`([^`]+)`/g, (span, inner) => {
    if (/^ERR_\w+$/.test(inner) && inner !== 'ERR_STEP_FAILED') return `[${span}](errors.md#${anchorOf(inner)})`;
    const [, name, member] = /^(\w+)(?:\.(\w+))?(?:\(\))?$/.exec(inner) ?? [];
    const section = links.get(name);
    const anchor = member === undefined ? section : section && `${section}-${member.toLowerCase()}`;
    return anchor === undefined || anchor === links.get(own) ? span : `[${span}](#${anchor})`;
  });
}

/** A default as it is written in a comment: a value, or words with values in them. Only in front is a number one. */
export function defaultText(text) {
  const spans = text.split(/(`[^`]*`)/);
  const value = /(?<![\w'])('[^'\s]*'|\[[^\]]*\]|\{\}|Infinity|true|false|0o\d+|^\d+(?=,|$))(?![\w'])/g;
  return spans.map((span) => (span.startsWith('`') ? span : span.replace(value, '`$1`'))).join('');
}

export function table(header, rows) {
  const line = (cells) =>
    `| ${cells.map((cell) => cell.replace(/\s*\n\s*/g, ' ').replace(/\|/g, '\\|')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}
