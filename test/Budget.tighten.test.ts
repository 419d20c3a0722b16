import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import * as Limit from "../src/Limit.ts"
import * as Meter from "../src/Meter.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo, othersRun } from "./support/heard.ts"

const MINUTE = 60_000

const tokens = (count: number) => Usage.make({ inputTokens: count })

const window = Limit.slidingWindow("tokens", 100, "1 minute")

const budgetOf = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "key", limits })

const availableIn = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ limits }) => limits.map(({ available }) => available))

const says = (remaining: number, limit = 100): Budget.ProviderWindow => ({ meter: "tokens", limit, remaining })

describe("tighten", () => {
  it.effect("charges what others have used, when the provider has less left than the budget", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(window)
      const heard = yield* listenTo(budget)
      yield* Effect.scoped(budget.reserve(tokens(10)))
      yield* heard
      yield* budget.tighten(says(60))
      expect(yield* availableIn(budget)).toEqual([60])
      expect((yield* budget.snapshot).spent.inputTokens).toBe(10)
      expect(yield* heard).toEqual([{ _tag: "Tightened", at: 0, budget: "key", limit: window, by: 30 }])
    })
  )

  it.effect("changes nothing and says nothing, when the provider has as much left, or more", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(window)
      yield* budget.charge(tokens(40))
      const heard = yield* listenTo(budget)
      for (const remaining of [60, 61, 100, 1_000]) yield* budget.tighten(says(remaining))
      expect(yield* availableIn(budget)).toEqual([60])
      expect(yield* heard).toEqual([])
    })
  )

  it.effect("changes nothing where the budget is in debt already", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(window)
      yield* budget.charge(tokens(130))
      yield* budget.tighten(says(0))
      expect((yield* budget.snapshot).limits).toMatchObject([{ used: 130, available: 0 }])
    })
  )

  it.effect("gives back what it has charged as the limit gives back any charge", () =>
    Effect.gen(function* () {
      const bucket = Limit.tokenBucket("tokens", 100, "1 minute")
      const perMinute = Limit.fixedWindow("tokens", 100, "minute")
      const budget = yield* budgetOf(window, perMinute, bucket)
      yield* TestClock.setTime(MINUTE / 2)
      yield* budget.tighten(says(0))
      expect(yield* availableIn(budget)).toEqual([0, 0, 0])
      yield* TestClock.setTime(MINUTE)
      expect(yield* availableIn(budget)).toEqual([0, 100, 50])
      yield* TestClock.setTime(1.5 * MINUTE)
      expect(yield* availableIn(budget)).toEqual([100, 100, 100])
    })
  )

  /** Starts a call and says when it has started. */
  const startingIn = Effect.fnUntraced(function* (budget: Budget.Budget, count: number) {
    let startedAt: number | undefined
    yield* Clock.currentTimeMillis.pipe(
      Effect.map((now) => {
        startedAt = now
      }),
      budget.spend({ estimate: tokens(count) }),
      Effect.forkChild({ startImmediately: true })
    )
    return () => startedAt
  })

  it.effect("lets whoever waits start exactly when there is room then, and not before", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(window)
      yield* budget.charge(tokens(50))
      yield* TestClock.setTime(20_000)
      const call = yield* startingIn(budget, 60)
      yield* budget.tighten(says(0))
      yield* TestClock.setTime(79_999)
      expect(call()).toBeUndefined()
      yield* TestClock.setTime(80_000)
      expect(call()).toBe(80_000)
    })
  )

  it.effect("lets those pass at once who do not delay whoever has to wait longer now", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(window)
      yield* budget.charge(tokens(19))
      yield* TestClock.setTime(500)
      yield* budget.charge(tokens(1))
      yield* TestClock.setTime(1_000)
      // At one minute the small one would be in the way of the large one. A second later it is not any more.
      const large = yield* startingIn(budget, 90)
      const small = yield* startingIn(budget, 10)
      expect(small()).toBeUndefined()
      yield* budget.tighten(says(60))
      yield* othersRun
      expect(small()).toBe(1_000)
      yield* TestClock.setTime(61_000)
      expect(large()).toBe(61_000)
    })
  )

  it.effect("leaves limits alone that the provider does not speak of", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(
        window,
        Limit.slidingWindow("requests", 100, "1 minute"),
        Limit.slidingWindow("tokens", 100, 60_001),
        Limit.slidingWindow("tokens", 101, "1 minute", { name: "larger than the provider's" }),
        Limit.tokenBucket("tokens", 100, "1 hour"),
        Limit.fixedWindow("tokens", 100, "hour"),
        Limit.cap("tokens", 100),
        Limit.perCall("tokens", 100),
        Limit.concurrency(100),
        Limit.slidingWindow(
          Meter.make("tokens", () => 1),
          100,
          "1 minute",
          { name: "another meter of the same name" }
        )
      )
      // A pause is a gate of the budget's, too.
      yield* budget.pauseUntil(0)
      yield* budget.tighten(says(40))
      expect(yield* availableIn(budget)).toEqual([40, 100, 100, 101, 100, 100, 100, 100, 100, 100])
    })
  )

  it.effect("leaves a long fixed window alone, also in its last minute and before a rhythm of minutes", () =>
    Effect.gen(function* () {
      const officeHours = Limit.fixedWindow("tokens", 100, Cron.parseUnsafe("* 9-16 * * *", "UTC"))
      const budget = yield* budgetOf(Limit.fixedWindow("tokens", 100, "hour"), officeHours)
      yield* TestClock.setTime(9 * 60 * MINUTE - 30_000)
      yield* budget.tighten(says(40))
      expect(yield* availableIn(budget)).toEqual([100, 40])
      yield* TestClock.setTime(17 * 60 * MINUTE)
      yield* budget.tighten(says(30))
      expect(yield* availableIn(budget)).toEqual([100, 100])
    })
  )

  it.effect("of a budget leaves those around it and those inside it alone, and is heard around it", () =>
    Effect.gen(function* () {
      const outer = yield* Budget.make({ name: "outer", limits: [window] })
      const key = yield* Budget.make({ name: "key", limits: [window], within: [outer] })
      const run = yield* Budget.make({ name: "run", limits: [window], within: [key] })
      const heard = yield* listenTo(outer)
      yield* key.tighten(says(40))
      expect(yield* Effect.all([availableIn(outer), availableIn(key), availableIn(run)])).toEqual([[100], [40], [100]])
      expect(yield* heard).toMatchObject([{ _tag: "Tightened", budget: "key", by: 60 }])
    })
  )

  it.effect("reads dollars as dollars", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("usd", 2, "1 minute"))
      yield* budget.tighten({ meter: "usd", limit: 2, remaining: 0.5 })
      expect(yield* availableIn(budget)).toEqual([500_000_000])
    })
  )

  it.effect("ignores what makes no sense", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(window)
      for (const nonsense of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 2 ** 53]) {
        yield* budget.tighten(says(nonsense))
        yield* budget.tighten(says(10, nonsense))
      }
      expect(yield* availableIn(budget)).toEqual([100])
    })
  )
})
