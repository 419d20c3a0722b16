import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import * as BudgetMap from "../src/BudgetMap.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo, othersRun } from "./support/heard.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })
const cap = (max: number, name?: string) => Limit.cap("tokens", max, { name })

/** What each limit counts: used without what is reserved, and reserved. */
const counted = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ limits }) => limits.map(({ reserved, used }) => [used - reserved, reserved]))

const makeRun = (...limits: ReadonlyArray<Limit.Limit>) =>
  Budget.make({ name: "run", limits: limits.length === 0 ? [cap(100)] : limits })

const spending = (budget: Budget.Budget, estimate: number, actual = estimate) =>
  budget.withReservation(tokens(estimate), (reservation) => reservation.commit(tokens(actual)))

const reasonOf = <A, R>(effect: Effect.Effect<A, { readonly reason: unknown }, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

/** Starts it and lets it go on until it waits. */
const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** A slice that ends when the effect beside it is run. */
const sliceOf = Effect.fnUntraced(function* (
  from: Budget.Budget,
  limits: ReadonlyArray<Limit.Limit>,
  options: Partial<Parameters<typeof Budget.slice>[0]> = {}
) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const slice = yield* Scope.provide(Budget.slice({ name: "slice", from, limits, ...options }), scope)
  return [slice, Scope.close(scope, Exit.void)] as const
})

describe("a slice in line", () => {
  it.effect("is there only when it was allowed to wait, and says so when that was in vain", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const heard = yield* listenTo(run)
      yield* run.reserve(tokens(60))
      const asking = (maxWait?: number) =>
        start(Effect.exit(Budget.slice({ name: "slice", from: run, limits: [cap(60)], maxWait })))
      const impatient = yield* asking()
      expect((yield* run.snapshot).waiting).toBe(0)
      expect(Exit.isFailure(yield* Fiber.join(impatient))).toBe(true)
      const patient = yield* asking(100)
      expect((yield* run.snapshot).waiting).toBe(1)
      expect((yield* heard).map(({ _tag, budget }) => [_tag, budget])).toEqual([
        ["Admitted", "run"],
        ["Refused", "slice"]
      ])
      yield* TestClock.adjust(100)
      expect(Exit.isFailure(yield* Fiber.join(patient))).toBe(true)
      expect((yield* heard).map(({ _tag, budget }) => [_tag, budget])).toEqual([["Refused", "slice"]])
    })
  )

  it.effect("is served after who came before it and before who came after it", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const order: Array<string> = []
      const noting = <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) =>
        start(Effect.tap(effect, () => Effect.sync(() => order.push(name))))
      const first = yield* run.reserve(tokens(50))
      const second = yield* run.reserve(tokens(50))
      yield* noting("call", run.reserve(tokens(30)))
      yield* noting("slice", Budget.slice({ name: "slice", from: run, limits: [cap(40)], maxWait: "1 hour" }))
      yield* noting("later call", run.reserve(tokens(30)))
      yield* first.release
      yield* othersRun
      expect(order).toEqual(["call"])
      yield* second.release
      yield* othersRun
      expect(order).toEqual(["call", "slice", "later call"])
      expect(yield* counted(run)).toEqual([[0, 100]])
    })
  )

  it.effect("lets in at the end of its patience who waited behind it", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      yield* run.reserve(tokens(70))
      const slice = yield* start(
        Effect.exit(Budget.slice({ name: "slice", from: run, limits: [cap(80)], maxWait: 100 }))
      )
      const behind = yield* start(spending(run, 30))
      yield* TestClock.adjust(99)
      expect(behind.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      expect(Exit.isFailure(yield* Fiber.join(slice))).toBe(true)
      yield* Fiber.join(behind)
      expect(yield* counted(run)).toEqual([[30, 70]])
    })
  )

  it.effect("lets in at its interruption who waited behind it", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      yield* run.reserve(tokens(70))
      const slice = yield* start(Budget.slice({ name: "slice", from: run, limits: [cap(80)], maxWait: "1 hour" }))
      const behind = yield* start(spending(run, 30))
      expect((yield* run.snapshot).waiting).toBe(2)
      yield* Fiber.interrupt(slice)
      yield* Fiber.join(behind)
      expect(yield* counted(run)).toEqual([[30, 70]])
    })
  )

  it.effect("is told that it is in vain when the caps around it are used up", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const open = yield* run.reserve(tokens(70))
      const asked = yield* start(
        reasonOf(Budget.slice({ name: "slice", from: run, limits: [cap(40)], maxWait: "1 hour" }))
      )
      yield* open.commit(tokens(61))
      expect(yield* Fiber.join(asked)).toMatchObject({ _tag: "BudgetExceeded", budget: "run", requested: 40 })
      expect(yield* counted(run)).toEqual([[61, 0]])
    })
  )

  it.effect("ends as soon as it begins when its scope has closed meanwhile", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const open = yield* run.reserve(tokens(70))
      const scope = yield* Scope.make()
      const asked = yield* start(
        Scope.provide(Budget.slice({ name: "slice", from: run, limits: [cap(40)], maxWait: "1 hour" }), scope)
      )
      yield* Scope.close(scope, Exit.void)
      yield* open.release
      const slice = yield* Fiber.join(asked)
      yield* expectAtRest(run, slice)
      yield* spending(slice, 40)
      expect(yield* counted(run)).toEqual([[40, 0]])
    })
  )

  it.effect("is let in with nothing set aside when the caps around it are taken away", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      yield* run.reserve(tokens(70))
      const asked = yield* start(Budget.slice({ name: "slice", from: run, limits: [cap(40)], maxWait: "1 hour" }))
      yield* run.updateLimits([])
      const slice = yield* Fiber.join(asked)
      yield* spending(slice, 40)
      expect(yield* counted(slice)).toEqual([[40, 0]])
      expect((yield* run.snapshot).waiting).toBe(0)
    })
  )

  it.effect("goes on waiting at a cap that is added, and at what a slice around it leaves when that ends", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [outer, end] = yield* sliceOf(run, [cap(60)], { name: "outer" })
      const open = yield* outer.reserve(tokens(50))
      const asked = yield* start(Budget.slice({ name: "inner", from: outer, limits: [cap(40)], maxWait: "1 hour" }))
      yield* run.updateLimits([cap(100), cap(200, "added")])
      const added = yield* run.reserve(tokens(40))
      yield* end
      yield* othersRun
      // Its own fiber waits on: it was asked of the slice that has ended, not by a call of it.
      expect(asked.pollUnsafe()).toBeUndefined()
      yield* open.release
      const inner = yield* Fiber.join(asked)
      yield* added.commit(tokens(40))
      yield* spending(inner, 30)
      expect(yield* counted(run)).toEqual([
        [70, 10],
        [70, 10]
      ])
    })
  )
})

