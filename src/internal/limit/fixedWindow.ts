import * as Cron from "effect/Cron"
import type * as Limit from "../../Limit.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "./state.ts"

/**
 * Counts within the calendar window that contains `now` and forgets at its end.
 *
 * `now` never runs backwards, the calendar can: `wallOffset` says how far `now` is ahead of it. A clock that is set
 * back re-enters no window that was left.
 */
export class FixedWindowState implements LimitState {
  limit: Limit.FixedWindow
  reserved = 0
  readonly #wallOffset: () => number
  #counted = 0
  /** From here on, what was taken was taken in this window. */
  #start = Number.NEGATIVE_INFINITY
  /** The end, as the calendar shows it. It identifies the window. */
  #wallEnd = Number.NEGATIVE_INFINITY

  constructor(limit: Limit.FixedWindow, wallOffset: () => number) {
    this.limit = limit
    this.#wallOffset = wallOffset
  }

  readyAt(amount: number, now: number, beside = 0): number {
    const max = this.limit.max
    if (amount > max) return NEVER
    if (this.used(now) + beside + amount <= max) return now
    const kept = this.limit.chargeAt === "settle" ? this.reserved + beside : 0
    return kept + amount <= max ? this.#end() : AFTER_SETTLEMENT
  }

  take(amount: number, now: number): void {
    this.reserved += amount
    if (this.limit.chargeAt === "reserve") this.charge(amount, now)
  }

  settle(estimate: number, actual: number, takenAt: number): number {
    this.reserved -= estimate
    if (this.limit.chargeAt === "settle") return actual
    if (actual < estimate && takenAt >= this.#start) this.#counted -= estimate - actual
    return Math.max(0, actual - estimate)
  }

  charge(amount: number, now: number): void {
    this.#roll(now)
    this.#counted += amount
  }

  used(now: number): number {
    this.#roll(now)
    return this.limit.chargeAt === "reserve" ? this.#counted : this.#counted + this.reserved
  }

  isUnused(now: number): boolean {
    return this.reserved === 0 && this.used(now) === 0
  }

  update(limit: Limit.FixedWindow): void {
    this.limit = limit
  }

  clone(): FixedWindowState {
    const copy = new FixedWindowState(this.limit, this.#wallOffset)
    copy.reserved = this.reserved
    copy.#counted = this.#counted
    copy.#start = this.#start
    copy.#wallEnd = this.#wallEnd
    return copy
  }

  #roll(now: number): void {
    if (now < this.#end()) return
    this.#wallEnd = Cron.next(this.limit.resets, new Date(now - this.#wallOffset())).getTime()
    this.#start = now
    this.#counted = 0
  }

  #end(): number {
    return this.#wallEnd + this.#wallOffset()
  }
}
