import { descendantsOf, type ProcessId, spawnersOf } from '../../helpers/marked-processes.js';
import { readProc } from '../../helpers/zygote-processes.js';

/** Who of an app's processes is who, in the words of `docs/architecture.md`; `any` is whichever of them. */
export const VICTIMS = ['spawner', 'maker', 'zygote', 'init', 'step', 'any', 'app', 'app and spawner'] as const;
export type Victim = (typeof VICTIMS)[number];

/** What the runtime of a zygote is executed as. */
const WARM = '/.zygote/';

/**
 * Those that may be meant, below a running app. Who is who is told by parents, by the numbers that a process has in each pid namespace, and by
 * what is executed.
 *
 * @param marker among the arguments of every command
 */
export function candidates(app: number, victim: Victim, marker: string): readonly ProcessId[] {
  const [spawner = 0] = spawnersOf(app);
  const all = descendantsOf(app).filter(({ pid }) => pid !== spawner);
  const members = all.map((id) => ({ id, numbers: numbersOf(id.pid), words: readProc(id.pid, 'cmdline').split('\0') }));
  const isWarm = (words: readonly string[]): boolean => words.some((word) => word.startsWith(WARM));
  const chosen = (test: (member: (typeof members)[number]) => boolean): readonly ProcessId[] =>
    members.filter(test).map(({ id }) => id);
  switch (victim) {
    case 'maker':
      return chosen(({ id }) => id.parent === spawner);
    case 'zygote':
      return chosen(({ numbers, words }) => isWarm(words) && numbers.length === 2);
    case 'init':
      return chosen(({ numbers }) => numbers.length > 1 && numbers.at(-1) === 1);
    case 'step':
      return chosen(({ numbers, words }) => words.includes(marker) || (isWarm(words) && numbers.length > 2));
    case 'any':
      return all;
    case 'spawner':
      return descendantsOf(app).filter(({ pid }) => pid === spawner);
    case 'app':
    case 'app and spawner':
      return [];
  }
}

/** Its pid in each pid namespace, ours first. */
function numbersOf(pid: number): readonly number[] {
  const line = /^NSpid:(.*)$/m.exec(readProc(pid, 'status'))?.[1] ?? '';
  return line.trim().split(/\s+/).map(Number);
}