describe("the end of a slice", () => {
  it.effect("fails who waits inside it for more than the caps around it will ever have again", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      const inner = yield* Budget.make({ name: "inner", limits: [], within: [slice] })
      const open = yield* inner.reserve(tokens(50))
      const waiting = yield* start(reasonOf(spending(inner, 40)))
      yield* run.charge(tokens(70))
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* end
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "BudgetExceeded", budget: "run", requested: 40 })
      yield* open.release
      yield* expectAtRest(run, slice, inner)
    })
  )

  it.effect("interrupts who waits in its line, also when that is the fiber that closes it", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const fiber = yield* start(
        Effect.scoped(
          Effect.gen(function* () {
            const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
            yield* slice.reserve(tokens(60))
            yield* slice.reserve(tokens(1))
          })
        )
      )
      yield* othersRun
      expect((yield* run.snapshot).waiting).toBe(1)
      yield* Fiber.interrupt(fiber)
      yield* expectAtRest(run)
    })
  )

  it.effect("closes slices within slices from the outside in, with calls open and in line at each", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [outer, endOuter] = yield* sliceOf(run, [cap(80)], { name: "outer" })
      const [middle, endMiddle] = yield* sliceOf(outer, [cap(60)], { name: "middle" })
      const [inner, endInner] = yield* sliceOf(middle, [cap(40)], { name: "inner" })
      const budgets = yield* Effect.forEach([outer, middle, inner], (slice) =>
        Budget.make({ name: `in ${slice.name}`, limits: [], within: [slice] })
      )
      const open = yield* Effect.forEach(budgets, (budget) => budget.reserve(tokens(20)))
      const waiting = yield* Effect.forEach(budgets, (budget) => start(spending(budget, 25)))
      const ofRun = yield* start(spending(run, 30, 5))
      expect((yield* run.snapshot).waiting).toBe(4)
      // Each holds for the next one what that still holds.
      yield* endOuter
      yield* endMiddle
      expect(yield* counted(run)).toEqual([[0, 80]])
      expect(ofRun.pollUnsafe()).toBeUndefined()
      yield* endInner
      yield* Fiber.join(ofRun)
      expect(yield* counted(run)).toEqual([[5, 60]])
      yield* Effect.forEach(open, (reservation) => reservation.commit(tokens(1)))
      yield* Fiber.joinAll(waiting)
      expect(yield* counted(run)).toEqual([[83, 0]])
      yield* expectAtRest(run, outer, middle, inner, ...budgets)
    })
  )

  it.effect("is the same when it comes twice", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      yield* spending(slice, 20)
      yield* end
      yield* end
      expect(yield* counted(run)).toEqual([[20, 0]])
    })
  )

  it.effect("leaves what its calls use after it in the caps around it, once", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      const open = yield* slice.reserve(tokens(30))
      const overrun = yield* slice.reserve(tokens(10))
      yield* end
      yield* slice.charge(tokens(5))
      yield* overrun.commit(tokens(55))
      const waiting = yield* start(spending(run, 35))
      yield* open.release
      yield* Fiber.join(waiting)
      expect(yield* counted(run)).toEqual([[95, 0]])
      expect(yield* counted(slice)).toEqual([[60, 0]])
    })
  )

  it.effect("keeps a pause of its own for whoever waits inside it", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      const inner = yield* Budget.make({ name: "inner", limits: [], within: [slice] })
      yield* slice.pauseUntil(500)
      const waiting = yield* start(Effect.andThen(spending(inner, 30), Clock.currentTimeMillis))
      yield* TestClock.adjust(100)
      yield* end
      yield* TestClock.adjust(1_000)
      expect(yield* Fiber.join(waiting)).toBe(500)
      expect(yield* counted(run)).toEqual([[30, 0]])
    })
  )
})

