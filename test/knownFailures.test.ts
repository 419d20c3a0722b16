/**
 * Failures seen in systems that do this job, each named in plain words. Here they are tried on whole budgets.
 */
import { describe, expect, it, vi } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import { BudgetError } from "../src/BudgetError.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { othersRun } from "./support/heard.ts"
import { makeWallClock } from "./support/wallClock.ts"

const MINUTE = 60_000

const tokens = (count: number) => Usage.make({ inputTokens: count })
const dollars = (costUsd: number) => Usage.make({ costUsd })

const budgetOf = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "run", limits })

const usedOf = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ limits }) => limits.map(({ used }) => used))

/** Uses up an amount at once, if there is room. */
const tryToSpend = (budget: Budget.Budget, amount: number) =>
  Effect.map(Effect.exit(budget.spend({ estimate: tokens(amount), maxWait: 0 })(Effect.void)), Exit.isSuccess)

const refusalOf = (budget: Budget.Budget, estimate: Usage.Usage) =>
  Effect.flip(Effect.scoped(budget.tryReserve(estimate)))

/** A call that takes no time, and whether it was let in. */
const call = Effect.fnUntraced(function* (
  budget: Budget.Budget,
  amount: number,
  options?: Omit<Budget.SpendOptions, "estimate">
) {
  let hasRun = false
  const fiber = yield* Effect.sync(() => {
    hasRun = true
  }).pipe(budget.spend({ estimate: tokens(amount), ...options }), Effect.forkChild({ startImmediately: true }))
  return { fiber, hasRun: () => hasRun }
})

