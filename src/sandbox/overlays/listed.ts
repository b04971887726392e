import { SandboxError } from '../../errors.js';
import { type Change, keyOf, type Located } from './change.js';

/** What was told of changes last: whoever has looked at it wants that to be kept, and not what was written since. */
export class Listed {
  /** By the keys of paths. */
  #written = new Map<string, string>();
  /** Nothing but these was there. */
  #isWhole = false;

  tell(all: readonly Located[], isWhole: boolean): void {
    if (isWhole) this.#written = new Map();
    this.#isWhole ||= isWhole;
    for (const { change, written } of all) this.#written.set(keyOf(change.bytes), stateOf(change, written));
  }

  /** @throws SandboxError `ERR_CHANGES` */
  check({ change, written }: Located): void {
    const listed = this.#written.get(keyOf(change.bytes));
    if (listed === undefined ? !this.#isWhole : listed === stateOf(change, written)) return;
    throw new SandboxError('ERR_CHANGES', 'Cannot keep a change: it is not the one that was listed.', {
      path: change.path,
      remedy: 'It was written after changes() or diff() was asked. Ask again, look at it, and commit again.',
    });
  }
}

/** With what it takes the place of: that may have become another. */
function stateOf({ before }: Change, written: string): string {
  return `${before?.type ?? ''} ${written}`;
}
