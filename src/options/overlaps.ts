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

/** A mount, with the names of which its paths consist; once for all rules, because links on the way to the source are followed. */
export interface Located {
  readonly mount: ResolvedMount;
  readonly source: readonly string[];
  readonly target: readonly string[];
}

export function locate(mount: ResolvedMount): Located {
  return { mount, source: partsOf(realPath(mount.source)), target: partsOf(mount.target) };
}

/**
 * Where else what `parts` name in a mount is seen: by another mount of the same directory, of one in it, or of one that it lies in. Where both show
 * it by the same path it is seen but once.
 */
export function seenElsewhere(within: Located, parts: readonly string[], all: readonly Located[]): readonly Place[] {
  return all.flatMap((located) => {
    const { mount } = located;
    const [up, down] = [below(within.source, located.source), below(located.source, within.source)];
    if (located === within) return [];
    if (up !== undefined) {
      const base = join(mount.target, ...up);
      return base === within.mount.target ? [] : [{ mount, base, parts }];
    }
    if (down === undefined || join(within.mount.target, ...down) === mount.target) return [];
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
