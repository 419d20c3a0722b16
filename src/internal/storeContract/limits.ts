import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import { AFTER_SETTLEMENT, NEVER } from "../limit/state.ts"
import { assert, budget, charge, countersOf, look, reserve, route, settle } from "./asking.ts"
import { type Case, HOUR_MILLIS, type Stage } from "./stage.ts"
import { inAYear } from "./windows.ts"

const DAY_MILLIS = 24 * HOUR_MILLIS

/** One limit of each kind that counts amounts. Nothing comes back to any of them while a case is acted. */
const ofEachKind = [
  Limit.cap("tokens", 100),
  Limit.slidingWindow("tokens", 100, HOUR_MILLIS),
  Limit.slidingWindow("tokens", 100, HOUR_MILLIS, { name: "sliding, from the settlement", chargeAt: "settle" }),
  Limit.fixedWindow("tokens", 100, inAYear),
  Limit.fixedWindow("tokens", 100, inAYear, { name: "fixed, from the settlement", chargeAt: "settle" }),
  Limit.tokenBucket("tokens", 1, DAY_MILLIS, { capacity: 100 })
]

/** Its place. */
const SLIDING = 1

const each = (amount: number): ReadonlyArray<number> => ofEachKind.map(() => amount)

/** What limits count, whatever their kind, and the kinds that are not windows. */
export const limits: ReadonlyArray<Case> = [
  {
    name: "a cap keeps what was used, and gives back what was only reserved",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.cap("tokens", 100))
      const alone = route(key)
      const one = stage.member("one")
      const takenAt = yield* one.admitted(reserve(alone, [80]))
      const refused = yield* one.refused(reserve(alone, [30]))
      yield* stage.expect("readyInMillis", refused.readyInMillis, AFTER_SETTLEMENT)
      yield* stage.expect("what is counted against it", [refused.used, refused.reserved], [80, 80])
      const { sights, verdicts } = yield* one.ask(
        settle(alone, takenAt, { estimates: [80], actuals: [50] }),
        look(key),
        reserve(alone, [51]),
        reserve(alone, [30]),
        reserve(alone, [21]),
        reserve(alone, [51])
      )
      yield* stage.expect("what is counted when it is settled", countersOf(sights[0]), {
        used: [50],
        reserved: [0],
        open: 0
      })
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      yield* stage.expect("when each may start", readyIn, [NEVER, undefined, AFTER_SETTLEMENT, NEVER])
    })
  },
  {
    name: "concurrency counts what is open, whatever it uses",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.concurrency(2))
      const alone = route(key)
      const one = stage.member("one")
      const { now, verdicts } = yield* one.ask(reserve(alone, [1]), reserve(alone, [1]), reserve(alone, [1]))
      yield* stage.expect(
        "when each may start",
        verdicts.map((verdict) => verdict?.readyInMillis),
        [undefined, undefined, AFTER_SETTLEMENT]
      )
      const next = yield* one.ask(
        charge(alone, [1]),
        settle(alone, now, { estimates: [1], actuals: [1] }),
        reserve(alone, [1]),
        reserve(alone, [1]),
        look(key)
      )
      yield* stage.expect(
        "when each may start after one has ended",
        next.verdicts.map((verdict) => verdict?.readyInMillis),
        [undefined, AFTER_SETTLEMENT]
      )
      yield* stage.expect("what is counted", countersOf(next.sights[0]), { used: [2], reserved: [2], open: 2 })
    })
  },
  {
    name: "a bucket refills exactly, whoever looks at it meanwhile",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.tokenBucket("tokens", 3, 100, { capacity: 1_000 }))
      const alone = route(key)
      const one = stage.member("one")
      const { now: emptiedAt, verdicts } = yield* one.ask(charge(alone, [1_000]), reserve(alone, [7]))
      yield* stage.expect("when there is room for 7 tokens", verdicts[0]?.readyInMillis, Math.ceil((7 * 100) / 3))
      yield* one.admittedAt(emptiedAt + 234, reserve(alone, [7]), 13)
      const { now, sights } = yield* one.ask(look(key))
      const refilled = Math.floor(((now - emptiedAt) * 3) / 100)
      yield* stage.expect("what is counted", sights[0]?.used, [1_000 + 7 - refilled])
    })
  },
  {
    name: "a bucket is given back no more than would not have overflowed meanwhile",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const slow = Limit.tokenBucket("tokens", 1, DAY_MILLIS, { capacity: 100 })
      const key = budget("key", slow, Limit.tokenBucket("tokens", 100, 100))
      const one = stage.member("one")
      const alone = route(key)
      const takenAt = yield* one.admitted(reserve(alone, [60, 60]))
      yield* one.until(takenAt + 60)
      const { sights, verdicts } = yield* one.ask(
        settle(alone, takenAt, { estimates: [60, 60], actuals: [10, 10] }),
        look(key),
        reserve(alone, [0, 100]),
        reserve(alone, [0, 1])
      )
      yield* stage.expect("what is counted where nothing has overflowed, and where all has", sights[0]?.used, [10, 0])
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      yield* stage.expect("when each may start", readyIn, [undefined, 1])
    })
  },
  {
    name: "an amount above the maximum never fits, and nobody waits for it",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const other = stage.member("other")
      for (const limit of [...ofEachKind, Limit.concurrency(100)]) {
        const alone = route(budget(limit.name, limit))
        const refused = yield* one.refused(reserve(alone, [101], { waits: true }))
        yield* stage.expect(`when it may start at ${limit.name}`, refused.readyInMillis, NEVER)
        const { verdicts } = yield* other.ask(...Array.from({ length: 100 }, () => reserve(alone, [1])))
        const admitted = verdicts.filter((verdict) => verdict === undefined).length
        yield* stage.expect(`how many others are admitted at ${limit.name}`, admitted, 100)
      }
    })
  },
  {
    name: "what was used is recorded, also above the estimate and above the maximum",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", ...ofEachKind)
      const alone = route(key)
      const one = stage.member("one")
      const takenAt = yield* one.admitted(reserve(alone, each(50)))
      const { sights } = yield* one.ask(
        look(key),
        settle(alone, takenAt, { estimates: each(50), actuals: each(130) }),
        look(key),
        charge(alone, each(7)),
        look(key)
      )
      const open = { used: each(50), reserved: each(50), open: 1 }
      yield* stage.expect("what is counted while it is open", countersOf(sights[0]), open)
      const settled = { used: each(130), reserved: each(0), open: 0 }
      yield* stage.expect("what is counted when it is settled", countersOf(sights[1]), settled)
      const charged = { used: each(137), reserved: each(0), open: 0 }
      yield* stage.expect("what is counted after a charge", countersOf(sights[2]), charged)
    })
  },
  {
    name: "reservations of one instant are settled together as they are one by one",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", ...ofEachKind)
      const alone = route(key)
      const one = stage.member("one")
      const { now: takenAt } = yield* one.ask(
        reserve(alone, each(50)),
        reserve(alone, each(30)),
        reserve(alone, each(20))
      )
      // One has used 10 of 50, the other 95 of 30. The third stays open.
      const together = { count: 2, estimates: each(80), actuals: each(105), refunds: each(40) }
      yield* one.until(takenAt + 10)
      const onlySliding = ofEachKind.map((_, index) => (index === SLIDING ? 40 : 0))
      const { sights, verdicts } = yield* one.ask(
        settle(alone, takenAt, together),
        look(key),
        reserve(alone, onlySliding)
      )
      yield* stage.expect("what is counted", countersOf(sights[0]), { used: each(125), reserved: each(20), open: 1 })
      // 60 were taken then, and 65 are in excess now.
      yield* stage.expect("when a sliding window has room for 40", verdicts[0]?.readyInMillis, HOUR_MILLIS)
    })
  },
  {
    name: "a limit of which nothing is wanted is not in the way, however full it is",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", Limit.cap("tokens", 100), Limit.cap("requests", 10))
      const alone = route(key)
      const { verdicts } = yield* stage
        .member("one")
        .ask(charge(alone, [200, 0]), reserve(alone, [0, 1]), reserve(alone, [1, 1]))
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      yield* stage.expect("when each may start", readyIn, [undefined, NEVER])
    })
  },
  {
    name: "what a store has lost is taken again, whether or not there is room",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", ...ofEachKind, Limit.concurrency(1))
      const alone = route(key)
      const one = stage.member("one")
      const { now, sights } = yield* one.ask(assert(alone, [...each(150), 3], 3), look(key))
      const open = { used: [...each(150), 3], reserved: [...each(150), 3], open: 3 }
      yield* stage.expect("what is counted", countersOf(sights[0]), open)
      const all = { count: 3, estimates: [...each(150), 3], actuals: [...each(20), 3] }
      const settled = yield* one.ask(settle(alone, now, all), look(key))
      const counted = { used: [...each(20), 0], reserved: [...each(0), 0], open: 0 }
      yield* stage.expect("what is counted when it is settled", countersOf(settled.sights[0]), counted)
    })
  }
]