describe("an overrun of a slice", () => {
  it.effect("becomes a debt of the caps around it when they are full", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      yield* spending(run, 40)
      yield* spending(slice, 60, 90)
      expect(yield* counted(run)).toEqual([[130, 0]])
      // There is nothing left that it could give back.
      yield* slice.charge(tokens(5))
      yield* spending(slice, 0, 7)
      expect(yield* counted(run)).toEqual([[142, 0]])
      expect((yield* run.snapshot).spent.inputTokens).toBe(142)
      yield* end
      expect(yield* counted(run)).toEqual([[142, 0]])
      yield* run.updateLimits([cap(150)])
      yield* spending(run, 8)
    })
  )

  it.effect("by a charge counts in every cap once, also by one on a budget within it", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      const inner = yield* Budget.make({ name: "inner", limits: [cap(30)], within: [slice] })
      const open = yield* inner.reserve(tokens(10))
      yield* inner.charge(tokens(45))
      expect([yield* counted(run), yield* counted(slice), yield* counted(inner)]).toEqual([
        [[45, 15]],
        [[45, 10]],
        [[45, 10]]
      ])
      yield* slice.charge(tokens(40))
      expect([yield* counted(run), yield* counted(slice)]).toEqual([[[85, 10]], [[85, 10]]])
      yield* open.commit(tokens(5))
      yield* end
      expect([yield* counted(run), yield* counted(slice)]).toEqual([[[90, 0]], [[90, 0]]])
    })
  )
})

describe("what a slice uses", () => {
  it.effect("fails at once who waits for more than it leaves, also behind others", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      const first = yield* start(spending(run, 45))
      const behind = yield* start(reasonOf(spending(run, 90)))
      const large = yield* start(
        reasonOf(Budget.slice({ name: "large", from: run, limits: [cap(85)], maxWait: "1 hour" }))
      )
      yield* spending(slice, 20)
      expect(yield* Fiber.join(behind)).toMatchObject({ _tag: "BudgetExceeded", budget: "run", used: 20 })
      expect(yield* Fiber.join(large)).toMatchObject({ _tag: "BudgetExceeded", budget: "run", requested: 85 })
      expect(first.pollUnsafe()).toBeUndefined()
      yield* end
      yield* Fiber.join(first)
      expect(yield* counted(run)).toEqual([[65, 0]])
    })
  )
})

describe("limits that change around a slice", () => {
  it.effect("leave what it holds in a cap that is taken away and comes back", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      const open = yield* slice.reserve(tokens(20))
      yield* run.updateLimits([])
      yield* run.updateLimits([cap(100)])
      // It is a new one, of which nobody has set anything aside: the slice's calls pass it from now on.
      yield* spending(slice, 30)
      expect(yield* counted(run)).toEqual([[30, 0]])
      yield* open.commit(tokens(20))
      yield* end
      expect(yield* counted(run)).toEqual([[30, 0]])
      expect((yield* run.snapshot).spent.inputTokens).toBe(50)
    })
  )

  it.effect("keep others out when they are lower than what it holds, until it gives back", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      yield* run.updateLimits([cap(50)])
      yield* spending(slice, 20)
      const waiting = yield* start(spending(run, 30))
      expect((yield* run.snapshot).waiting).toBe(1)
      yield* end
      yield* Fiber.join(waiting)
      expect(yield* counted(run)).toEqual([[50, 0]])
    })
  )

  it.effect("that are raised let others in beside it, and give it no more", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice] = yield* sliceOf(run, [cap(60)])
      const waiting = yield* start(spending(run, 90))
      expect(yield* reasonOf(spending(run, 101))).toMatchObject({ _tag: "RequestTooLarge" })
      yield* run.updateLimits([cap(150)])
      yield* Fiber.join(waiting)
      expect(yield* reasonOf(spending(slice, 61))).toMatchObject({ budget: "slice" })
      expect(yield* counted(run)).toEqual([[90, 60]])
    })
  )
})

