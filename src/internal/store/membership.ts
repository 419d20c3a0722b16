/** Who a process is to the store, until its lease is over. */
export class Membership {
  readonly name = globalThis.crypto.randomUUID()
  #sequence = 0
  readonly #unanswered = new Set<number>()

  /** The sequence of the next batch. */
  next(): number {
    this.#unanswered.add(++this.#sequence)
    return this.#sequence
  }

  answered(sequence: number): void {
    this.#unanswered.delete(sequence)
  }

  /** Up to where it has all answers. */
  get answeredUpTo(): number {
    const [first] = this.#unanswered
    return (first ?? this.#sequence + 1) - 1
  }
}
