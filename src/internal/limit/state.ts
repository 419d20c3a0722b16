import type * as Limit from "../../Limit.ts"
import type { Pause } from "./pause.ts"

/**
 * The counters of one limit: a small state machine over integers. It knows nothing of effects, queues or stores; time
 * is a parameter, in milliseconds, and never runs backwards between calls.
 *
 * Amounts are safe integers above zero, except those of `settle`, which may be zero.
 */
export interface LimitState {
  /** The rule. `update` replaces it. */
  readonly limit: Limit.Limit | Pause

  /** The sum of the estimates of open reservations. */
  readonly reserved: number

  /**
   * When `amount` could be admitted if nothing else happened: at or before `now` for "now", a later instant,
   * `AFTER_SETTLEMENT` or `NEVER`. Exact: one millisecond earlier it could not.
   *
   * With `beside`, the answer as it would be if `beside` had been taken at `now`.
   */
  readyAt(amount: number, now: number, beside?: number): number

  /**
   * Takes an amount, of which `readyAt` is asked before: a shadow limit takes also what it has no room for, and then
   * stands above its maximum, as by a charge.
   */
  take(amount: number, now: number): void

  /**
   * Ends a reservation of `estimate`, taken at `takenAt`, of which `actual` was used. What was not used goes back to
   * where it was charged. Returns what has yet to be charged: the overrun, or everything where windows count from the
   * settlement. It needs no time, so that the usual settlement need not read a clock.
   */
  settle(estimate: number, actual: number, takenAt: number): number

  /** Records usage that nothing was reserved for, whether or not there is room for it. */
  charge(amount: number, now: number): void

  /** How much counts against `limit.max` at `now`, open reservations included. It exceeds it by the debt. */
  used(now: number): number

  /** Whether the state equals that of a limit nobody has used yet, so that forgetting it loses nothing. */
  isUnused(now: number): boolean

  /** Changes the maximum or the period from now on and keeps what was counted. */
  update(limit: Limit.Limit, now: number): void

  /** A copy that can be run ahead without touching the original. */
  clone(): LimitState
}

/** Answer of `readyAt`: no passing of time frees enough, a settlement can. Larger than any instant. */
export const AFTER_SETTLEMENT = Number.MAX_SAFE_INTEGER

/** Answer of `readyAt`: neither time nor a settlement can make room. */
export const NEVER = Number.POSITIVE_INFINITY
