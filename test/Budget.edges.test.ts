import { describe, expect, it } from "@effect/vitest"
import { Budget, BudgetMap, Limit, Meter, Usage } from "effect-budget"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { othersRun } from "./support/heard.ts"
import { makeWallClock } from "./support/wallClock.ts"
import * as Clock from "effect/Clock"
import { expectAtRest } from "../src/BudgetTesting.ts"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })

const used = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ limits }) => limits[0]?.used)

describe("what is impossible", () => {
  it.effect("fails at once, also behind others who wait", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 100, "1 minute")] })
      yield* budget.charge(tokens(60))
      const waiting = yield* Effect.forkChild(budget.spend({ estimate: tokens(60) })(Effect.void), {
        startImmediately: true
      })
      const { reason } = yield* Effect.flip(budget.spend({ estimate: tokens(200) })(Effect.void))
      expect(reason._tag).toBe("RequestTooLarge")
      yield* Fiber.interrupt(waiting)
    })
  )
})

describe("a report that is missing", () => {
  const missing: () => Usage.Usage = JSON.parse.bind(undefined, "null")

  it.effect("charges the estimate and keeps the result", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
      const answer = yield* Effect.succeed("an answer").pipe(budget.spend({ estimate: tokens(30), actual: missing }))
      expect(answer).toBe("an answer")
      yield* budget.withReservation(tokens(20), (reservation) => reservation.commit(missing()))
      expect(yield* used(budget)).toBe(50)
      yield* expectAtRest(budget)
    })
  )

  it.effect("is refused as an estimate", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [] })
      const { message } = yield* Effect.flip(budget.spend({ estimate: missing() })(Effect.void))
      expect(message).toBe("run: the usage is missing, got null")
    })
  )
})

describe("onWait", () => {
  it.effect("goes on for as long as the waiting does, and not longer", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 10, "1 minute")] })
      yield* budget.charge(tokens(10))
      const told: Array<number | undefined> = []
      const call = yield* Effect.forkChild(
        Effect.succeed("done").pipe(
          budget.spend({
            estimate: tokens(10),
            onWait: (place) =>
              Effect.andThen(place, ({ startsAt }) => Effect.sync(() => told.push(startsAt))).pipe(
                Effect.repeat(Schedule.spaced("20 seconds")),
                Effect.asVoid
              )
          })
        )
      )
      yield* TestClock.adjust("10 minutes")
      expect(yield* Fiber.join(call)).toBe("done")
      expect(told).toEqual([60_000, 60_000, 60_000])
      yield* TestClock.adjust("10 minutes")
      expect(told.length).toBe(3)
    })
  )

  it.effect("that fails to make its effect leaves nobody in line", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 10, "1 minute")] })
      yield* budget.charge(tokens(10))
      const onWait = (): Effect.Effect<void> => {
        throw new Error("a mistake")
      }
      const exits: ReadonlyArray<Exit.Exit<unknown, unknown>> = [
        yield* Effect.exit(budget.spend({ estimate: tokens(1), onWait })(Effect.void)),
        yield* Effect.exit(Effect.scoped(budget.reserve(tokens(1), { onWait })))
      ]
      for (const exit of exits) expect(Exit.hasDies(exit)).toBe(true)
      expect((yield* budget.snapshot).waiting).toBe(0)
    })
  )
})

