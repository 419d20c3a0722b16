import * as Cron from "effect/Cron"
import type * as Limit from "../../Limit.ts"
import type * as Meter from "../../Meter.ts"
import type { LimitState } from "./state.ts"

/** What a provider says is left of its limit on a meter, in the meter's integers. */
export interface ProviderLimit {
  readonly meter: Meter.Meter
  readonly limit: number
  readonly remaining: number
}

/** How much of a limit others have used, of which only the provider knows. */
export interface Tightening {
  readonly limit: Limit.Limit
  readonly by: number
}

/**
 * By how much a limit has more left than the provider says. Absent where it has not, and where the provider does not
 * speak of this limit: one on another meter, of a longer period, or larger than the provider's own.
 *
 * `wall` is `now` as the calendar shows it.
 */
export const tightening = (
  state: LimitState,
  said: ProviderLimit,
  now: number,
  wall: number
): Tightening | undefined => {
  const { limit } = state
  if (limit._tag === "Pause") return undefined
  const by = limit.max - state.used(now) - said.remaining
  return by > 0 && isSpokenOf(limit, said, wall) ? { limit, by } : undefined
}

/** Whether a provider speaks of a limit. */
export const isSpokenOf = (limit: Limit.Limit, said: ProviderLimit, wall: number): boolean =>
  limit.meter === said.meter && limit.max <= said.limit && periodMillis(limit, wall) <= PERIOD_MILLIS_MAX

/** How long it takes at most until what is charged now comes back, or flows in. */
const periodMillis = (limit: Limit.Limit, wall: number): number => {
  switch (limit._tag) {
    case "SlidingWindow":
      return limit.windowMillis
    case "TokenBucket":
      return limit.refillMillis
    case "FixedWindow": {
      // A rhythm may pause: what is charged must come back soon, and not only because a long window is about to end.
      const end = Cron.next(limit.resets, new Date(wall))
      return Math.max(end.getTime() - wall, Cron.next(limit.resets, end).getTime() - end.getTime())
    }
    default:
      return Number.POSITIVE_INFINITY
  }
}

// Providers report what is left of their limits per minute. Charged to a longer one, it would hold that up for as long.
const PERIOD_MILLIS_MAX = 60_000
