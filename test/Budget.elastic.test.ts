import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import * as Meter from "../src/Meter.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo, othersRun } from "./support/heard.ts"

const MINUTE = 60_000

const output = (outputTokens: number) => Usage.make({ outputTokens })

const budgetOf = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "run", limits })

/** Calls that run until the test is over, and what each was granted when, by name. */
const makeCalls = () => {
  const granted: Record<string, { readonly at: number; readonly outputTokens: number }> = {}
  const start = (name: string, budget: Budget.Budget, most: number, options: Budget.ReserveOptions = {}) =>
    budget
      .withReservation(
        output(most),
        (reservation) =>
          Effect.flatMap(Clock.currentTimeMillis, (at) => {
            granted[name] = { at, outputTokens: reservation.granted.outputTokens }
            return Effect.never
          }),
        options
      )
      .pipe(Effect.forkChild({ startImmediately: true }))
  return { granted, start }
}

const least = (count: number) => ({ least: output(count) })

describe("an elastic reservation", () => {
  it.effect(
    "is granted its estimate where there is room, as much as fits where there is less, and no less than least",
    () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf(Limit.cap("tokens", 100))
        const grantedTo = (most: number, fewest: number) =>
          Effect.map(budget.reserve(output(most), least(fewest)), ({ granted }) => granted)
        expect(yield* grantedTo(60, 10)).toEqual(output(60))
        expect(yield* grantedTo(60, 10)).toEqual(output(40))
        const { reason } = yield* Effect.flip(Effect.scoped(budget.tryReserve(output(60), least(10))))
        expect(reason).toMatchObject({ _tag: "BudgetExceeded", requested: 10, reserved: 100 })
      })
  )

  it.effect("fits into every limit of the path, whatever that measures", () =>
    Effect.gen(function* () {
      const key = yield* budgetOf(Limit.slidingWindow("usd", 0.000_000_050, "1 minute"))
      const run = yield* Budget.make({ name: "run", limits: [Limit.perCall("outputTokens", 90)], within: [key] })
      const priced = { ...output(100), costNanoUsd: 100 }
      const first = yield* run.reserve(output(100), { least: output(1) })
      expect(first.granted).toEqual(output(90))
      const second = yield* run.reserve(priced, { least: output(0) })
      expect(second.granted).toEqual({ ...output(50), costNanoUsd: 50 })
    })
  )

  it.effect("is settled against what it was granted, so that what exceeds that is an overrun", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 50))
      yield* budget.withReservation(output(100), (reservation) => reservation.commit(output(20)), least(1))
      expect((yield* budget.snapshot).limits[0]?.available).toBe(30)
      const heard = yield* listenTo(budget)
      yield* budget.withReservation(output(100), (reservation) => reservation.commit(output(31)), least(1))
      const [admitted, settled, overran] = yield* heard
      expect(admitted).toMatchObject({ _tag: "Admitted", estimate: output(30) })
      expect(settled).toMatchObject({ _tag: "Settled", estimate: output(30), actual: output(31) })
      expect(overran).toMatchObject({ _tag: "Overran", overrun: 1 })
      yield* expectAtRest(budget)
    })
  )

  it.effect("that nobody commits is charged what it was granted", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 50))
      yield* budget.spend({ estimate: output(100), ...least(1) })(Effect.void)
      expect((yield* budget.snapshot).spent.outputTokens).toBe(50)
    })
  )

  it.effect("waits as a request of the least, and is granted what fits when that does", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 100, "1 minute"))
      yield* budget.charge(output(50))
      yield* TestClock.setTime(10_000)
      yield* budget.charge(output(30))
      const { granted, start } = makeCalls()
      const { retryAfter } = yield* Effect.flip(Effect.scoped(budget.tryReserve(output(200), least(40))))
      expect(retryAfter).toEqual(Duration.millis(50_000))
      yield* start("elastic", budget, 200, least(40))
      yield* TestClock.setTime(MINUTE - 1)
      expect(granted).toEqual({})
      yield* TestClock.setTime(MINUTE)
      expect(granted).toEqual({ elastic: { at: MINUTE, outputTokens: 70 } })
    })
  )

  it.effect("fails at once when even the least can never be admitted, and not when only the estimate cannot", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 100, "1 minute"))
      const { granted, start } = makeCalls()
      yield* start("elastic", budget, 1_000, least(100))
      expect(granted["elastic"]?.outputTokens).toBe(100)
      const { reason } = yield* Effect.flip(Effect.scoped(budget.reserve(output(1_000), least(101))))
      expect(reason).toMatchObject({ _tag: "RequestTooLarge", requested: 101 })
    })
  )

  it.effect("that overtakes is granted no more than what does not move the start of whoever it overtakes", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 100, "1 minute"))
      yield* budget.charge(output(50))
      yield* TestClock.setTime(1_000)
      const { granted, start } = makeCalls()
      yield* start("large", budget, 80)
      // Fifty would fit now. At one minute, eighty and twenty do.
      yield* start("elastic", budget, 50, least(10))
      expect(granted).toEqual({ elastic: { at: 1_000, outputTokens: 20 } })
      yield* TestClock.setTime(MINUTE)
      expect(granted["large"]).toEqual({ at: MINUTE, outputTokens: 80 })
    })
  )

  it.effect("that waits behind another is granted no more than that either, when it gets to overtake", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 100, "1 minute"))
      yield* budget.charge(output(40))
      yield* TestClock.setTime(MINUTE / 2)
      yield* budget.charge(output(55))
      const { granted, start } = makeCalls()
      yield* start("large", budget, 80)
      yield* start("elastic", budget, 60, least(10))
      yield* TestClock.setTime(MINUTE)
      expect(granted).toEqual({ elastic: { at: MINUTE, outputTokens: 20 } })
      yield* TestClock.setTime(1.5 * MINUTE)
      expect(granted["large"]).toEqual({ at: 1.5 * MINUTE, outputTokens: 80 })
    })
  )

  it.effect("counts as what it was granted where budgets share a limit", () =>
    Effect.gen(function* () {
      const key = yield* budgetOf(Limit.slidingWindow("tokens", 30, "1 minute"))
      const [a, b] = [
        yield* Budget.make({ name: "a", limits: [], within: [key] }),
        yield* Budget.make({ name: "b", limits: [], within: [key] })
      ]
      yield* key.charge(output(30))
      const { granted, start } = makeCalls()
      yield* start("a, elastic", a, 20, least(10))
      for (const name of ["a, next", "a, last"]) yield* start(name, a, 10)
      for (const name of ["b, first", "b, second"]) yield* start(name, b, 10)
      yield* TestClock.setTime(MINUTE)
      expect(Object.keys(granted)).toEqual(["a, elastic", "b, first"])
      yield* TestClock.setTime(2 * MINUTE)
      // Of three that fit, the first goes to the one that has had less.
      expect(Object.keys(granted).slice(2)).toEqual(["b, second", "a, next", "a, last"])
    })
  )

  it.effect("is measured again by the least when limits change, and granted what they leave", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1))
      const holder = yield* budget.reserve(output(1))
      const { granted, start } = makeCalls()
      yield* start("elastic", budget, 100, least(10))
      yield* budget.updateLimits([Limit.concurrency(1), Limit.cap("tokens", 30)])
      yield* holder.release
      yield* othersRun
      expect(granted["elastic"]?.outputTokens).toBe(30)
    })
  )

  it.effect("is never granted what a meter of one's own cannot measure", () =>
    Effect.gen(function* () {
      const odd = Meter.make("odd", ({ outputTokens }) => (outputTokens > 50 && outputTokens < 100 ? -1 : 1))
      const budget = yield* budgetOf(Limit.cap(odd, 10), Limit.cap("tokens", 80))
      const { granted } = yield* budget.reserve(output(100), least(10))
      expect(granted.outputTokens).toBe(50)
    })
  )

  it.effect("is refused when its range makes no sense, with the field that does not", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf()
      const heard = yield* listenTo(budget)
      const problemOf = (estimate: Usage.Usage, fewest: Usage.Usage) =>
        Effect.map(Effect.flip(Effect.scoped(budget.reserve(estimate, { least: fewest }))), ({ reason }) =>
          reason._tag === "InvalidUsage" ? reason.problem : undefined
        )
      expect(yield* problemOf(output(10), output(-1))).toBe(
        "least: outputTokens must be a non-negative safe integer, got -1"
      )
      expect(yield* problemOf(output(0.5), output(0))).toBe("outputTokens must be a non-negative safe integer, got 0.5")
      for (const field of Usage.fields) {
        const estimate = { ...Usage.make({ inputTokens: 10, outputTokens: 10 }), requests: 1 }
        const fewest = {
          ...Usage.make({ inputTokens: 10, outputTokens: 10 }),
          [field]: field.startsWith("cache") || field === "reasoningTokens" ? 1 : 11
        }
        expect(yield* problemOf(estimate, fewest)).toBe(
          `${field} of least (${fewest[field]}) must not exceed that of the estimate (${estimate[field]})`
        )
      }
      expect(yield* heard).toHaveLength(9)
      expect((yield* budget.snapshot).open).toBe(0)
    })
  )
})
