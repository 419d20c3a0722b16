import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import type { BudgetEvent } from "../src/BudgetEvent.ts"
import * as BudgetMap from "../src/BudgetMap.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo } from "./support/heard.ts"

const tokens = (count: number) => Usage.make({ inputTokens: count })

const budgetOf = (thresholds: ReadonlyArray<number>, ...limits: ReadonlyArray<Limit.Limit>) =>
  Budget.make({ name: "run", limits, thresholds })

const window = Limit.slidingWindow("tokens", 100, "1 minute")

/** The thresholds that were told since the last time. */
const toldOf = (heard: Effect.Effect<ReadonlyArray<BudgetEvent>>) =>
  Effect.map(heard, (events) => events.flatMap((event) => (event._tag === "ThresholdReached" ? [event.threshold] : [])))

const take = (budget: Budget.Budget, count: number) => budget.tryReserve(tokens(count))

const diesWith = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.exit(effect), (exit) =>
    Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof RangeError ? String(Cause.squash(exit.cause)) : "lives"
  )

describe("a threshold", () => {
  it.effect("is told when open reservations reach it, with the limit and what counts against it", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf([0.5], window)
      const heard = yield* listenTo(budget)
      yield* take(budget, 49)
      expect(yield* toldOf(heard)).toEqual([])
      yield* take(budget, 2)
      expect((yield* heard)[0]).toEqual({
        _tag: "ThresholdReached",
        at: 0,
        budget: "run",
        limit: window,
        threshold: 0.5,
        used: 51
      })
    })
  )

  it.effect("is told to those who listen to the budget and to those around it, whoever inside it asks", () =>
    Effect.gen(function* () {
      const outer = yield* Budget.make({ name: "outer", limits: [] })
      const middle = yield* Budget.make({ name: "middle", limits: [window], thresholds: [0.5], within: [outer] })
      const inner = yield* Budget.make({ name: "inner", limits: [], within: [middle] })
      const heard = [yield* listenTo(outer), yield* listenTo(middle), yield* listenTo(inner)]
      yield* take(inner, 50)
      expect(yield* Effect.forEach(heard, toldOf)).toEqual([[0.5], [0.5], []])
    })
  )

  it.effect("is told when an overrun, a charge, a provider or a lower maximum makes it reached", () =>
    Effect.gen(function* () {
      const reached = Effect.fnUntraced(function* (
        act: (budget: Budget.Budget) => Effect.Effect<unknown, unknown>,
        chargeAt: Limit.ChargeAt = "reserve"
      ) {
        const budget = yield* budgetOf([0.5, 1], Limit.slidingWindow("tokens", 100, "1 minute", { chargeAt }))
        const reservation = yield* take(budget, 10)
        const heard = yield* listenTo(budget)
        yield* act(budget)
        const told = yield* toldOf(heard)
        yield* reservation.commit(tokens(100))
        return [told, yield* toldOf(heard)]
      }, Effect.scoped)
      expect(yield* reached(() => Effect.void)).toEqual([[], [0.5, 1]])
      expect(yield* reached(() => Effect.void, "settle")).toEqual([[], [0.5, 1]])
      expect(yield* reached((budget) => budget.charge(tokens(45)))).toEqual([[0.5], [1]])
      expect(yield* reached((budget) => budget.tighten({ meter: "tokens", limit: 100, remaining: 50 }))).toEqual([
        [0.5],
        [1]
      ])
      expect(
        yield* reached((budget) => budget.updateLimits([Limit.slidingWindow("tokens", 15, "1 minute", window)]))
      ).toEqual([[0.5], [1]])
    })
  )

  it.effect("of a cap is told once for its life, however much is given back", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf([0.5], Limit.cap("tokens", 100))
      const heard = yield* listenTo(budget)
      for (let time = 0; time < 3; time++) yield* (yield* take(budget, 60)).release
      expect(yield* toldOf(heard)).toEqual([0.5])
    })
  )

  it.effect("of a cap is told again when its maximum was raised so that it was not reached any more", () =>
    Effect.gen(function* () {
      const cap = (max: number) => Limit.cap("tokens", max, { name: "cap" })
      const budget = yield* budgetOf([0.5], cap(100))
      const heard = yield* listenTo(budget)
      yield* budget.charge(tokens(60))
      expect(yield* toldOf(heard)).toEqual([0.5])
      yield* budget.updateLimits([cap(110)])
      yield* budget.charge(tokens(5))
      expect(yield* toldOf(heard)).toEqual([])
      yield* budget.updateLimits([cap(200)])
      expect(yield* toldOf(heard)).toEqual([])
      yield* budget.charge(tokens(35))
      expect(yield* toldOf(heard)).toEqual([0.5])
    })
  )

  it.effect("of a window is told again only after its use was a tenth of the maximum below it, seen or not", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf([0.5], window)
      const heard = yield* listenTo(budget)
      yield* budget.charge(tokens(9))
      yield* TestClock.setTime(1_000)
      yield* budget.charge(tokens(41))
      expect(yield* toldOf(heard)).toEqual([0.5])
      // 41 are left: it hovers.
      yield* TestClock.setTime(60_000)
      yield* budget.charge(tokens(9))
      expect(yield* toldOf(heard)).toEqual([])
      // Nothing is left at some instant between the two, but nobody looks.
      yield* TestClock.setTime(300_000)
      yield* budget.charge(tokens(50))
      expect(yield* toldOf(heard)).toEqual([0.5])
    })
  )

  it.effect("of a commit is not told again, though what was reserved makes place for what was used", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf([0.5], Limit.slidingWindow("tokens", 100, "1 minute", { chargeAt: "settle" }))
      const heard = yield* listenTo(budget)
      const reservation = yield* take(budget, 60)
      yield* reservation.commit(tokens(55))
      expect(yield* toldOf(heard)).toEqual([0.5])
    })
  )

  it.effect("of concurrency, of a bucket and of a calendar window is told again in the same way", () =>
    Effect.gen(function* () {
      for (const limit of [
        Limit.concurrency(2),
        Limit.tokenBucket("requests", 2, "1 minute"),
        Limit.fixedWindow("requests", 2, "minute")
      ]) {
        const budget = yield* budgetOf([1], limit)
        const heard = yield* listenTo(budget)
        for (let time = 0; time < 2; time++) {
          yield* Effect.scoped(Effect.andThen(take(budget, 1), take(budget, 1)))
          yield* TestClock.adjust("1 minute")
        }
        expect(yield* toldOf(heard)).toEqual([1, 1])
      }
    })
  )

  it.effect("of a ceiling per call there is none, and where none is set, none is told", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf([0.1], Limit.perCall("tokens", 100))
      const plain = yield* Budget.make({ name: "plain", limits: [window], within: [budget] })
      const heard = yield* listenTo(budget)
      yield* take(plain, 100)
      expect(yield* toldOf(heard)).toEqual([])
    })
  )

  it.effect("of a limit that was removed is not told any more by what is still open", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf([0.5], window)
      const heard = yield* listenTo(budget)
      const reservation = yield* take(budget, 10)
      yield* budget.updateLimits([])
      yield* reservation.commit(tokens(90))
      expect(yield* toldOf(heard)).toEqual([])
    })
  )

  it.effect("is remembered by the key of a family, also when others are watched when it is opened again", () =>
    Effect.gen(function* () {
      const cap = Limit.cap("tokens", 100)
      let thresholds = [0.5]
      class Tenant extends Budget.Service<Tenant>()("app/Tenant", { limits: [cap] }) {}
      const map = yield* BudgetMap.make({
        budget: Tenant,
        options: () => ({ limits: [cap], thresholds }),
        idleTimeToLive: 0
      })
      const charges = (count: number) =>
        Effect.gen(function* () {
          const heard = yield* listenTo(yield* Tenant)
          yield* Tenant.charge(tokens(count))
          return yield* toldOf(heard)
        }).pipe(Effect.scoped, Effect.provide(map.get("a"), { local: true }))
      expect(yield* charges(60)).toEqual([0.5])
      expect(yield* charges(1)).toEqual([])
      thresholds = [0.5, 0.8]
      expect(yield* charges(20)).toEqual([0.8])
    })
  )

  it.effect("that is no positive number is refused with a sentence that says it", () =>
    Effect.gen(function* () {
      for (const wrong of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(yield* diesWith(Effect.scoped(budgetOf([0.5, wrong], window)))).toBe(
          `RangeError: Budget "run": thresholds must be finite numbers above zero, got ${wrong}`
        )
      }
    })
  )
})

