/** What a pause of a budget means, as naively as possible: every admission since it began is kept. */
export class NaivePause {
  until = Number.NEGATIVE_INFINITY
  #isGradual = false
  #admitted: Array<number> = []

  pause(until: number, isGradual: boolean, now: number): void {
    const isLonger = until >= this.until
    if (until > now && !isLonger) return
    this.until = until
    this.#isGradual = isGradual
    this.#admitted = []
  }

  admit(now: number): void {
    this.#admitted.push(now)
  }

  /** When one more could be admitted. Tries every millisecond. */
  readyAt(now: number): number {
    let at = Math.max(now, this.until)
    while (this.#isGradual && this.#admitted.some((other) => this.#shareSlot(other, at))) at++
    return at
  }

  /** Whether two instants lie in the same second after the pause, and there in the same of its 2^n equal parts. */
  #shareSlot(a: number, b: number): boolean {
    const secondOf = (at: number): number => Math.floor((at - this.until) / 1_000)
    const second = secondOf(a)
    if (second !== secondOf(b) || second >= 10) return false
    const partOf = (at: number): number => Math.floor((((at - this.until) % 1_000) / 1_000) * 2 ** second)
    return partOf(a) === partOf(b)
  }
}