describe("within a slice", () => {
  it.effect("an elastic call is granted what is left of what was set aside", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice] = yield* sliceOf(run, [cap(60)])
      yield* slice.updateLimits([cap(90)])
      yield* spending(slice, 25)
      const granted = yield* slice.withReservation(
        Usage.make({ inputTokens: 10, outputTokens: 80 }),
        (reservation) => Effect.succeed(reservation.granted.outputTokens),
        { least: Usage.make({ inputTokens: 10, outputTokens: 1 }) }
      )
      expect(granted).toBe(25)
      expect(yield* counted(run)).toEqual([[60, 0]])
    })
  )

  it.effect("a call of higher priority goes first", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice] = yield* sliceOf(run, [cap(60)])
      const open = yield* slice.reserve(tokens(60))
      const order: Array<number> = []
      for (const priority of [0, 1]) {
        yield* start(
          slice.withReservation(
            tokens(30),
            () =>
              Effect.andThen(
                Effect.sync(() => order.push(priority)),
                Effect.never
              ),
            { priority }
          )
        )
      }
      yield* open.release
      yield* othersRun
      expect(order).toEqual([1, 0])
    })
  )

  it.effect("money is counted to the nano-dollar", () =>
    Effect.gen(function* () {
      const run = yield* makeRun(Limit.cap("usd", 0.000_000_101))
      const [slice, end] = yield* sliceOf(run, [Limit.cap("usd", 0.000_000_06)])
      const cost = (costNanoUsd: number) => ({ ...Usage.zero, costNanoUsd })
      yield* slice.spend({ estimate: cost(60), actual: () => cost(33) })(Effect.void)
      expect(yield* counted(run)).toEqual([[33, 27]])
      yield* run.spend({ estimate: cost(41) })(Effect.void)
      expect(yield* reasonOf(Effect.scoped(run.tryReserve(cost(1))))).toMatchObject({ used: 74, reserved: 27 })
      yield* end
      yield* run.spend({ estimate: cost(27) })(Effect.void)
      expect(yield* counted(run)).toEqual([[101, 0]])
    })
  )
})