describe("utilisation", () => {
  it.effect("is that of the fullest limit of the path, open reservations and debt included", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 200), Limit.concurrency(10)] })
      const run = yield* Budget.make({ name: "run", limits: [Limit.perCall("tokens", 70), window], within: [key] })
      expect(yield* Budget.utilisation(run)).toBe(0)
      yield* take(run, 60)
      expect(yield* Budget.utilisation(run)).toBe(0.6)
      expect(yield* Budget.utilisation(key)).toBe(0.3)
      yield* key.charge(tokens(240))
      expect(yield* Budget.utilisation(run)).toBe(1.5)
      yield* run.charge(tokens(140))
      expect(yield* Budget.utilisation(run)).toBe(2.2)
      yield* TestClock.adjust("1 minute")
      expect(yield* Budget.utilisation(run)).toBe(2.2)
    })
  )

  it.effect("is one where nothing is ever admitted, and nothing where nothing is limited", () =>
    Effect.gen(function* () {
      const closed = yield* Budget.make({ name: "closed", limits: [Limit.cap("tokens", 0)] })
      expect(yield* Budget.utilisation(closed)).toBe(1)
      yield* closed.charge(tokens(5))
      expect(yield* Budget.utilisation(closed)).toBe(1)
      const paused = yield* Budget.make({ name: "paused", limits: [] })
      yield* paused.pauseUntil(60_000)
      expect(yield* Budget.utilisation(paused)).toBe(0)
    })
  )

  it.effect("does not count shadow budgets, which keep nobody out", () =>
    Effect.gen(function* () {
      const tried = yield* Budget.make({ name: "tried", limits: [Limit.cap("tokens", 10)], shadow: true })
      const run = yield* Budget.make({ name: "run", limits: [window], within: [tried] })
      yield* take(run, 40)
      expect(yield* Budget.utilisation(run)).toBe(0.4)
      expect(yield* Budget.utilisation(tried)).toBe(0)
    })
  )

  it.effect("is asked of a service, and of the snapshot of a budget that was made elsewhere", () =>
    Effect.gen(function* () {
      class Run extends Budget.Service<Run>()("app/Run", { limits: [window, Limit.perCall("tokens", 50)] }) {}
      const told = yield* Effect.gen(function* () {
        yield* Run.charge(tokens(30))
        const budget = yield* Run
        const elsewhere: Budget.Budget = {
          name: "elsewhere",
          reserve: (estimate, options) => budget.reserve(estimate, options),
          tryReserve: (estimate, options) => budget.tryReserve(estimate, options),
          withReservation: (estimate, body, options) => budget.withReservation(estimate, body, options),
          spend: budget.spend,
          charge: (usage) => budget.charge(usage),
          snapshot: budget.snapshot,
          events: Stream.empty,
          pauseUntil: (instant) => budget.pauseUntil(instant),
          tighten: (said) => budget.tighten(said),
          updateLimits: (limits) => budget.updateLimits(limits)
        }
        return [yield* Run.utilisation, yield* Budget.utilisation(elsewhere)]
      }).pipe(Effect.provide(Run.layer))
      expect(told).toEqual([0.3, 0.3])
    })
  )
})
