import { quoted } from '../../printable.js';
import type { Entry, Located } from './change.js';
import type { Directory } from '../../host/directory.js';
import { fill } from '../../host/fill.js';

/** Of one file; longer ones are only said to differ. */
const MOST_BYTES = 1 << 20;
/** For which the app may be busy with two files that have little in common. */
const MOST_MS = 500;
/** Of all that is compared at once. */
const MOST_MS_IN_ALL = 10_000;
const MOST_CHARACTERS = 32 << 20;

/** What is left for one diff(): a step may have written any number of files that each take the most. */
export class DiffBudget {
  #ms = MOST_MS_IN_ALL;
  #characters = MOST_CHARACTERS;

  get ms(): number {
    return Math.min(this.#ms, MOST_MS);
  }

  get isSpent(): boolean {
    return this.#ms <= 0 || this.#characters <= 0;
  }

  spend(ms: number, characters: number): void {
    this.#ms -= ms;
    this.#characters -= characters;
  }
}

/** One change as the unified format tells it, with a line above for what that has no words for. */
export async function diffChange(
  upper: Directory,
  lower: Directory,
  located: Located,
  budget: DiffBudget,
): Promise<string> {
  const { change, names } = located;
  const head = [
    `${change.kind} ${change.now?.type ?? change.before?.type ?? ''} ${nameOf(change.path)}`,
    ...modesOf(located),
  ];
  if (!change.content || names.length === 0) return lines(head);
  if (budget.isSpent)
    return lines([...head, 'its content is not compared here, after so much else: ask for this path alone']);
  const [before, now] = [await contentOf(lower, names, change.before), await contentOf(upper, names, change.now)];
  if (before === '' && now === '') return lines(head);
  if (before === undefined || now === undefined)
    return lines([...head, 'its content is not text, or too long to be compared']);
  const [from, to] = [
    change.before === undefined ? '/dev/null' : nameOf(`a${change.path}`),
    change.now === undefined ? '/dev/null' : nameOf(`b${change.path}`),
  ];
  const { createTwoFilesPatch } = await import('diff'); // for few, so not at the start
  const begun = performance.now();
  const patch = createTwoFilesPatch(from, to, before, now, undefined, undefined, { context: 3, timeout: budget.ms });
  budget.spend(performance.now() - begun, patch?.length ?? 0);
  if (patch === undefined) return lines([...head, 'its contents have too little in common to be compared']);
  // The library puts a line of signs above that belongs to another format.
  return lines(head) + patch.replace(/^=+\n/, '');
}

function modesOf({ change: { now, before } }: Located): readonly string[] {
  if (now === undefined || before === undefined || now.mode === before.mode) return [];
  return [`mode ${before.mode.toString(8)} -> ${now.mode.toString(8)}`];
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}

/** A name that a step has chosen must not begin another line. */
function nameOf(path: string): string {
  return /["\\\p{C}\p{Zl}\p{Zp}\uFFFD]/u.test(path) ? quoted(path) : path;
}

/** Of what has none, nothing; undefined when it is no text. */
async function contentOf(
  top: Directory,
  names: readonly Buffer[],
  entry: Entry | undefined,
): Promise<string | undefined> {
  if (entry?.type === 'symlink') return `-> ${nameOf(entry.link ?? '')}\n`;
  if (entry?.type !== 'file') return '';
  if (entry.size > MOST_BYTES) return undefined;
  return await top.within(names.slice(0, -1), async (directory) =>
    directory === undefined ? '' : await readText(directory, names.at(-1) as Buffer),
  );
}

async function readText(directory: Directory, name: Buffer): Promise<string | undefined> {
  const file = await directory.file(name).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    if (!(await file.stat()).isFile()) return undefined;
    const bytes = Buffer.alloc(MOST_BYTES + 1);
    const length = await fill(file, bytes, 0);
    return length > MOST_BYTES ? undefined : textOf(bytes.subarray(0, length));
  } finally {
    await file.close();
  }
}

function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
