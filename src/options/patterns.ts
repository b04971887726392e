/** The names of which a path or a pattern consists. */
export function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** A part of a pattern as fnmatch(3) reads it. */
export function expressionOf(part: string): RegExp {
  let source = '';
  for (let at = 0; at < part.length; at++) {
    const character = part.charAt(at);
    const set = character === '[' ? /^\[([!^]?)(\]?[^\]]*)\]/.exec(part.slice(at)) : null;
    if (character === '*') source += '[^]*';
    else if (character === '?') source += '[^]';
    else if (character === '\\' && at + 1 < part.length) source += literally(part.charAt(++at));
    else if (set === null) source += literally(character);
    else {
      source += `[${set[1] === '' ? '' : '^'}${(set[2] ?? '').replace(/[\\\]^[]/g, '\\$&')}]`;
      at += set[0].length - 1;
    }
  }
  return new RegExp(`^${source}$`);
}

function literally(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
}
