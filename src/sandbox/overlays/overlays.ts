import { readlink } from 'node:fs/promises';
import { SandboxError } from '../../errors.js';
import type { ResolvedRule } from '../../options/filesystem.js';
import { MOUNT_KIND, type MountMessage } from '../../spawner/messages.js';
import { show } from '../../show.js';
import type { Addon } from '../../spawner/native.js';
import { type Change, keyOf, type Located, parentOf } from './change.js';
import { type Comparison, compareLayers } from './changes.js';
import { keepChanges } from './commit.js';
import { diffChange, DiffBudget } from './diff.js';
import { Directory } from '../../host/directory.js';
import { Listed } from './listed.js';
import { type CommitOptions, checkKeepable, checkOriginal, select, Selection } from './selection.js';

/** Where the app finds the upper layers of a living sandbox. */
export interface Layers {
  /** Of the directory that they are in. */
  readonly descriptor: number;
  /** What an attribute of the overlay's own begins with. */
  readonly attributes: 'trusted.' | 'user.';
}

interface Overlay {
  readonly index: number;
  readonly source: string;
  readonly target: Buffer;
}

/** What is known of the sandbox when it is made. */
export interface Overlaid {
  readonly mounts: readonly MountMessage[];
  readonly rules: readonly ResolvedRule[];
  readonly since: bigint;
  /** 0: without a limit. */
  readonly scratchBytes: number;
}

/** What was written to the overlays of one sandbox, since it was made. */
export class Overlays {
  readonly #addon: Addon;
  readonly #mounts: readonly MountMessage[];
  readonly #rules: readonly ResolvedRule[];
  readonly #layers: <T>(act: (layers: Layers) => Promise<T>) => Promise<T>;
  /** Originals that were changed later than this are not what the sandbox saw, in nanoseconds since 1970. */
  readonly #since: bigint;
  /** By the keys of paths: what commit() made of originals, which was later than that, too. */
  readonly #kept = new Map<string, bigint>();
  readonly #scratchBytes: number;
  readonly #listed = new Listed();

  /** @param layers keeps them open meanwhile, and throws when there are none */
  constructor(
    addon: Addon,
    { mounts, rules, since, scratchBytes }: Overlaid,
    layers: <T>(act: (layers: Layers) => Promise<T>) => Promise<T>,
  ) {
    this.#addon = addon;
    this.#mounts = mounts;
    this.#rules = rules;
    this.#since = since;
    this.#scratchBytes = scratchBytes;
    this.#layers = layers;
  }

