const SLASH = 0x2f;

/**
 * Whether a link that lies `depth` levels below the top of a copy leads to something in it, wherever the copy is put and whatever
 * other links there are: it may climb as far as the top, and only at its beginning, since `..` behind the name of another link
 * would be counted from where that one leads.
 */
export function leadsInside(target: Buffer, depth: number): boolean {
  if (target.length === 0 || target[0] === SLASH) return false;
  let left = depth - 1;
  let descends = false;
  for (const part of target.toString('latin1').split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') descends = true;
    else if (descends || --left < 0) return false;
  }
  return depth > 0;
}
