import type { ResolvedRule } from '../../options/filesystem.js';
import { expressionOf, partsOf } from '../../options/patterns.js';
import type { EntryType } from './change.js';

/** Whether `filesystem.protect` names a path, or a directory that it lies in. What did not exist at the start is inside not protected: it is not kept. */
export function isProtected(path: Buffer, rules: readonly ResolvedRule[]): boolean {
  const parts = partsOf(path.toString('latin1'));
  return rules.some((rule) => {
    if (rule.hide) return false;
    const { exact, pattern } = splitRule(rule);
    return exact.every((part, index) => parts[index] === part) && matches(parts.slice(exact.length), pattern);
  });
}

/**
 * Whether such an entry would stand on the way to what is protected, so that something else is found there: a link does, and a file that a rule
 * names itself, because programs take some of them for a directory that is elsewhere.
 */
export function isAboveProtected(path: Buffer, rules: readonly ResolvedRule[], type: EntryType): boolean {
  if (type === 'directory') return false;
  const parts = partsOf(path.toString('latin1'));
  return rules.some((rule) => {
    if (rule.hide) return false;
    const { exact, pattern } = splitRule(rule);
    if (!exact.every((part, index) => index >= parts.length || parts[index] === part)) return false;
    return parts.length <= exact.length || lieAbove(parts.slice(exact.length), pattern, type === 'symlink');
  });
}

function splitRule(rule: ResolvedRule): { readonly exact: readonly string[]; readonly pattern: readonly string[] } {
  const pattern = Buffer.from(rule.pattern).toString('latin1');
  const literal = Buffer.byteLength(rule.pattern.slice(0, rule.literal));
  return { exact: partsOf(pattern.slice(0, literal)), pattern: partsOf(pattern.slice(literal)) };
}

/** Whether the pattern names the path or one of the directories that it lies in. */
function matches(parts: readonly string[], pattern: readonly string[]): boolean {
  const [wanted, ...rest] = pattern;
  if (wanted === undefined) return true;
  if (wanted === '**') return matches(parts, rest) || (parts.length > 0 && matches(parts.slice(1), pattern));
  const [name, ...below] = parts;
  return name !== undefined && expressionOf(wanted).test(name) && matches(below, rest);
}

/** Whether the last of the parts is named, and more follows. */
function lieAbove(parts: readonly string[], pattern: readonly string[], byPatterns: boolean): boolean {
  const [[wanted, ...rest], [name, ...below]] = [pattern, parts];
  if (wanted === undefined || name === undefined) return false;
  if (wanted === '**') return lieAbove(parts, rest, byPatterns) || lieAbove(below, pattern, byPatterns);
  if (!expressionOf(wanted).test(name)) return false;
  return below.length > 0 ? lieAbove(below, rest, byPatterns) : rest.length > 0 && (byPatterns || wanted === name);
}