describe("a slice of a budget", () => {
  it.effect("that has two caps on one meter holds what it needs in both", () =>
    Effect.gen(function* () {
      const run = yield* makeRun(cap(100, "a"), Limit.cap("requests", 3), cap(70, "b"))
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      yield* spending(slice, 50, 65)
      expect(yield* counted(run)).toEqual([
        [65, 0],
        [1, 0],
        [65, 0]
      ])
      yield* end
      expect(yield* reasonOf(spending(run, 6))).toMatchObject({ limit: { name: "b" } })
      yield* spending(run, 5)
    })
  )

  it.effect("that has caps on several meters gives back to each what is its own", () =>
    Effect.gen(function* () {
      const run = yield* makeRun(cap(100), Limit.cap("requests", 10), Limit.cap("outputTokens", 50))
      const [slice, end] = yield* sliceOf(run, [cap(60), Limit.cap("outputTokens", 20), Limit.cap("requests", 4)])
      yield* spending(slice, 10)
      expect(yield* counted(run)).toEqual([
        [10, 50],
        [1, 3],
        [0, 20]
      ])
      yield* end
      expect(yield* counted(run)).toEqual([
        [10, 0],
        [1, 0],
        [0, 0]
      ])
    })
  )

  it.effect("cannot be beside a slice within another slice of the same budget, but can within its own", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [outer] = yield* sliceOf(run, [cap(60)], { name: "outer" })
      const [inner] = yield* sliceOf(outer, [cap(40)], { name: "inner" })
      const [other] = yield* sliceOf(run, [cap(20)], { name: "other" })
      const exit = yield* Effect.exit(Budget.make({ name: "both", limits: [], within: [inner, other] }))
      expect(String(exit)).toContain("it cannot be within two slices")
      const inside = yield* Budget.make({ name: "inside", limits: [], within: [inner, outer] })
      yield* spending(inside, 30)
      expect([yield* counted(run), yield* counted(outer), yield* counted(inner)]).toEqual([
        [[30, 50]],
        [[30, 10]],
        [[30, 0]]
      ])
    })
  )

  it.effect("that is a shadow is never refused and counts there what it holds", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({ name: "run", limits: [cap(50)], shadow: true })
      const [slice, end] = yield* sliceOf(run, [cap(60)])
      expect(yield* counted(run)).toEqual([[0, 60]])
      yield* spending(slice, 60, 40)
      yield* end
      expect(yield* counted(run)).toEqual([[40, 0]])
    })
  )

  it.effect("tells the thresholds that it reaches when it is made, and those that it overruns", () =>
    Effect.gen(function* () {
      for (const thresholds of [[0.5], []]) {
        const run = yield* Budget.make({ name: "run", limits: [cap(100)], thresholds: [0.5, 0.9] })
        const heard = yield* listenTo(run)
        const told = Effect.map(heard, (events) =>
          events.flatMap((event) =>
            event._tag === "ThresholdReached" ? [[event.budget, event.threshold, event.used]] : []
          )
        )
        const [slice] = yield* sliceOf(run, [cap(60)], { thresholds })
        expect(yield* told).toEqual([["run", 0.5, 60]])
        yield* spending(slice, 30)
        expect(yield* told).toEqual(thresholds.map((threshold) => ["slice", threshold, 30]))
        yield* spending(slice, 30, 55)
        expect(yield* told).toEqual([])
        yield* slice.charge(tokens(5))
        expect(yield* told).toEqual([["run", 0.9, 90]])
      }
    })
  )

  it.effect("charges for a failure what it was told to", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const [slice] = yield* sliceOf(run, [cap(60)], { onFailure: "charge" })
      yield* Effect.flip(slice.withReservation(tokens(10), () => Effect.fail("broken")))
      expect(yield* counted(run)).toEqual([[10, 50]])
    })
  )

  it.effect("by key gives back to the counters that it came from, when the key is forgotten meanwhile", () =>
    Effect.gen(function* () {
      class Tenant extends Budget.Service<Tenant>()("Tenant", { limits: [cap(100)] }) {}
      const tenants = yield* BudgetMap.make({ budget: Tenant, idleTimeToLive: 0 })
      const countedOfKey = Tenant.use(counted)
      const first = yield* Effect.provide(
        Effect.gen(function* () {
          const tenant = yield* Tenant
          const [slice, end] = yield* sliceOf(tenant, [cap(60)])
          return { tenant, slice, end }
        }),
        tenants.get("a")
      )
      // The slice outlives every user of the key, and what it holds is remembered.
      const remembered = yield* Effect.provide(countedOfKey, tenants.get("a"))
      expect(remembered).toEqual([[0, 60]])
      yield* tenants.forget("a")
      yield* spending(first.slice, 50, 20)
      yield* first.end
      expect(yield* counted(first.tenant)).toEqual([[20, 0]])
      const anew = yield* Effect.provide(countedOfKey, tenants.get("a"))
      expect(anew).toEqual([[0, 0]])
    })
  )
})

describe("interrupted at any of its operations", () => {
  it.effect("the end of a slice with calls open and in line gives back everything that nobody uses", () =>
    interruptAtEveryOperation(
      { operationsMin: 8, phases: ["open", "closed"], charges: [30] },
      Effect.gen(function* () {
        const run = yield* makeRun()
        const [slice, end] = yield* sliceOf(run, [cap(60)])
        const inner = yield* Budget.make({ name: "inner", limits: [], within: [slice] })
        const open = yield* slice.reserve(tokens(50))
        const ofSlice = yield* start(Effect.exit(spending(slice, 20)))
        const ofInner = yield* start(spending(inner, 20))
        const ofRun = yield* start(spending(run, 45))
        let isOver = false
        return {
          call: Effect.onExit(Effect.andThen(Effect.yieldNow, Effect.yieldNow), () =>
            Effect.andThen(
              end,
              Effect.sync(() => {
                isOver = true
              })
            )
          ),
          phase: () => (isOver ? "closed" : "open"),
          charged: () =>
            Effect.gen(function* () {
              yield* end
              expect(Exit.hasInterrupts(yield* Fiber.join(ofSlice))).toBe(true)
              yield* open.commit(tokens(30))
              yield* Fiber.joinAll([ofInner, ofRun])
              yield* expectAtRest(run, slice, inner)
              expect(yield* counted(run)).toEqual([[95, 0]])
              return 30
            })
        }
      })
    )
  )
})
