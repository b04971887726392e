/** A map that forgets what was not asked for lately, so that options made anew for each step cannot fill the memory. */
export class RecentMap<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #capacity: number;
  readonly #forget: (value: V, key: K) => boolean;

  /** `forget` is told what is dropped, and answers false to keep it for now. */
  constructor(capacity: number, forget: (value: V, key: K) => boolean = () => true) {
    this.#capacity = capacity;
    this.#forget = forget;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined && this.#entries.size > this.#capacity / 2) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#capacity) return;
    for (const [oldKey, oldValue] of this.#entries) {
      if (oldKey === key || !this.#forget(oldValue, oldKey)) continue;
      this.#entries.delete(oldKey);
      return;
    }
  }

  keys(): Iterable<K> {
    return this.#entries.keys();
  }

  values(): Iterable<V> {
    return this.#entries.values();
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
