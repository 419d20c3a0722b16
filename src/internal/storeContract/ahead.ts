import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import { AFTER_SETTLEMENT } from "../limit/state.ts"
import { budget, countersOf, look, pause, reserve, route, settle } from "./asking.ts"
import { type Case, HOUR_MILLIS, type Stage } from "./stage.ts"

const AHEAD_MILLIS = 1_000

const cap = Limit.cap("tokens", 100)
const key = budget(
  "key",
  cap,
  Limit.slidingWindow("tokens", 100, HOUR_MILLIS),
  Limit.tokenBucket("tokens", 1, 24 * HOUR_MILLIS, { capacity: 100 })
)
const alone = route(key)

const each = (amount: number): ReadonlyArray<number> => key.limits.map(() => amount)

/** What a member takes for calls that are yet to come. */
export const ahead: ReadonlyArray<Case> = [
  {
    name: "what is taken ahead counts at once, in a sliding window for as much longer, and is not open",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const { sights, verdicts } = yield* stage
        .member("one")
        .ask(
          reserve(alone, each(40), { aheadMillis: AHEAD_MILLIS }),
          look(key),
          reserve(alone, [0, 61, 0]),
          reserve(alone, each(60)),
          reserve(alone, [0, 100, 0]),
          reserve(alone, [0, 1, 0])
        )
      const counters = { used: each(40), reserved: each(40), open: 0 }
      yield* stage.expect("what is counted", countersOf(sights[0]), counters)
      const [first, second, third, fourth, fifth] = verdicts.map((verdict) => verdict?.readyInMillis)
      const late = HOUR_MILLIS + AHEAD_MILLIS
      yield* stage.expect(
        "when there is room for 61 and 60 tokens",
        [first, second, third],
        [undefined, late, undefined]
      )
      yield* stage.expect("when there is room for all", fourth, late)
      // What was taken beside it may be counted with it.
      const isInTime = fifth !== undefined && fifth >= HOUR_MILLIS && fifth <= late
      yield* stage.expect(`whether ${fifth} ms for one token are within a window and that time`, isInTime, true)
    })
  },
  {
    name: "what was taken ahead and not used goes back to where it was counted",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const takenAt = yield* one.admitted(reserve(alone, each(40), { aheadMillis: AHEAD_MILLIS }))
      const { sights, verdicts } = yield* one.ask(
        settle(alone, takenAt, { count: 0, estimates: each(40), actuals: each(10), aheadMillis: AHEAD_MILLIS }),
        look(key),
        reserve(alone, each(90)),
        reserve(alone, [0, 1, 0])
      )
      const counters = { used: each(10), reserved: each(0), open: 0 }
      yield* stage.expect("what is counted", countersOf(sights[0]), counters)
      yield* stage.expect("what keeps 90 tokens out", verdicts[0], undefined)
    })
  },
  {
    name: "nothing is taken ahead where somebody waits",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [waiting, other] = [stage.member("waiting"), stage.member("other")]
      yield* stage.member("holder").admitted(reserve(alone, each(60)))
      const { askAgainInMillis, now } = yield* waiting.refused(reserve(alone, [50, 0, 0], { waits: true }))
      const asked = yield* other.ask(
        reserve(alone, [0, 1, 0], { aheadMillis: AHEAD_MILLIS }),
        reserve(alone, [1, 0, 0], { aheadMillis: AHEAD_MILLIS }),
        reserve(alone, [1, 0, 0])
      )
      // On a slow server it may be late by now, and is not waited for.
      if (asked.now > now + askAgainInMillis) return
      const readyIn = asked.verdicts.map((verdict) => verdict?.readyInMillis)
      yield* stage.expect("what may be taken", readyIn, [undefined, AFTER_SETTLEMENT, undefined])
    })
  },
  {
    name: "nothing is taken ahead of a budget that is paused",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const { verdicts } = yield* stage
        .member("one")
        .ask(pause(key, HOUR_MILLIS), reserve(alone, each(1), { aheadMillis: AHEAD_MILLIS }))
      yield* stage.expect("what is in the way", verdicts[0]?.index, -1)
    })
  },
  {
    name: "what a member has taken ahead is settled when its lease is over",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const other = stage.member("other")
      const ends: Array<number> = []
      for (const lapse of ["charge", "release"] as const) {
        const dead = stage.member(lapse, { leaseMillis: 50, lapse })
        const taken = reserve(route(budget(lapse, cap)), [40], { aheadMillis: AHEAD_MILLIS })
        ends.push((yield* dead.admitted(taken)) + 50)
      }
      yield* other.until(Math.max(...ends))
      const { sights } = yield* other.ask(look(budget("charge", cap)), look(budget("release", cap)))
      yield* stage.expect("what is counted", sights.map(countersOf), [
        { used: [40], reserved: [0], open: 0 },
        { used: [0], reserved: [0], open: 0 }
      ])
    })
  }
]
