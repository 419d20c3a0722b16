import type * as Limit from "../../Limit.ts"
import { Instants } from "./instants.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "./state.ts"

/** What was taken at t counts in [t, t + window). */
export class SlidingWindowState implements LimitState {
  limit: Limit.SlidingWindow
  reserved = 0
  readonly #live: Instants

  constructor(limit: Limit.SlidingWindow, live = new Instants(limit.windowMillis / QUANTA_PER_WINDOW)) {
    this.limit = limit
    this.#live = live
  }

  readyAt(amount: number, now: number, beside = 0): number {
    const max = this.limit.max
    if (amount + beside > max) return NEVER
    const excess = this.used(now) + beside + amount - max
    if (excess <= 0) return now
    if (excess > this.#live.total) return AFTER_SETTLEMENT
    return this.#live.whenFreed(excess) + this.limit.windowMillis
  }

  /** With `countedAt` it counts in [countedAt, countedAt + window), and from now on until then. */
  take(amount: number, now: number, countedAt = now): void {
    this.reserved += amount
    if (this.limit.chargeAt === "reserve") this.#count(amount, now, countedAt)
  }

  settle(estimate: number, actual: number, takenAt: number): number {
    this.reserved -= estimate
    if (this.limit.chargeAt === "settle") return actual
    if (actual < estimate) this.#live.reduce(estimate - actual, takenAt)
    return Math.max(0, actual - estimate)
  }

  charge(amount: number, now: number): void {
    this.#count(amount, now, now)
  }

  used(now: number): number {
    this.#live.dropUntil(now - this.limit.windowMillis)
    return this.limit.chargeAt === "reserve" ? this.#live.total : this.#live.total + this.reserved
  }

  isUnused(now: number): boolean {
    return this.reserved === 0 && this.used(now) === 0
  }

  update(limit: Limit.SlidingWindow): void {
    this.limit = limit
    this.#live.quantumMillis = limit.windowMillis / QUANTA_PER_WINDOW
  }

  #count(amount: number, now: number, at: number): void {
    this.#live.dropUntil(now - this.limit.windowMillis)
    this.#live.add(amount, at)
  }

  clone(): SlidingWindowState {
    const copy = new SlidingWindowState(this.limit, this.#live.clone())
    copy.reserved = this.reserved
    return copy
  }
}

// Merged instants return their capacity at most one quantum late: a thousandth of the window.
const QUANTA_PER_WINDOW = 1_000