describe("failures of other systems", () => {
  it.effect("1. settling above the cap throws and records nothing: the spend vanishes from the ledger", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10))
      yield* budget.withReservation(tokens(5), (reservation) => reservation.commit(tokens(25)))
      const { limits, spent } = yield* budget.snapshot
      expect([spent.inputTokens, limits[0]?.used]).toEqual([25, 25])
      expect((yield* refusalOf(budget, tokens(1))).reason._tag).toBe("BudgetExceeded")
    })
  )

  it.effect("2. checked before, recorded after: concurrent calls all pass the check", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10))
      let inFlight = 0
      let inFlightMax = 0
      const slow = Effect.gen(function* () {
        inFlightMax = Math.max(inFlightMax, ++inFlight)
        yield* Effect.sleep("1 second")
        inFlight--
      })
      const calls = yield* Effect.forEach(Array.from({ length: 100 }), () =>
        Effect.forkChild(budget.spend({ estimate: tokens(1), maxWait: 0 })(slow))
      )
      yield* TestClock.setTime(1_000)
      const exits = yield* Effect.forEach(calls, Fiber.await)
      expect([exits.filter(Exit.isSuccess).length, inFlightMax]).toEqual([10, 10])
      expect(yield* usedOf(budget)).toEqual([10])
    })
  )

  it.effect("3. what was taken is given back twice, or what was never taken", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(2), Limit.cap("tokens", 20))
      const [first] = yield* Effect.all([budget.reserve(tokens(10)), budget.reserve(tokens(10))])
      yield* Effect.all([first.release, first.release, first.commit(tokens(0)), first.release])
      expect(yield* usedOf(budget)).toEqual([1, 10])
      expect([yield* tryToSpend(budget, 11), yield* tryToSpend(budget, 10)]).toEqual([false, true])
      expect(yield* usedOf(budget)).toEqual([1, 20])
    })
  )

  it.effect("4. a commit that fails refunds a call that was paid", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 100))
      const paid = Effect.succeed("paid")
      const throws = (): Usage.Usage => {
        throw new Error("no usage")
      }
      yield* paid.pipe(budget.spend({ estimate: tokens(10), actual: throws }))
      yield* paid.pipe(budget.spend({ estimate: tokens(10), actual: () => tokens(Number.NaN) }))
      yield* Effect.exit(
        budget.withReservation(tokens(10), (reservation) =>
          Effect.andThen(reservation.commit(tokens(-1)), Effect.fail("afterwards"))
        )
      )
      expect(yield* usedOf(budget)).toEqual([30])
    })
  )

  it.effect("5. cancelled while it waits, a call keeps its charge or its slot", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1), Limit.cap("tokens", 10))
      const holder = yield* budget.reserve(tokens(1))
      for (let count = 0; count < 20; count++) {
        const { fiber } = yield* call(budget, 5)
        yield* Fiber.interrupt(fiber)
      }
      yield* holder.release
      yield* expectAtRest(budget)
      expect(yield* tryToSpend(budget, 10)).toBe(true)
    })
  )

  it.effect("6. a call larger than the limit waits for ever, drains the limit or is let through", () =>
    Effect.gen(function* () {
      const limits = [
        Limit.cap("tokens", 10),
        Limit.slidingWindow("tokens", 10, "1 minute"),
        Limit.fixedWindow("tokens", 10, "day"),
        Limit.tokenBucket("tokens", 10, "1 minute"),
        Limit.concurrency(0)
      ]
      for (const limit of limits) {
        const budget = yield* budgetOf(limit)
        const error = yield* Effect.flip(budget.spend({ estimate: tokens(11) })(Effect.die("let through")))
        expect(error).toBeInstanceOf(BudgetError)
        expect([limit.name, error.reason._tag, error.retryAfter]).toEqual([limit.name, "RequestTooLarge", undefined])
        yield* expectAtRest(budget)
        expect(yield* usedOf(budget)).toEqual([0])
      }
    })
  )

  it.effect("7. NaN makes a budget unlimited, a negative amount credits it, three times $0.10 exceed $0.30", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10), Limit.cap("usd", 0.3))
      for (const nonsense of [Number.NaN, -1, 0.1, Number.POSITIVE_INFINITY]) {
        expect((yield* refusalOf(budget, tokens(nonsense))).reason._tag).toBe("InvalidUsage")
        expect((yield* Effect.flip(budget.charge(tokens(nonsense)))).reason._tag).toBe("InvalidUsage")
      }
      expect((yield* refusalOf(budget, tokens(11))).reason._tag).toBe("RequestTooLarge")
      for (let count = 0; count < 3; count++) yield* budget.spend({ estimate: dollars(0.1), maxWait: 0 })(Effect.void)
      expect((yield* refusalOf(budget, dollars(0.000_000_001))).reason._tag).toBe("BudgetExceeded")
    })
  )

  it.effect("8. within sixty seconds 19 tokens are admitted against a limit of 10, also after an idle spell", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      const admitted: Array<{ readonly at: number; readonly amount: number }> = []
      const seize = Effect.fnUntraced(function* (at: number, wanted: number) {
        yield* TestClock.setTime(at)
        for (let count = 0; count < wanted; count++) {
          if (yield* tryToSpend(budget, 1)) admitted.push({ at, amount: 1 })
        }
      })
      yield* seize(0, 1)
      for (let second = 59; second < 300; second++) yield* seize(second * 1_000, 9)
      yield* seize(10 * MINUTE, 1)
      for (let second = 659; second < 800; second += 7) yield* seize(second * 1_000 - 1, 19)
      for (const { at } of admitted) {
        const inWindow = admitted.filter((other) => other.at >= at && other.at < at + MINUTE)
        expect(inWindow.length).toBeLessThanOrEqual(10)
      }
      expect(admitted.length).toBeGreaterThan(60)
    })
  )

  it.effect("9. retryAfter is a constant, the whole window, or the same for 1 token as for 5,000", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 6_000, "1 minute"))
      yield* budget.charge(tokens(1_000))
      yield* TestClock.setTime(20_000)
      yield* budget.charge(tokens(5_000))
      yield* TestClock.setTime(30_000)
      const small = yield* refusalOf(budget, tokens(1))
      const large = yield* refusalOf(budget, tokens(5_000))
      expect([small.retryAfter, large.retryAfter]).toEqual([Duration.seconds(30), Duration.seconds(50)])
      yield* TestClock.adjust(30_000 - 1)
      expect(yield* tryToSpend(budget, 1)).toBe(false)
      yield* TestClock.adjust(1)
      expect(yield* tryToSpend(budget, 1)).toBe(true)
    })
  )

  it.effect("10. of several windows the first keeps the charge that the second has refused", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(
        Limit.slidingWindow("tokens", 100, "1 minute"),
        Limit.slidingWindow("tokens", 120, "1 hour"),
        Limit.concurrency(5)
      )
      yield* budget.charge(tokens(90))
      yield* TestClock.setTime(MINUTE)
      expect(yield* tryToSpend(budget, 31)).toBe(false)
      expect(yield* usedOf(budget)).toEqual([0, 90, 0])
    })
  )

  it.effect("11. a large call starves behind small ones that jump the queue", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(10))
      yield* TestClock.setTime(1)
      const large = yield* call(budget, 10)
      for (let second = 1; second < 60; second++) {
        yield* TestClock.setTime(second * 1_000)
        yield* call(budget, 1)
      }
      yield* TestClock.setTime(MINUTE)
      expect(large.hasRun()).toBe(true)
    })
  )

  it.effect("11. one tenant's large call stops everybody", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 100, "1 minute")] })
      const tenant = (name: string) =>
        Budget.make({ name, limits: [Limit.slidingWindow("tokens", 50, "1 hour")], within: [key] })
      const stuck = yield* tenant("stuck")
      const other = yield* tenant("other")
      yield* stuck.charge(tokens(10))
      const large = yield* call(stuck, 50)
      for (let count = 0; count < 5; count++) expect(yield* tryToSpend(other, 10)).toBe(true)
      expect(large.hasRun()).toBe(false)
    })
  )

  it.effect("14. refused calls are counted as consumed", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(
        Limit.slidingWindow("requests", 2, "1 minute"),
        Limit.slidingWindow("tokens", 10, "1 minute")
      )
      yield* budget.charge(tokens(8))
      for (let count = 0; count < 50; count++) expect(yield* tryToSpend(budget, 3)).toBe(false)
      expect(yield* usedOf(budget)).toEqual([1, 8])
      expect((yield* budget.snapshot).spent).toEqual(tokens(8))
      expect(yield* tryToSpend(budget, 2)).toBe(true)
    })
  )

  it.effect("22. a call inside a reservation waits for ever for what its own parent holds", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1))
      const nested = (maxWait: Duration.Input) =>
        budget.spend({ estimate: tokens(1), maxWait })(Effect.succeed("inner"))
      const outer = (maxWait: Duration.Input) =>
        Effect.result(nested(maxWait)).pipe(budget.spend({ estimate: tokens(1) }), Effect.forkChild)

      const impatient = yield* outer(0)
      const first = yield* Fiber.join(impatient)
      const patient = yield* outer("10 seconds")
      yield* TestClock.setTime(9_999)
      expect(patient.pollUnsafe()).toBeUndefined()
      yield* TestClock.setTime(10_000)
      const second = yield* Fiber.join(patient)
      for (const result of [first, second]) {
        expect(result).toMatchObject({ _tag: "Failure", failure: { reason: { _tag: "ConcurrencyExceeded", open: 1 } } })
      }
      yield* expectAtRest(budget)
    })
  )

  it.effect(
    "22. a call inside a reservation that waits without a bound can be interrupted, and both leave no trace",
    () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf(Limit.concurrency(1))
        const nested = budget.spend({ estimate: tokens(1) })(Effect.die("was run"))
        const outer = yield* Effect.forkChild(nested.pipe(budget.spend({ estimate: tokens(1) })))
        yield* TestClock.setTime(60 * MINUTE)
        expect(yield* budget.snapshot).toMatchObject({ open: 1, waiting: 1 })
        yield* Fiber.interrupt(outer)
        yield* expectAtRest(budget)
        expect((yield* budget.snapshot).spent).toEqual(Usage.zero)
      })
  )

  it.effect("23. those who wait poll", () =>
    Effect.gen(function* () {
      const { clock } = yield* makeWallClock
      const looks = vi.spyOn(clock, "currentTimeMillisUnsafe")
      const sleeps = vi.spyOn(clock, "sleep")
      const budget = yield* Effect.provideService(
        budgetOf(Limit.slidingWindow("tokens", 1_000, "1 hour"), Limit.concurrency(1)),
        Clock.Clock,
        clock
      )
      const holder = yield* budget.reserve(tokens(500))
      const calls = yield* Effect.forEach(Array.from({ length: 1_000 }), () => call(budget, 1))
      looks.mockClear()
      yield* TestClock.setTime(30 * MINUTE)
      expect([looks.mock.calls.length, sleeps.mock.calls.length]).toEqual([0, 0])
      yield* holder.release
      yield* Effect.forEach(calls, ({ fiber }) => Fiber.join(fiber))

      // Of all alarms there is a timer for the next one only: first a deadline, then the end of the window.
      yield* Effect.forEach(Array.from({ length: 1_000 }), () => call(budget, 1, { maxWait: "2 hours" }))
      yield* TestClock.setTime(89 * MINUTE)
      expect(sleeps).toHaveBeenCalledTimes(2)
    })
  )

  it.effect("26. a refund is credited to the current window instead of the one it was charged in", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 100, "1 minute"))
      const slow = yield* budget.reserve(tokens(100))
      yield* TestClock.setTime(MINUTE)
      expect(yield* tryToSpend(budget, 100)).toBe(true)
      yield* slow.commit(tokens(40))
      expect(yield* usedOf(budget)).toEqual([100])
      expect(yield* tryToSpend(budget, 1)).toBe(false)
    })
  )

  it.effect("27. a wait longer than 24.8 days is over at once", () =>
    Effect.gen(function* () {
      const day = 24 * 60 * MINUTE
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "60 days"))
      yield* budget.charge(tokens(10))
      const waiting = yield* call(budget, 1)
      const bounded = yield* call(budget, 1, { maxWait: "26 days" })
      yield* TestClock.setTime(26 * day - 1)
      expect([waiting.hasRun(), bounded.fiber.pollUnsafe()]).toEqual([false, undefined])
      yield* TestClock.setTime(60 * day)
      expect([waiting.hasRun(), bounded.hasRun()]).toEqual([true, false])
    })
  )

  it.effect("28. of several limiters in a union the first ones stay charged when a later one refuses", () =>
    Effect.gen(function* () {
      const outer = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 10)] })
      const other = yield* Budget.make({ name: "user", limits: [Limit.slidingWindow("requests", 100, "1 minute")] })
      const budget = yield* Budget.make({
        name: "run",
        limits: [Limit.cap("tokens", 100), Limit.concurrency(5)],
        within: [other, outer]
      })
      yield* outer.charge(tokens(5))
      for (let count = 0; count < 5; count++) expect(yield* tryToSpend(budget, 10)).toBe(false)
      expect([yield* usedOf(budget), yield* usedOf(other), yield* usedOf(outer)]).toEqual([[0, 0], [0], [5]])
    })
  )

  it.effect("29. the head of the line is cancelled, and nobody wakes the next", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(5))
      yield* TestClock.setTime(1)
      const head = yield* call(budget, 8)
      const next = yield* call(budget, 4)
      expect([head.hasRun(), next.hasRun()]).toEqual([false, false])
      yield* Fiber.interrupt(head.fiber)
      yield* othersRun
      expect([head.hasRun(), next.hasRun()]).toEqual([false, true])
    })
  )

  it.effect("29. the head of the line gives up, and nobody wakes the next", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.reserve(tokens(5))
      yield* TestClock.setTime(1)
      const head = yield* call(budget, 8, { maxWait: "1 second" })
      const next = yield* call(budget, 4)
      yield* TestClock.setTime(1_000)
      expect([head.fiber.pollUnsafe(), next.hasRun()]).toEqual([undefined, false])
      yield* TestClock.setTime(1_001)
      expect([head.hasRun(), next.hasRun()]).toEqual([false, true])
    })
  )

  it.effect("30. a timeout is reported as success", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1))
      yield* budget.reserve(tokens(1))
      const inVain = yield* call(budget, 1, { maxWait: "1 second" })
      const scoped = yield* Effect.forkChild(Effect.scoped(budget.reserve(tokens(1), { maxWait: "1 second" })))
      yield* othersRun
      yield* TestClock.setTime(1_000)
      expect((yield* Effect.flip(Fiber.join(inVain.fiber))).reason._tag).toBe("ConcurrencyExceeded")
      expect((yield* Effect.flip(Fiber.join(scoped))).reason._tag).toBe("ConcurrencyExceeded")
      expect(inVain.hasRun()).toBe(false)
    })
  )

  it.effect("32. entries corrected to zero stay in the log, and crowd out the others", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      // More instants than a window keeps apart, all of them given back when they are not the newest any more.
      yield* budget.charge(tokens(3))
      let previous = yield* budget.reserve(tokens(1))
      for (let instant = 1; instant <= 6_000; instant++) {
        yield* TestClock.setTime(instant)
        const next = yield* budget.reserve(tokens(1))
        yield* previous.release
        previous = next
      }
      yield* previous.release
      yield* budget.charge(tokens(7))
      for (const [amount, at] of [
        [3, MINUTE],
        [4, MINUTE + 6_000]
      ] as const) {
        yield* TestClock.setTime(at - 1)
        expect((yield* refusalOf(budget, tokens(amount))).retryAfter).toEqual(Duration.millis(1))
        yield* TestClock.setTime(at)
        yield* Effect.scoped(Effect.flatMap(budget.tryReserve(tokens(amount)), ({ release }) => release))
      }
    })
  )

  it.effect("33. a refusal costs many times what an admission does, for its stack trace", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 1), Limit.concurrency(1))
      yield* budget.reserve(tokens(1))
      const waiting = yield* call(budget, 1, { maxWait: "1 second" })
      yield* TestClock.setTime(1_000)
      const errors = [
        yield* refusalOf(budget, tokens(1)),
        yield* refusalOf(budget, tokens(2)),
        yield* refusalOf(budget, tokens(Number.NaN)),
        yield* Effect.flip(Fiber.join(waiting.fiber))
      ]
      for (const { stack } of errors) expect(stack).not.toMatch(/\n\s+at /)
    })
  )
})