describe("changing limits", () => {
  it.effect("lets those in who waited in fair order, not line by line", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("requests", 10, "1 hour")] })
      yield* key.charge(Usage.make({ requests: 10 }))
      const started = { a: 0, b: 0 }
      for (const name of ["a", "b"] as const) {
        const tenant = yield* Budget.make({ name, limits: [], within: [key] })
        for (let call = 0; call < 20; call++) {
          yield* Effect.sync(() => started[name]++).pipe(
            tenant.spend({ estimate: Usage.make({}) }),
            Effect.forkChild({ startImmediately: true })
          )
        }
      }
      yield* key.updateLimits([Limit.slidingWindow("requests", 30, "1 hour")])
      yield* othersRun
      expect(started).toEqual({ a: 10, b: 10 })
    })
  )

  it.effect("to none at all lets everyone in", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 10, "1 minute")] })
      yield* budget.charge(tokens(10))
      const calls = yield* Effect.forEach([1, 2, 3], (amount) =>
        Effect.forkChild(budget.spend({ estimate: tokens(amount) })(Effect.void), { startImmediately: true })
      )
      yield* budget.updateLimits([])
      yield* Fiber.joinAll(calls)
      yield* expectAtRest(budget)
    })
  )

  it.effect("keeps what an equal meter of one's own has counted", () =>
    Effect.gen(function* () {
      const limits = () => [
        Limit.cap(
          Meter.make("characters", (usage) => 4 * usage.inputTokens),
          100
        )
      ]
      const budget = yield* Budget.make({ name: "run", limits: limits() })
      yield* budget.charge(tokens(20))
      yield* budget.updateLimits(limits())
      expect(yield* used(budget)).toBe(80)
    })
  )

  it.effect("lets a window that has grown merge its many instants, and forget them in time", () =>
    Effect.gen(function* () {
      const window = (duration: "1 second" | "1 hour") => [
        Limit.slidingWindow("tokens", 1_000_000, duration, { name: "window" })
      ]
      const budget = yield* Budget.make({ name: "run", limits: window("1 second") })
      yield* budget.charge(tokens(1))
      yield* budget.updateLimits(window("1 hour"))
      for (let count = 0; count < 6_000; count++) {
        yield* TestClock.adjust(1)
        yield* budget.charge(tokens(1))
      }
      expect(yield* used(budget)).toBe(6_001)
      yield* TestClock.adjust("2 hours")
      expect(yield* used(budget)).toBe(0)
    })
  )
})

describe("waking", () => {
  it.effect("reaches who waits behind another line's head for a budget that the head does not need", () =>
    Effect.gen(function* () {
      const shared = yield* Budget.make({ name: "shared", limits: [Limit.slidingWindow("tokens", 10, "1 minute")] })
      const other = yield* Budget.make({ name: "other", limits: [Limit.concurrency(1)] })
      const large = yield* Budget.make({ name: "large", limits: [], within: [shared] })
      const small = yield* Budget.make({ name: "small", limits: [], within: [shared, other] })
      const start = (budget: Budget.Budget, amount: number) =>
        Effect.forkChild(budget.spend({ estimate: tokens(amount) })(Effect.void), { startImmediately: true })

      yield* shared.charge(tokens(5))
      yield* TestClock.adjust("30 seconds")
      yield* shared.charge(tokens(5))
      const first = yield* start(large, 8)
      const second = yield* start(small, 1)
      const done = yield* Deferred.make<void>()
      const holder = yield* Effect.forkChild(
        other.withReservation(Usage.zero, () => Deferred.await(done)),
        {
          startImmediately: true
        }
      )
      // Room for the small one comes at one minute, when the other budget is taken.
      yield* TestClock.adjust("40 seconds")
      expect(second.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(done, undefined)
      yield* Fiber.join(holder)
      yield* othersRun
      expect(second.pollUnsafe()).toBeDefined()
      expect(first.pollUnsafe()).toBeUndefined()
      yield* Fiber.interrupt(first)
    })
  )

  it.effect("that is late keeps nobody out who comes then", () =>
    Effect.gen(function* () {
      const { clock, setBy } = yield* makeWallClock
      yield* Effect.gen(function* () {
        const budget = yield* Budget.make({ name: "run", limits: [] })
        yield* budget.pauseUntil((yield* Clock.currentTimeMillis) + 60_000)
        const waiting = yield* Effect.forkChild(budget.spend({ estimate: tokens(1) })(Effect.void), {
          startImmediately: true
        })
        // The timer still has a minute to go when the clock is past the pause.
        yield* setBy(61_000)
        yield* Effect.scoped(budget.tryReserve(tokens(1)))
        yield* Fiber.join(waiting)
      }).pipe(Effect.provideService(Clock.Clock, clock))
    })
  )
})

describe("spend", () => {
  it.effect("makes an operator that is used again, with a reader of what results have in common", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
      const charged = budget.spend({
        estimate: tokens(30),
        actual: (response: { readonly total: number }) => tokens(response.total)
      })
      const named = yield* charged(Effect.succeed({ total: 7, name: "a" }))
      expect(named.name).toBe("a")
      yield* charged(Effect.succeed({ total: 5 }))
      expect(yield* used(budget)).toBe(12)
    })
  )
})

