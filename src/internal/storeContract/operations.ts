import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import * as Usage from "../../Usage.ts"
import { NEVER } from "../limit/state.ts"
import { budget, charge, countersOf, look, pause, reserve, route, settle, shadow, tighten } from "./asking.ts"
import { type Case, HOUR_MILLIS, type Stage } from "./stage.ts"

const cap = Limit.cap("tokens", 100)
const window = Limit.slidingWindow("tokens", 100, HOUR_MILLIS)

/** What is not a reservation, and budgets that are not as usual. */
export const operations: ReadonlyArray<Case> = [
  {
    name: "what was spent is summed up in every budget of the route",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [run, key] = [budget("run", cap), budget("key", window)]
      const both = route(run, key)
      const one = stage.member("one")
      const takenAt = yield* one.admitted(reserve(both, [50, 50]))
      const settled = Usage.make({ inputTokens: 20, cacheReadTokens: 5, outputTokens: 10, costUsd: 0.25 })
      const charged = Usage.make({ requests: 3, inputTokens: 7, outputTokens: 2, reasoningTokens: 1 })
      const { sights } = yield* one.ask(
        look(run),
        settle(both, takenAt, { estimates: [50, 50], actuals: [30, 30], usage: settled }),
        charge(route(key), [9], charged),
        look(run),
        look(key)
      )
      const spent = sights.map((sight) => sight.spent)
      yield* stage.expect("what was spent", spent, [Usage.zero, settled, Usage.add(settled, charged)])
    })
  },
  {
    name: "nothing is admitted while a budget is paused, and its counters stay",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [run, key] = [budget("run", cap), budget("key", window)]
      const both = route(run, key)
      const one = stage.member("one")
      const { sights, verdicts } = yield* one.ask(
        charge(both, [10, 10]),
        pause(key, HOUR_MILLIS),
        reserve(both, [1, 1]),
        reserve(route(run), [1]),
        look(key)
      )
      yield* stage.expect(
        "what is in the way",
        { ...verdicts[0], askAgainInMillis: undefined },
        {
          index: -2,
          readyInMillis: HOUR_MILLIS,
          used: 0,
          reserved: 0
        }
      )
      yield* stage.expect("what is in the way of who does not use the budget", verdicts[1], undefined)
      yield* stage.expect(
        "what is told of the budget",
        { ...sights[0], spent: undefined },
        {
          used: [10],
          reserved: [0],
          open: 0,
          pausedMillis: HOUR_MILLIS,
          resumesInMillis: HOUR_MILLIS
        }
      )
    })
  },
  {
    name: "of several pauses the longest counts, and one of no time ends it",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const alone = route(key)
      const { sights, verdicts } = yield* stage
        .member("one")
        .ask(
          pause(key, HOUR_MILLIS),
          pause(key, HOUR_MILLIS / 2),
          reserve(alone, [1]),
          pause(key, 2 * HOUR_MILLIS),
          reserve(alone, [1]),
          pause(key, 0),
          reserve(alone, [1]),
          look(key),
          pause(key, HOUR_MILLIS),
          pause(key, -1),
          reserve(alone, [1])
        )
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      const expected = [HOUR_MILLIS, 2 * HOUR_MILLIS, undefined, undefined]
      yield* stage.expect("when each may start", readyIn, expected)
      const left = [sights[0]?.pausedMillis, sights[0]?.resumesInMillis]
      yield* stage.expect("how much longer it is paused when the pause was ended", left, [0, 0])
    })
  },
  {
    name: "everybody is admitted when a pause is over",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const alone = route(key)
      const one = stage.member("one")
      const { now } = yield* one.ask(pause(key, 60))
      yield* one.admittedAt(now + 60, reserve(alone, [1]))
      const { verdicts } = yield* one.ask(...Array.from({ length: 20 }, () => reserve(alone, [1])))
      const refused = verdicts.filter((verdict) => verdict !== undefined)
      yield* stage.expect("who is kept out", refused, [])
    })
  },
  {
    name: "where a pause ends gradually, reservations are admitted in slots: 1, 2, 4, … in each second",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", cap)
      const alone = route(key)
      const one = stage.member("one")
      const { now: paused } = yield* one.ask(pause(key, 60, true))
      const over = paused + 60
      let takenAt = yield* one.admittedAt(over, reserve(alone, [1]))
      for (let count = 1; count <= 4; count++) {
        const slot = nextSlot(takenAt - over)
        const { now, sights } = yield* one.ask(look(key))
        yield* stage.expect("whether it is still paused", sights[0]?.pausedMillis, 0)
        const resumesIn = Math.max(0, over + slot - now)
        yield* stage.expect("when the next one may start", sights[0]?.resumesInMillis, resumesIn)
        takenAt = yield* one.admittedAt(over + slot, reserve(alone, [1]))
      }
    })
  },
  {
    name: "limits are charged with what they have left beyond what a provider says, and never loosened",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget("key", window, Limit.tokenBucket("tokens", 1, HOUR_MILLIS, { capacity: 50 }), cap)
      const alone = route(key)
      const { sights, tightened, verdicts } = yield* stage
        .member("one")
        .ask(
          charge(alone, [30, 0, 10]),
          tighten(key, [0, 1], 20),
          look(key),
          tighten(key, [1, 0], 40),
          look(key),
          tighten(key, [2], 0),
          look(key),
          reserve(alone, [21, 0, 0]),
          reserve(alone, [20, 0, 0])
        )
      yield* stage.expect("by how much each is tightened", tightened, [[50, 30], [0, 0], [90]])
      const used = sights.map((sight) => sight.used)
      yield* stage.expect("what is counted", used, [
        [80, 30, 10],
        [80, 30, 10],
        [80, 30, 100]
      ])
      yield* stage.expect("what was spent", sights[2]?.spent, Usage.zero)
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      yield* stage.expect("when there is room for 21 and 20 tokens", readyIn, [HOUR_MILLIS, undefined])
    })
  },
  {
    name: "a shadow budget counts and keeps nobody out",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [run, tried] = [budget("run", cap), shadow("tried", window, Limit.concurrency(1))]
      const both = route(tried, run)
      const one = stage.member("one")
      const { now, sights, verdicts } = yield* one.ask(
        charge(both, [90, 0, 0]),
        pause(tried, HOUR_MILLIS),
        reserve(both, [40, 1, 40]),
        reserve(both, [40, 1, 40]),
        reserve(both, [40, 1, 40]),
        look(tried)
      )
      const refused = verdicts.map((verdict) => verdict?.index)
      yield* stage.expect("what is in the way", refused, [undefined, undefined, 2])
      const open = { used: [170, 2], reserved: [80, 2], open: 2 }
      yield* stage.expect("what the shadow has counted", countersOf(sights[0]), open)
      const settled = yield* one.ask(
        settle(both, now, { count: 2, estimates: [80, 2, 80], actuals: [10, 2, 10] }),
        look(tried),
        look(run)
      )
      yield* stage.expect("what the shadow has counted in the end", countersOf(settled.sights[0]), {
        used: [100, 0],
        reserved: [0, 0],
        open: 0
      })
      yield* stage.expect("what the budget has counted in the end", countersOf(settled.sights[1]), {
        used: [10],
        reserved: [0],
        open: 0
      })
    })
  },
  {
    name: "a limit keeps what it has counted under its name, whatever maximum and period members name",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [one, other] = [stage.member("one"), stage.member("other")]
      const named = { name: "window" }
      const small = budget("key", Limit.slidingWindow("tokens", 100, HOUR_MILLIS, named), cap)
      const large = budget("key", Limit.slidingWindow("tokens", 300, 2 * HOUR_MILLIS, named))
      const takenAt = yield* one.admitted(reserve(route(small), [80, 80]))
      const { now, sights, verdicts } = yield* other.ask(
        look(large),
        reserve(route(large), [220]),
        reserve(route(large), [1])
      )
      yield* stage.expect("what is counted under a larger limit", sights[0]?.used, [80])
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      const expected = [undefined, takenAt + 2 * HOUR_MILLIS - now]
      yield* stage.expect("when each may start under a larger limit", readyIn, expected)
      const settled = yield* one.ask(
        settle(route(small), takenAt, { estimates: [80, 80], actuals: [60, 60] }),
        look(small),
        reserve(route(small), [1, 1])
      )
      yield* stage.expect(
        "what is counted, also where a limit was not named meanwhile",
        settled.sights[0]?.used,
        [280, 60]
      )
      yield* stage.expect("what is in the way", settled.verdicts[0]?.index, 0)
    })
  },
  {
    name: "another rule under the name of a limit starts anew",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const named = { name: "limit" }
      const one = stage.member("one")
      const rules = [
        Limit.cap("tokens", 100, named),
        Limit.slidingWindow("tokens", 100, HOUR_MILLIS, named),
        Limit.slidingWindow("requests", 100, HOUR_MILLIS, named),
        Limit.slidingWindow("requests", 100, HOUR_MILLIS, { ...named, chargeAt: "settle" }),
        Limit.tokenBucket("requests", 100, HOUR_MILLIS, named)
      ]
      for (const [index, limit] of rules.slice(1).entries()) {
        const before = budget(`key ${index}`, rules[index]!, Limit.concurrency(2))
        const after = budget(`key ${index}`, limit, Limit.concurrency(2))
        const takenAt = yield* one.admitted(reserve(route(before), [80, 1]))
        const { sights } = yield* one.ask(
          look(after),
          settle(route(after), takenAt, { estimates: [80, 1], actuals: [30, 1] }),
          look(after)
        )
        // A limit that does not know a reservation is charged with what it has used.
        yield* stage.expect(`what is counted by a ${limit._tag} after another rule`, sights.map(countersOf), [
          { used: [0, 1], reserved: [0, 1], open: 1 },
          { used: [30, 0], reserved: [0, 0], open: 0 }
        ])
      }
    })
  },
  {
    name: "a limit that is made smaller than what it has counted admits nothing until enough of it is gone",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const [large, small] = [budget("key", Limit.cap("tokens", 100)), budget("key", Limit.cap("tokens", 10))]
      const { sights, verdicts } = yield* one.ask(
        charge(route(large), [50]),
        reserve(route(small), [1]),
        look(small),
        reserve(route(large), [1])
      )
      const readyIn = verdicts.map((verdict) => verdict?.readyInMillis)
      yield* stage.expect("when each may start", readyIn, [NEVER, undefined])
      yield* stage.expect("what is counted", sights[0]?.used, [50])
    })
  }
]

/** In how many millis after the end of a pause there is a slot, when the last one was taken at some. */
const nextSlot = (taken: number): number => {
  const [second, rest] = [Math.floor(taken / 1_000), taken % 1_000]
  const slots = 2 ** second
  return second * 1_000 + Math.ceil(((Math.floor((rest * slots) / 1_000) + 1) * 1_000) / slots)
}
