/** A map that remembers the most recently used keys, and forgets the others. */
export class RecentMap<Value> {
  readonly #max: number
  // In order of use: a map keeps the order in which its keys were set.
  readonly #entries = new Map<string, Value>()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  /** Everything that is remembered, the least recently used first. */
  values(): Iterable<Value> {
    return this.#entries.values()
  }

  get(key: string): Value | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  set(key: string, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#max) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }
}
