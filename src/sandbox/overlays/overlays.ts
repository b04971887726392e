import { SandboxError } from '../../errors.js';
import type { ResolvedRule } from '../../options/filesystem.js';
import { MOUNT_KIND, type MountMessage } from '../../spawner/messages.js';
import type { Addon } from '../../spawner/native.js';
import type { Change, Located } from './change.js';
import { type Comparison, compareLayers } from './changes.js';
import { keepChanges, parentOf } from './commit.js';
import { diffChange } from './diff.js';
import { Directory } from './directory.js';
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

/** What was written to the overlays of one sandbox, since it was made. */
export class Overlays {
  readonly #addon: Addon;
  readonly #mounts: readonly MountMessage[];
  readonly #rules: readonly ResolvedRule[];
  readonly #layers: <T>(act: (layers: Layers) => Promise<T>) => Promise<T>;
  /** Originals that were changed later than this are not what the sandbox saw, in nanoseconds since 1970. */
  readonly #since: bigint;
  /** By path, in latin1: what commit() made of originals, which was later than that, too. */
  readonly #kept = new Map<string, bigint>();

  /** @param layers keeps them open meanwhile, and throws when there are none */
  constructor(
    addon: Addon,
    { mounts, rules, since }: { mounts: readonly MountMessage[]; rules: readonly ResolvedRule[]; since: bigint },
    layers: <T>(act: (layers: Layers) => Promise<T>) => Promise<T>,
  ) {
    this.#addon = addon;
    this.#mounts = mounts;
    this.#rules = rules;
    this.#since = since;
    this.#layers = layers;
  }

  async changes(): Promise<readonly Change[]> {
    const found: Change[] = [];
    for (const overlay of this.#overlays()) {
      found.push(...(await this.#withLayers(overlay, (_, located) => located.map(({ change }) => change))));
    }
    return found;
  }

  async diff(paths: readonly (string | Uint8Array)[] | undefined): Promise<string> {
    const selection = this.#selectionOf(paths);
    let text = '';
    for (const overlay of this.#overlays()) {
      text += await this.#withLayers(overlay, async ({ upper, lower }, located) => {
        const parts: string[] = [];
        for (const one of select(located, selection)) parts.push(await diffChange(upper, lower, one));
        return parts.join('');
      });
    }
    selection?.checkAllFound();
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
        checkKeepable(one, overlay.target, this.#rules, options);
        this.#check(one, one.changedNs);
      }
      plans.push({ overlay, located });
    }
    selection?.checkAllFound(); // before anything is written
    for (const { overlay, located } of plans) await this.#keep(overlay, located);
    return plans.flatMap(({ located }) => located.map(({ change }) => change));
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
        kept: (path, changedNs) => {
          this.#kept.set(keyOf(path), changedNs);
        },
      });
    });
  }

  #check(
    located: Located,
    changedNs: bigint | undefined,
    isDirectory = located.change.before?.type === 'directory',
  ): void {
    const { bytes } = located.change;
    const kept = this.#kept.get(keyOf(bytes));
    const parentKept = this.#kept.get(keyOf(parentOf(bytes)));
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
        mountPoints: new Set(this.#mounts.map(({ target }) => target.toString('latin1'))),
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
          return await act({ upper, lower }, layers);
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

function keyOf(path: Uint8Array): string {
  return Buffer.from(path).toString('latin1');
}
