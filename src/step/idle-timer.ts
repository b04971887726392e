/** The longest time that `setTimeout` can wait. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * Tells when a step has been silent for too long. The app's event loop may have been blocked meanwhile, so silence counts
 * only after what is in the pipes has been read: timers run before input is polled, `setImmediate` after it.
 */
export class IdleTimer {
  readonly #limit: number;
  readonly #isHeldBack: () => boolean;
  readonly #onIdle: () => void;
  #last = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  /** `limit` in milliseconds. `isHeldBack`: the step cannot write because the app does not read. */
  constructor(limit: number, isHeldBack: () => boolean, onIdle: () => void) {
    this.#limit = limit;
    this.#isHeldBack = isHeldBack;
    this.#onIdle = onIdle;
  }

  start(): void {
    this.touch();
    this.#arm(this.#limit);
  }

  /** The step gave a sign of life. */
  touch(): void {
    this.#last = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  #arm(milliseconds: number): void {
    this.#timer = setTimeout(
      () => {
        this.#immediate = setImmediate(() => {
          this.#check();
        });
      },
      Math.min(Math.ceil(milliseconds), LONGEST_TIMEOUT),
    ).unref();
  }

  #check(): void {
    if (this.#isHeldBack()) this.touch();
    const left = this.#limit - (performance.now() - this.#last);
    if (left > 0) this.#arm(left);
    else this.#onIdle();
  }
}
