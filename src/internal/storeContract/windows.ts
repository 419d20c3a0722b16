import * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import { AFTER_SETTLEMENT } from "../limit/state.ts"
import { budget, charge, countersOf, look, reserve, route, settle } from "./asking.ts"
import { type Case, HOUR_MILLIS, type Stage } from "./stage.ts"

const SECOND_MILLIS = 1_000

const everySecond = Cron.parseUnsafe("* * * * * *")

/** A window that does not end while a case is acted. */
export const inAYear = Cron.parseUnsafe("0 0 1 1 *")

const endOfSecond = (instant: number): number => (Math.floor(instant / SECOND_MILLIS) + 1) * SECOND_MILLIS

/** When what was taken counts, and when it does not any more. */
export const windows: ReadonlyArray<Case> = [
  {
    name: "a sliding window has room again exactly one window after what was taken",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const alone = route(budget("key", Limit.slidingWindow("tokens", 100, 100)))
      const one = stage.member("one")
      const takenAt = yield* one.admitted(reserve(alone, [100]))
      const again = yield* one.admittedAt(takenAt + 100, reserve(alone, [60]))
      yield* one.admittedAt(again + 100, reserve(alone, [41]))
    })
  },
  {
    name: "a sliding window has room when enough of what was taken is a window old",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const alone = route(budget("key", Limit.slidingWindow("tokens", 100, HOUR_MILLIS)))
      const one = stage.member("one")
      const { now: first } = yield* one.ask(charge(alone, [40]))
      yield* one.until(first + 10)
      const { now: second } = yield* one.ask(charge(alone, [40]))
      yield* one.until(second + 10)
      const { now: third } = yield* one.ask(charge(alone, [20]))
      const wanted = [1, 40, 41, 80, 81, 100]
      const { now, verdicts } = yield* one.ask(...wanted.map((amount) => reserve(alone, [amount])))
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      const instants = [first, first, second, second, third, third]
      yield* stage.expect(
        `when there is room for ${wanted.join(", ")} tokens`,
        readyIn,
        instants.map((instant) => instant + HOUR_MILLIS - now)
      )
    })
  },
  {
    name: "what was not used goes back to where a sliding window has counted it",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.slidingWindow("tokens", 100, HOUR_MILLIS))
      const alone = route(key)
      const one = stage.member("one")
      const { now: before } = yield* one.ask(charge(alone, [10]))
      yield* one.until(before + 10)
      const takenAt = yield* one.admitted(reserve(alone, [70]))
      yield* one.until(takenAt + 10)
      const { now: later } = yield* one.ask(charge(alone, [20]))
      yield* one.until(later + 10)
      const wanted = [61, 70, 71, 80, 81, 60]
      const { now, sights, verdicts } = yield* one.ask(
        settle(alone, takenAt, { estimates: [70], actuals: [10] }),
        look(key),
        ...wanted.map((amount) => reserve(alone, [amount]))
      )
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: [40], reserved: [0], open: 0 })
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      const instants = [before, before, takenAt, takenAt, later]
      yield* stage.expect(`when there is room for ${wanted.join(", ")} tokens`, readyIn, [
        ...instants.map((instant) => instant + HOUR_MILLIS - now),
        undefined
      ])
    })
  },
  {
    name: "what exceeds an estimate counts in a sliding window from its settlement",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const alone = route(budget("key", Limit.slidingWindow("tokens", 100, HOUR_MILLIS)))
      const one = stage.member("one")
      const takenAt = yield* one.admitted(reserve(alone, [50]))
      yield* one.until(takenAt + 10)
      const { now, verdicts } = yield* one.ask(
        settle(alone, takenAt, { estimates: [50], actuals: [90] }),
        reserve(alone, [60]),
        reserve(alone, [61])
      )
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      yield* stage.expect("when there is room for 60 and 61 tokens", readyIn, [
        takenAt + HOUR_MILLIS - now,
        HOUR_MILLIS
      ])
    })
  },
  {
    name: "what is settled after a sliding window has left it behind gives nothing back",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.slidingWindow("tokens", 100, 50))
      const alone = route(key)
      const one = stage.member("one")
      const takenAt = yield* one.admitted(reserve(alone, [80]))
      yield* one.until(takenAt + 50)
      const { sights } = yield* one.ask(
        charge(alone, [60]),
        settle(alone, takenAt, { estimates: [80], actuals: [0] }),
        look(key)
      )
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: [60], reserved: [0], open: 0 })
    })
  },
  {
    name: "a sliding window that counts from the settlement holds the estimate until then",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.slidingWindow("tokens", 100, HOUR_MILLIS, { chargeAt: "settle" }))
      const alone = route(key)
      const one = stage.member("one")
      const { now: charged } = yield* one.ask(charge(alone, [10]))
      yield* one.until(charged + 10)
      const takenAt = yield* one.admitted(reserve(alone, [80]))
      const open = yield* one.ask(reserve(alone, [20]), reserve(alone, [21]), look(key))
      yield* stage.expect(
        "when there is room for 20 and 21 tokens",
        open.verdicts.map((verdict) => verdict?.readyInMillis),
        [charged + HOUR_MILLIS - open.now, AFTER_SETTLEMENT]
      )
      yield* stage.expect("what is counted", countersOf(open.sights[0]), { used: [90], reserved: [80], open: 1 })
      yield* one.until(takenAt + 10)
      const settled = yield* one.ask(
        settle(alone, takenAt, { estimates: [80], actuals: [70] }),
        reserve(alone, [30]),
        reserve(alone, [31])
      )
      yield* stage.expect(
        "when there is room for 30 and 31 tokens",
        settled.verdicts.map((verdict) => verdict?.readyInMillis),
        [charged + HOUR_MILLIS - settled.now, HOUR_MILLIS]
      )
    })
  },
  {
    name: "a fixed window has room again when the calendar says so",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const alone = route(budget("key", Limit.fixedWindow("tokens", 100, everySecond)))
      const one = stage.member("one")
      const { now, verdicts } = yield* one.ask(charge(alone, [100]), reserve(alone, [1]))
      yield* stage.expect("when there is room", verdicts[0]?.readyInMillis, endOfSecond(now) - now)
      yield* one.admittedAt(endOfSecond(now), reserve(alone, [100]))
    })
  },
  {
    name: "what was not used goes back to the fixed window in which it was taken, and to no other",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget(
        "key",
        Limit.fixedWindow("tokens", 100, everySecond),
        Limit.fixedWindow("tokens", 100, inAYear)
      )
      const alone = route(key)
      const one = stage.member("one")
      const takenAt = yield* one.admitted(reserve(alone, [80, 80]))
      yield* one.until(endOfSecond(takenAt))
      const { sights } = yield* one.ask(
        charge(alone, [10, 10]),
        settle(alone, takenAt, { estimates: [80, 80], actuals: [30, 30] }),
        look(key)
      )
      yield* stage.expect("what is counted in another window, and in the same", sights[0]?.used, [10, 40])
    })
  },
  {
    name: "a fixed window that counts from the settlement holds the estimate across its ends",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.fixedWindow("tokens", 100, everySecond, { chargeAt: "settle" }))
      const alone = route(key)
      const one = stage.member("one")
      const { now, verdicts } = yield* one.ask(
        charge(alone, [10]),
        reserve(alone, [80]),
        reserve(alone, [20]),
        reserve(alone, [21])
      )
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      yield* stage.expect("when each may start", readyIn, [undefined, endOfSecond(now) - now, AFTER_SETTLEMENT])
      yield* one.until(endOfSecond(now))
      const { sights } = yield* one.ask(look(key), settle(alone, now, { estimates: [80], actuals: [70] }), look(key))
      yield* stage.expect("what is counted before the settlement", countersOf(sights[0]), {
        used: [80],
        reserved: [80],
        open: 1
      })
      yield* stage.expect("what is counted after it", countersOf(sights[1]), { used: [70], reserved: [0], open: 0 })
    })
  }
]
