import type * as Limit from "../../Limit.ts"
import { CapState } from "./cap.ts"

/**
 * What one meter of a slice has set aside in the caps around it, and what the slice has used of it.
 *
 * While the slice is open, those caps hold all that was set aside: what is spent as committed, the rest as reserved. What
 * exceeds it counts there at once, too. Afterwards they hold no more than the calls that are still open have reserved.
 */
export class CarvingState extends CapState {
  readonly caps: ReadonlyArray<CapState>
  #isOpen = true
  /** What the caps have reserved for it. */
  #held: number

  /** `limit.max` has been taken from each of the caps. */
  constructor(limit: Limit.Cap, caps: ReadonlyArray<CapState>) {
    super(limit)
    this.caps = caps
    this.#held = limit.max
  }

  override settle(estimate: number, actual: number): number {
    super.settle(estimate, actual)
    this.#passOn(actual)
    return 0
  }

  override charge(amount: number): void {
    super.charge(amount)
    this.#passOn(amount)
  }

  override giveBack(amount: number): void {
    super.giveBack(amount)
    this.#passOn(0)
  }

  /** Gives back what nobody uses any more. */
  close(): void {
    this.#isOpen = false
    this.#passOn(0)
  }

  /** The caps that it is carved from, and those that they are carved from in turn. */
  *beneath(): Generator<CapState, void> {
    for (const cap of this.caps) {
      yield cap
      if (cap instanceof CarvingState) yield* cap.beneath()
    }
  }

  /**
   * Lets the caps know what was spent, and hold what the slice may still need. That only ever becomes less: what is
   * taken has room in what was set aside, or else in the caps of whoever asks after the end.
   */
  #passOn(spent: number): void {
    const owed = this.#isOpen ? Math.max(this.limit.max - this.committed, this.reserved) : this.reserved
    const back = this.#held - owed
    this.#held = owed
    if (back > 0 || spent > 0) for (const cap of this.caps) cap.settle(back, spent)
  }
}