describe("a meter with a scale of its own", () => {
  it("takes limits in the units that people write", () => {
    const usdCents: Meter.Meter = { name: "cents", scale: 100, measure: (usage) => usage.requests }
    expect(Limit.cap(usdCents, 2).max).toBe(200)
    expect(Limit.cap(usdCents, 0.29).max).toBe(29)
    expect(Meter.format(usdCents, 150)).toBe("1.5 cents")
  })
})

class Run extends Budget.Service<Run>()("test/Run", { limits: [Limit.cap("tokens", 100)] }) {}

describe("BudgetMap", () => {
  it.effect("refuses a weight that makes no sense, also when a key is used again", () =>
    Effect.gen(function* () {
      let weight = 1
      const runs = yield* BudgetMap.make({
        budget: Run,
        options: () => ({ ...Run.options, weight }),
        idleTimeToLive: 0
      })
      yield* Effect.provide(Run.charge(tokens(1)), runs.get("a"))
      weight = 0
      const exit = yield* Effect.exit(Effect.provide(Run.charge(tokens(1)), runs.get("a")))
      expect(String(exit)).toContain('Budget "test/Run(a)": weight must be a positive number, got 0')
    })
  )
})

describe("what a failure costs", () => {
  const spent = (onFailure: Budget.OnFailure, body: Effect.Effect<void, string>) =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)], onFailure })
      const fiber = yield* Effect.forkChild(body.pipe(budget.spend({ estimate: tokens(30) })), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      yield* expectAtRest(budget)
      return yield* used(budget)
    })

  it.effect("can be read from its cause", () =>
    Effect.gen(function* () {
      const read: Budget.OnFailure = (cause) =>
        Cause.hasInterrupts(cause) ? "charge" : Cause.squash(cause) === "refused" ? "release" : tokens(7)
      expect(yield* spent(read, Effect.fail("refused"))).toBe(0)
      expect(yield* spent(read, Effect.fail("cut"))).toBe(7)
      expect(yield* spent(read, Effect.die("cut"))).toBe(7)
      expect(yield* spent(read, Effect.never)).toBe(30)
      expect(yield* spent(read, Effect.void)).toBe(30)
    })
  )

  it.effect("is the estimate when it cannot be read", () =>
    Effect.gen(function* () {
      const throws = () => {
        throw new Error("no")
      }
      expect(yield* spent(throws, Effect.fail("cut"))).toBe(30)
      expect(yield* spent(() => tokens(Number.NaN), Effect.fail("cut"))).toBe(30)
    })
  )

  it.effect("is nothing when the call has not begun, and what was recorded when something was", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1), Limit.cap("tokens", 100)] })
      const onFailure = () => tokens(50)
      const first = yield* Effect.forkChild(
        budget.withReservation(
          tokens(30),
          (reservation) => Effect.andThen(reservation.record(tokens(3)), Effect.never),
          { onFailure }
        ),
        { startImmediately: true }
      )
      const second = yield* Effect.forkChild(Effect.never.pipe(budget.spend({ estimate: tokens(30), onFailure })), {
        startImmediately: true
      })
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      expect((yield* budget.snapshot).spent.inputTokens).toBe(3)
    })
  )
})
