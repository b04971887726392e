import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { ResolvedMount } from './filesystem.js';
import { expressionOf, partsOf } from './patterns.js';

/** A pattern below a path that is taken as it is. */
export interface Place {
  readonly mount: ResolvedMount;
  readonly base: string;
  readonly parts: readonly string[];
}

/**
 * Where else what `parts` name in a mount is seen: by another mount of the same directory, of one in it, or of one that it lies in. Where both show
 * it by the same path it is seen but once.
 */
export function seenElsewhere(
  within: ResolvedMount,
  parts: readonly string[],
  mounts: readonly ResolvedMount[],
): readonly Place[] {
  const source = partsOf(realPath(within.source));
  return mounts.flatMap((mount) => {
    const other = partsOf(realPath(mount.source));
    const [up, down] = [below(source, other), below(other, source)];
    if (mount === within) return [];
    if (up !== undefined) {
      const base = join(mount.target, ...up);
      return base === within.target ? [] : [{ mount, base, parts }];
    }
    if (down === undefined || join(within.target, ...down) === mount.target) return [];
    return rests(parts, down).map((rest) => ({ mount, base: mount.target, parts: rest }));
  });
}

/** What of the path follows the directory. */
export function below(path: readonly string[], directory: readonly string[]): readonly string[] | undefined {
  return directory.every((part, index) => path[index] === part) ? path.slice(directory.length) : undefined;
}

/** What of a pattern is left after a way down. */
function rests(pattern: readonly string[], way: readonly string[]): readonly (readonly string[])[] {
  const [[wanted, ...rest], [name, ...further]] = [pattern, way];
  if (wanted === undefined) return [];
  if (name === undefined) return [pattern];
  if (wanted === '**') return [...rests(rest, way), ...rests(pattern, further)];
  return expressionOf(latin1(wanted)).test(latin1(name)) ? rests(rest, further) : [];
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // missing: whoever mounts it says so
  }
}