  async changes(): Promise<readonly Change[]> {
    const found: Located[] = [];
    for (const overlay of this.#overlays()) {
      for (const one of await this.#withLayers(overlay, (_, located) => located)) found.push(one);
    }
    this.#listed.tell(found, true);
    return found.map(({ change }) => change);
  }

  async diff(paths: readonly (string | Uint8Array)[] | undefined): Promise<string> {
    const selection = this.#selectionOf(paths);
    const budget = new DiffBudget();
    const shown: Located[] = [];
    let text = '';
    for (const overlay of this.#overlays()) {
      text += await this.#withLayers(overlay, async ({ upper, lower }, located) => {
        const parts: string[] = [];
        for (const one of select(located, selection)) {
          parts.push(await diffChange(upper, lower, one, budget));
          shown.push(one);
        }
        return parts.join('');
      });
    }
    selection?.checkAllFound();
    this.#listed.tell(shown, selection === undefined);
    return text;
  }

  async commit(
    paths: readonly (string | Uint8Array)[] | undefined,
    options: CommitOptions,
  ): Promise<readonly Change[]> {
    const selection = this.#selectionOf(paths);
    const plans: { readonly overlay: Overlay; readonly located: readonly Located[] }[] = [];
    for (const overlay of this.#overlays()) {
      const located = await this.#withLayers(overlay, (_, all) => select(all, selection, { withParents: true }));
      for (const one of located) {
        checkKeepable(one, this.#rules, options);
        this.#check(one, one.changedNs);
        this.#listed.check(one);
      }
      plans.push({ overlay, located });
    }
    selection?.checkAllFound(); // before anything is written
    this.#checkLength(plans.flatMap(({ located }) => located));
    // As a whole, also when the sandbox is destroyed meanwhile.
    await this.#layers(async () => {
      for (const { overlay, located } of plans) await this.#keep(overlay, located);
    });
    return plans.flatMap(({ located }) => located.map(({ change }) => change));
  }

  /** Holes, and many names of one file, could fill a disk by what takes no space inside. */
  #checkLength(all: readonly Located[]): void {
    let length = 0;
    for (const { change } of all) {
      if (change.now?.type === 'file') length += change.now.size;
      if (this.#scratchBytes === 0 || length <= this.#scratchBytes) continue;
      throw new SandboxError(
        'ERR_CHANGES',
        'Cannot keep so much: it is longer than all that limits.scratch has room for.',
        {
          path: change.path,
          remedy:
            'There are files with holes, or with several names. Choose other paths for commit(), or raise limits.scratch.',
        },
      );
    }
  }

  async #keep(overlay: Overlay, changes: readonly Located[]): Promise<void> {
    await this.#withDirectories(overlay, async ({ upper, lower }) => {
      await keepChanges({
        upper,
        lower,
        changes,
        check: (located, now) => {
          this.#check(located, now?.ctimeNs, now?.isDirectory());
        },
        kept: (key, changedNs) => {
          this.#kept.set(key, changedNs);
        },
      });
    });
  }

  #check(
    located: Located,
    changedNs: bigint | undefined,
    isDirectory = located.change.before?.type === 'directory',
  ): void {
    const key = keyOf(located.change.bytes);
    const [kept, parentKept] = [this.#kept.get(key), this.#kept.get(parentOf(key))];
    checkOriginal(located, { changedNs, isDirectory, since: this.#since, kept, parentKept });
  }

  #selectionOf(paths: readonly (string | Uint8Array)[] | undefined): Selection | undefined {
    const overlays = this.#overlays();
    return paths === undefined
      ? undefined
      : new Selection(paths, overlays.length === 1 ? overlays[0]?.target : undefined);
  }

  #overlays(): readonly Overlay[] {
    return this.#mounts.flatMap(({ kind, source, target }, index) =>
      kind === MOUNT_KIND.overlay ? [{ index, source: String(source), target }] : [],
    );
  }

  async #withLayers<T>(
    overlay: Overlay,
    act: (layers: { upper: Directory; lower: Directory }, located: readonly Located[]) => T | Promise<T>,
  ): Promise<T> {
    return await this.#withDirectories(overlay, async (layers, { attributes }) => {
      const comparison: Comparison = {
        addon: this.#addon,
        target: overlay.target,
        attributes,
        mountPoints: new Set(this.#mounts.map(({ target }) => keyOf(target))),
      };
      return await act(layers, await compareLayers(layers.upper, layers.lower, comparison));
    });
  }

  async #withDirectories<T>(
    { index, source }: Overlay,
    act: (directories: { upper: Directory; lower: Directory }, layers: Layers) => Promise<T>,
  ): Promise<T> {
    return await this.#layers(async (layers) => {
      const upper = await openLayer(`/proc/self/fd/${layers.descriptor}/${index}/upper`, source);
      try {
        const lower = await openLayer(source, source);
        try {
          await checkIdentity(lower, `/proc/self/fd/${layers.descriptor}/${index}/original`, source);
          return await act({ upper, lower }, layers);
        } catch (error) {
          throw error instanceof SandboxError ? error : cannotGoOn(error, source);
        } finally {
          await lower.close();
        }
      } finally {
        await upper.close();
      }
    });
  }
}

async function openLayer(path: string, source: string): Promise<Directory> {
  return await Directory.open(path).catch((cause: unknown) => {
    throw new SandboxError('ERR_CHANGES', `Cannot look at what was written to ${source}: it cannot be opened.`, {
      path: source,
      cause,
      remedy: 'The directory must still be where it was when the sandbox was made.',
    });
  });
}

/** A directory that a command has closed to its own user, one that was removed under our eyes, a full disk. */
function cannotGoOn(cause: unknown, source: string): SandboxError {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  return new SandboxError('ERR_CHANGES', `Cannot look at or keep what was written to ${show(source)}: ${code}.`, {
    path: source,
    cause,
    remedy: 'Where it is said to be closed, open it by a command inside; wait for commands that still write.',
  });
}

/** Who may write to what the directory lies in could have put another there, or a link: that one is not what was asked for. */
async function checkIdentity(lower: Directory, note: string, source: string): Promise<void> {
  if ((await lower.identity()) === (await readlink(note))) return;
  throw new SandboxError('ERR_CHANGES', `Another directory is at ${show(source)} than when the sandbox was made.`, {
    path: source,
    remedy: 'Put the directory back where it was, or give the sandbox a path that only the app can change.',
  });
}
