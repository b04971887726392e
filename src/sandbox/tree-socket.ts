import { SandboxError } from '../errors.js';
import { systemReason } from '../system-reason.js';
import type { Addon } from '../spawner/native.js';
import type { Layers } from './overlays/overlays.js';

/** How the directory of a sandbox's scratch space comes to the app: as a descriptor, when the sandbox begins. */
export class TreeSocket {
  readonly #addon: Addon;
  #ours: number;
  #theirs: number;
  #layers: Layers | undefined;
  #users = 0;
  #isClosed = false;

  /** @throws SandboxError `ERR_RESOURCES` */
  constructor(addon: Addon) {
    this.#addon = addon;
    const pair = addon.channel() as [number, number] | number;
    if (typeof pair === 'number') {
      throw new SandboxError(
        'ERR_RESOURCES',
        `Cannot make a socket for a sandbox with overlays: ${systemReason(-pair)}.`,
        {
          errno: -pair,
          remedy: 'Raise the number of descriptors that the app may open.',
        },
      );
    }
    [this.#ours, this.#theirs] = pair;
  }

  /** The spawner's end, until `sent()`. */
  get theirs(): number {
    return this.#theirs;
  }

  /** The app holds what was written. */
  get isHeld(): boolean {
    return this.#layers !== undefined;
  }

  sent(): void {
    this.#theirs = this.#closed(this.#theirs);
  }

  /** The sandbox has begun, so what there is has come. */
  receive(): void {
    const received = this.#addon.receive(this.#ours);
    this.#ours = this.#closed(this.#ours);
    if (typeof received === 'number' || received[0] < 0) return;
    this.#layers = { descriptor: received[0], attributes: received[1] === 1 ? 'user.' : 'trusted.' };
  }

  /** While `act` runs the descriptor stays open: its number must not become another file's. */
  async use<T>(act: (layers: Layers) => Promise<T>): Promise<T> {
    if (this.#layers === undefined || (this.#isClosed && this.#users === 0)) {
      throw new SandboxError(
        'ERR_SANDBOX_CLOSED',
        'Cannot look at what was written to overlays: the sandbox was destroyed.',
        {
          remedy: 'Ask before destroy().',
        },
      );
    }
    this.#users++;
    try {
      return await act(this.#layers);
    } finally {
      this.#users--;
      this.#release();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#ours = this.#closed(this.#ours);
    this.#theirs = this.#closed(this.#theirs);
    this.#release();
  }

  #release(): void {
    if (!this.#isClosed || this.#users > 0 || this.#layers === undefined) return;
    const { descriptor } = this.#layers;
    this.#layers = undefined;
    this.#addon.closeAside(descriptor);
  }

  #closed(descriptor: number): -1 {
    if (descriptor >= 0) this.#addon.close(descriptor);
    return -1;
  }
}
