import { isAbsolute } from 'node:path';
import { show } from '../show.js';
import { expectArray, expectText, invalidOption } from './check.js';
import type { ResolvedMount, ResolvedRule } from './filesystem.js';
import { below, locate, type Located, type Place, seenElsewhere } from './overlaps.js';
import { expressionOf, partsOf } from './patterns.js';

const MOST_RULES = 4096;
const MOST_PARTS = 64;

/** What `filesystem.hide` and `filesystem.protect` mean for these mounts. What is to be protected is written down first: what is hidden lies on top. */
export function resolveRules(
  hide: unknown,
  protect: unknown,
  mounts: readonly ResolvedMount[],
): readonly ResolvedRule[] {
  const [protects, hides] = [patternsOf(protect, 'filesystem.protect'), patternsOf(hide, 'filesystem.hide')];
  if (protects.length + hides.length === 0) return [];
  const all = mounts.map(locate);
  const rules = withoutRepetitions([
    ...protects.flatMap((pattern) => protecting(pattern, mounts, all)),
    ...hides.flatMap((pattern) => hiding(pattern, mounts, all)),
  ]);
  if (rules.length > MOST_RULES) {
    throw invalidOption(
      'filesystem.hide and filesystem.protect',
      `make ${rules.length} rules for the mounted directories, and ${MOST_RULES} are possible`,
    );
  }
  return rules;
}

function withoutRepetitions(rules: readonly ResolvedRule[]): readonly ResolvedRule[] {
  const seen = new Set<string>();
  return rules.filter(({ pattern, literal, hide, mustExist }) => {
    const key = `${hide} ${mustExist} ${literal} ${pattern}`;
    return !seen.has(key) && seen.add(key);
  });
}

function patternsOf(option: unknown, name: string): readonly string[] {
  return expectArray(option, name).map((entry, index) => checkPattern(entry, `${name}[${index}]`));
}

function checkPattern(entry: unknown, name: string): string {
  const pattern = expectText(entry, name);
  const parts = partsOf(pattern);
  if (parts.length === 0) throw invalidOption(name, `must name something below a directory, and is ${show(pattern)}`);
  if (parts.length > MOST_PARTS) throw invalidOption(name, `must not have more than ${MOST_PARTS} parts`);
  if (parts.includes('..')) throw invalidOption(name, `must not contain '..', and is ${show(pattern)}`);
  if (isAbsolute(pattern) && parts[0] === 'proc') {
    throw invalidOption(name, `must not lie in /proc, which is made for each sandbox later: ${show(pattern)}`);
  }
  if (!parts.every(isPattern)) {
    throw invalidOption(name, `must have only ranges in order, and no '[' or '\\' in its '[...]': ${show(pattern)}`);
  }
  if (parts.at(-1) === '**') {
    throw invalidOption(name, `must not end in '**', and is ${show(pattern)}; name the directory itself`);
  }
  return pattern;
}

/** That kernel and commit() understand in the same way. */
function isPattern(part: string): boolean {
  if (/(?<!\\)(\\\\)*\[[!^]?\]?[^\]]*[[\\]/.test(part)) return false;
  try {
    expressionOf(Buffer.from(part).toString('latin1'));
    return true;
  } catch {
    return false;
  }
}

function hiding(pattern: string, mounts: readonly ResolvedMount[], all: readonly Located[]): readonly ResolvedRule[] {
  const rule = { hide: true, mustExist: false };
  const others = elsewhere(pattern, all).map((place) => ({ ...at(place), ...rule }));
  if (isAbsolute(pattern)) return [{ pattern, literal: 0, ...rule }, ...others];
  const own = mounts.map(({ target }) => ({ pattern: `${target}/${pattern}`, literal: target.length, ...rule }));
  return [...own, ...others];
}

function protecting(
  pattern: string,
  mounts: readonly ResolvedMount[],
  all: readonly Located[],
): readonly ResolvedRule[] {
  const isLiteral = !/[*?[\\]/.test(pattern);
  const others = elsewhere(pattern, all)
    .filter(({ mount }) => mount.access !== 'readOnly')
    .map((place) => ({ ...at(place), hide: false, mustExist: false }));
  if (isAbsolute(pattern)) {
    const around = mounts.findLast(({ target }) => pattern.startsWith(`${target}/`));
    return [{ pattern, literal: 0, hide: false, mustExist: isLiteral && around?.access === 'writable' }, ...others];
  }
  const own = mounts
    .filter(({ access }) => access !== 'readOnly')
    .map(({ target, access }) => ({
      pattern: `${target}/${pattern}`,
      literal: target.length,
      hide: false,
      mustExist: isLiteral && access === 'writable',
    }));
  return [...own, ...others];
}

/** The same files by other mounts. */
function elsewhere(pattern: string, all: readonly Located[]): readonly Place[] {
  if (all.length < 2) return [];
  const parts = partsOf(pattern);
  if (!isAbsolute(pattern)) return all.flatMap((located) => seenElsewhere(located, parts, all));
  const around = all.findLast(({ target }) => below(parts, target) !== undefined);
  const rest = around === undefined ? [] : (below(parts, around.target) ?? []);
  return around === undefined || rest.length === 0 ? [] : seenElsewhere(around, rest, all);
}

function at({ base, parts }: Place): Pick<ResolvedRule, 'pattern' | 'literal'> {
  return { pattern: `${base}/${parts.join('/')}`, literal: base.length };
}
