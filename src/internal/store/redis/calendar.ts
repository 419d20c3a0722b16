import * as Cron from "effect/Cron"
import type * as Limit from "../../../Limit.ts"

/** What this process knows of the time of the store, and when windows reset around it. */
export class Calendar {
  readonly #localNow: () => number
  /** How far the store's clock is ahead of ours. */
  #ahead = 0
  readonly #resets = new WeakMap<Cron.Cron, ReadonlyArray<number>>()

  constructor(localNow: () => number) {
    this.#localNow = localNow
  }

  /** Learns the time of the store from an answer. */
  learn(storeNow: number): void {
    this.#ahead = storeNow - this.#localNow()
  }

  /** Resets of a window, of which the first is over and the last to come, even if our idea of the time is a bit wrong. */
  resetsOf({ resets }: Limit.FixedWindow): ReadonlyArray<number> {
    const now = this.#localNow() + this.#ahead
    const known = this.#resets.get(resets)
    if (known !== undefined && known[0]! <= now - WRONG_MILLIS && now + WRONG_MILLIS < known.at(-1)!) return known
    const around = resetsAround(resets, now)
    this.#resets.set(resets, around)
    return around
  }
}

const resetsAround = (cron: Cron.Cron, now: number): ReadonlyArray<number> => {
  const from = now - 2 * WRONG_MILLIS
  const instants = [Math.min(from, Cron.prev(cron, new Date(from)).getTime())]
  while (instants.at(-1)! <= now + 2 * WRONG_MILLIS) {
    instants.push(Cron.next(cron, new Date(instants.at(-1)!)).getTime())
  }
  return instants
}

// A clock that is more wrong than that costs another round trip, once.
const WRONG_MILLIS = 5_000
