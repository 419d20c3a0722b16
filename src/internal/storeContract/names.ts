import * as Effect from "effect/Effect"
import * as Limit from "../../Limit.ts"
import * as Usage from "../../Usage.ts"
import { AFTER_SETTLEMENT } from "../limit/state.ts"
import { budget, charge, countersOf, look, pause, reserve, route, settle } from "./asking.ts"
import { type Case, HOUR_MILLIS, type Stage } from "./stage.ts"

const MOST = Number.MAX_SAFE_INTEGER

/** Names that mean something to somebody on their way. */
const odd = [
  "",
  " ",
  "{a}{b}",
  "}{",
  `"quoted" 'twice' \\ \`thrice\``,
  "two\nlines\r\n\ttab",
  "naïve Größe 数 🎉",
  "a:b/c%3Ad*e?f[g]h",
  "__proto__",
  "constructor",
  "0",
  "-1e3",
  "$& %s ${x} \u0007"
]

/** Names and numbers are what they are, and groups do not know of each other. */
export const names: ReadonlyArray<Case> = [
  {
    name: "keys, limits and members may have any names, and each is itself only",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const woken = yield* stage.listen()
      const holder = stage.member("holder")
      for (const [index, name] of odd.entries()) {
        const limits = [
          Limit.slidingWindow("tokens", 1_000, HOUR_MILLIS, { name }),
          Limit.tokenBucket("tokens", 1, HOUR_MILLIS, { name: `${name} `, capacity: 1_000 })
        ]
        const key = budget(name, ...limits)
        const alone = route(key)
        const [one, dead] = [stage.member(`${name} waits`), stage.member(name, { leaseMillis: 20 })]
        const takenAt = yield* holder.admitted(reserve(alone, [900, 1]))
        yield* holder.ask(charge(alone, [10, index]))
        const refused = yield* one.refused(reserve(alone, [500, 1], { waits: true }))
        const { now } = yield* dead.ask(reserve(alone, [5, 0]))
        yield* holder.until(now + 20)
        yield* holder.ask(settle(alone, takenAt, { estimates: [900, 1], actuals: [20, 1] }))
        yield* stage.wakes(woken)
        yield* stage.expect(`who is woken at a limit named ${JSON.stringify(name)}`, woken.splice(0), [one.name])
        yield* one.admitted(reserve(alone, [500, 1], { ticket: refused.ticket, waits: true }))
        const { sights } = yield* holder.ask(look(key))
        const counters = { used: [535, index + 2], reserved: [500, 1], open: 1 }
        yield* stage.expect(`what is counted under ${JSON.stringify(name)}`, countersOf(sights[0]), counters)
      }
      // All of them are still there, and none was taken for another.
      const { sights } = yield* holder.ask(...odd.map((name) => look(budget(name, Limit.cap("tokens", 1)))))
      const open = sights.map((sight) => sight.open)
      yield* stage.expect(
        "how many are open under each name",
        open,
        odd.map(() => 1)
      )
    })
  },
  {
    name: "names that look alike when they are put together are different",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const one = stage.member("one")
      const pairs = [
        ["a", "b:c"],
        ["a:b", "c"],
        ["a%3Ab", "c"],
        ["a/b", "c"],
        ["a", "b/c"],
        ["A", "b/c"],
        ["a ", "b/c"]
      ] as const
      const budgets = pairs.map(([key, name]) =>
        budget(key, Limit.slidingWindow("tokens", 1_000, HOUR_MILLIS, { name }))
      )
      const takenAt: Array<number> = []
      for (const [index, each] of budgets.entries()) {
        takenAt.push(yield* one.admitted(reserve(route(each), [100 + index])))
      }
      yield* one.until(takenAt.at(-1)! + 5)
      for (const [index, each] of budgets.entries()) yield* one.ask(charge(route(each), [10 * index + 1]))
      for (const [index, each] of budgets.entries()) {
        const { now, sights, verdicts } = yield* one.ask(
          settle(route(each), takenAt[index]!, { estimates: [100 + index], actuals: [50] }),
          look(each),
          reserve(route(each), [1_000 - 10 * index - 1])
        )
        const subject = `under ${pairs[index]!.join(" and ")}`
        yield* stage.expect(`what is counted ${subject}`, sights[0]?.used, [50 + 10 * index + 1])
        const readyIn = takenAt[index]! + HOUR_MILLIS - now
        yield* stage.expect(`when there is room ${subject}`, verdicts[0]?.readyInMillis, readyIn)
      }
    })
  },
  {
    name: "groups are independent, also where everything in them has the same name",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [left, right] = [`${stage.group} {left}`, `${stage.group} {right}`]
      const key = budget("key", Limit.cap("tokens", 100))
      const alone = route(key)
      const wokenLeft = yield* stage.listen(left)
      const wokenRight = yield* stage.listen(right)
      const holders = [stage.member("holder", { group: left }), stage.member("holder", { group: right })] as const
      const takenAt = yield* holders[0].admitted(reserve(alone, [100]))
      yield* holders[1].ask(pause(key, HOUR_MILLIS), charge(alone, [10]))
      const { sights } = yield* holders[0].ask(look(key))
      yield* stage.expect(
        "what is told of one",
        { ...sights[0], spent: undefined },
        {
          used: [100],
          reserved: [100],
          open: 1,
          pausedMillis: 0,
          resumesInMillis: 0
        }
      )
      for (const group of [left, right]) {
        yield* stage.member("waiting", { group }).refused(reserve(alone, [50], { waits: true }))
      }
      yield* holders[0].ask(settle(alone, takenAt, { estimates: [100], actuals: [0] }))
      yield* stage.wakes(wokenLeft)
      yield* stage.pass(30)
      yield* stage.expect("who is woken in the other", wokenRight, [])
    })
  },
  {
    name: "numbers up to 2^53 - 1 are exact",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const key = budget(
        "key",
        Limit.cap("tokens", MOST),
        Limit.slidingWindow("tokens", MOST, HOUR_MILLIS),
        Limit.tokenBucket("tokens", 1, 24 * HOUR_MILLIS, { capacity: MOST })
      )
      const alone = route(key)
      const one = stage.member("one")
      const each = (amount: number) => [amount, amount, amount]
      const spent = { ...Usage.zero, costNanoUsd: MOST - 2 }
      const { now, sights, verdicts } = yield* one.ask(
        reserve(alone, each(MOST - 1)),
        look(key),
        reserve(alone, each(1)),
        look(key),
        reserve(alone, [1, 0, 0]),
        charge(route(budget("key")), [], spent),
        charge(route(budget("key")), [], { ...Usage.zero, costNanoUsd: 1 })
      )
      const [first, second, third] = verdicts
      yield* stage.expect("the first two verdicts", [first, second], [undefined, undefined])
      yield* stage.expect(
        "what is counted",
        sights.map(({ used }) => used),
        [each(MOST - 1), each(MOST)]
      )
      yield* stage.expect(
        "what is counted against the third",
        [third?.readyInMillis, third?.used],
        [AFTER_SETTLEMENT, MOST]
      )
      const settled = yield* one.ask(
        settle(alone, now, { estimates: each(MOST - 1), actuals: each(MOST - 3) }),
        look(key),
        reserve(alone, each(3)),
        reserve(alone, each(2))
      )
      yield* stage.expect("what is counted when it is settled", countersOf(settled.sights[0]), {
        used: each(MOST - 2),
        reserved: each(1),
        open: 1
      })
      yield* stage.expect("what was spent", settled.sights[0]?.spent, { ...Usage.zero, costNanoUsd: MOST - 1 })
      const isAdmitted = settled.verdicts.map((verdict) => verdict === undefined)
      yield* stage.expect("whether there is room for 3 and for 2", isAdmitted, [false, true])
    })
  },
  {
    name: "a bucket refills exactly, however large its numbers are",
    act: Effect.fnUntraced(function* (stage: Stage) {
      const [refill, refillMillis] = [1_234_567_891, 2_999_999_999]
      const alone = route(budget("key", Limit.tokenBucket("tokens", refill, refillMillis, { capacity: MOST })))
      const wanted = [1, 123_456_789, 1_000_000_007, 987_654_321_987_654, 3_000_000_000_000_000]
      const { verdicts } = yield* stage
        .member("one")
        .ask(charge(alone, [MOST]), ...wanted.map((amount) => reserve(alone, [amount])))
      const exact = wanted.map((amount) => {
        const product = BigInt(amount) * BigInt(refillMillis)
        return Number((product + BigInt(refill) - 1n) / BigInt(refill))
      })
      yield* stage.expect(
        "when there is room",
        verdicts.map((verdict) => verdict?.readyInMillis),
        exact
      )
    })
  }
]
