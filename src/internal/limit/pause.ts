import * as Meter from "../../Meter.ts"
import type { LimitState } from "./state.ts"

/** A rule that admits nothing before an instant. It is no limit that users write: a budget gets one when it pauses. */
export interface Pause {
  readonly _tag: "Pause"
  readonly name: "pause"
  readonly meter: Meter.Meter
  readonly max: number
}

/**
 * Everything is ready when the pause is over, or, where it ends gradually, one reservation after the other.
 *
 * A gradual end is a slow start, as TCP's: the n-th second after the pause has 2^n slots of the same length, and each
 * slot admits one reservation. Slots begin on whole milliseconds, rounded up. What was admitted is never given back:
 * a slot paces what is sent, whatever becomes of it.
 */
export class PauseState implements LimitState {
  readonly limit: Pause = pause
  readonly reserved = 0
  /** The end of the pause. */
  until = Number.NEGATIVE_INFINITY
  #isGradual = false
  /** Nothing is admitted before: the end of the pause, or later the begin of the next slot. */
  #nextAt = Number.NEGATIVE_INFINITY

  /** Pauses, or ends the pause with an instant that is over. One that ends earlier than that which is on is ignored. */
  pause(until: number, isGradual: boolean, now: number): void {
    if (until > now && until < this.until) return
    this.until = until
    this.#isGradual = isGradual
    this.#nextAt = until
  }

  readyAt(_amount: number, now: number, beside = 0): number {
    return Math.max(now, beside > 0 ? this.#afterOneAt(now) : this.#nextAt)
  }

  take(_amount: number, now: number): void {
    // What is admitted all the same, before the pause is over or in a slot that is taken, takes no slot.
    if (now >= this.#nextAt) this.#nextAt = this.#afterOneAt(now)
  }

  settle(): number {
    return 0
  }

  charge(): void {}

  used(): number {
    return 0
  }

  isUnused(now: number): boolean {
    return this.until + (this.#isGradual ? GRADUAL_MILLIS : 0) <= now
  }

  update(): void {}

  clone(): PauseState {
    const copy = new PauseState()
    copy.until = this.until
    copy.#isGradual = this.#isGradual
    copy.#nextAt = this.#nextAt
    return copy
  }

  /** When another one is ready, if one is admitted at `now`, when one is ready. */
  #afterOneAt(now: number): number {
    const elapsed = now - this.until
    return this.#isGradual && elapsed < GRADUAL_MILLIS ? this.until + nextSlot(elapsed) : this.#nextAt
  }
}

/** The begin of the slot after the one that an instant lies in. Both are millis since the end of the pause. */
const nextSlot = (elapsed: number): number => {
  const second = Math.floor(elapsed / SECOND)
  const slots = 2 ** second
  const slot = Math.floor(((elapsed - second * SECOND) * slots) / SECOND)
  return second * SECOND + Math.ceil(((slot + 1) * SECOND) / slots)
}

const SECOND = 1_000

// In the tenth second slots would be shorter than a millisecond, which is as exact as time is here.
export const GRADUAL_MILLIS = 10 * SECOND

const pause: Pause = {
  _tag: "Pause",
  name: "pause",
  meter: Meter.reservations,
  max: Number.MAX_SAFE_INTEGER
}
