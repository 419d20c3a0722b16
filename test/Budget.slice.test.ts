import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import * as Meter from "../src/Meter.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo, othersRun } from "./support/heard.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })
const cap = (max: number, name?: string) => Limit.cap("tokens", max, { name })

/** What the first limit counts: used without what is reserved, and reserved. */
const counted = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ limits }) => {
    const { reserved, used } = limits[0]!
    return { used: used - reserved, reserved }
  })

const makeRun = (max = 100) => Budget.make({ name: "run", limits: [cap(max)] })

const spending = (budget: Budget.Budget, estimate: number, actual = estimate) =>
  budget.withReservation(tokens(estimate), (reservation) => reservation.commit(tokens(actual)))

const reasonOf = <A, R>(effect: Effect.Effect<A, { readonly reason: unknown }, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

describe("Budget.slice", () => {
  it.effect("reserves its maximum at once and gives back at its end what it has not used", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
          expect(yield* counted(run)).toEqual({ used: 0, reserved: 60 })
          yield* spending(slice, 50, 20)
          expect(yield* counted(slice)).toEqual({ used: 20, reserved: 0 })
          expect(yield* counted(run)).toEqual({ used: 20, reserved: 40 })
        })
      )
      expect(yield* counted(run)).toEqual({ used: 20, reserved: 0 })
    })
  )

  it.effect("spends what it has set aside, when there is nothing else left", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      yield* spending(run, 40)
      yield* spending(slice, 60)
      expect(yield* counted(run)).toEqual({ used: 100, reserved: 0 })
      expect((yield* run.snapshot).spent.inputTokens).toBe(100)
    })
  )

  it.effect("keeps others from what it has set aside, and is kept from what is theirs", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      expect(yield* reasonOf(Effect.scoped(run.tryReserve(tokens(41))))).toMatchObject({
        _tag: "BudgetExceeded",
        budget: "run",
        used: 0,
        reserved: 60,
        requested: 41
      })
      expect(yield* reasonOf(Effect.scoped(slice.tryReserve(tokens(61))))).toMatchObject({
        _tag: "RequestTooLarge",
        budget: "slice"
      })
    })
  )

  it.effect("is refused at once by the cap that has too little left, and holds nothing then", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("requests", 5), cap(100)] })
      yield* run.charge(tokens(50))
      const limits = [Limit.cap("requests", 4), cap(60)]
      expect(yield* reasonOf(Budget.slice({ name: "slice", from: run, limits }))).toMatchObject({
        _tag: "BudgetExceeded",
        budget: "run",
        limit: { name: "cap(tokens)" },
        requested: 60
      })
      expect(yield* reasonOf(Budget.slice({ name: "slice", from: run, limits: [cap(101)] }))).toMatchObject({
        _tag: "RequestTooLarge",
        budget: "run",
        requested: 101
      })
      yield* expectAtRest(run)
    })
  )

  it.effect("waits as long as it may until another slice gives back, and no longer", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const scope = yield* Scope.fork(yield* Effect.scope)
      yield* Scope.provide(Budget.slice({ name: "first", from: run, limits: [cap(60)] }), scope)
      const asking = (maxWait: number) =>
        Budget.slice({ name: "second", from: run, limits: [cap(60)], maxWait }).pipe(
          Effect.andThen(Clock.currentTimeMillis),
          Effect.exit,
          Effect.forkChild({ startImmediately: true })
        )
      const patient = yield* asking(1_000)
      const impatient = yield* asking(10)
      expect((yield* run.snapshot).waiting).toBe(2)
      yield* TestClock.adjust(20)
      expect(Exit.isFailure(yield* Fiber.join(impatient))).toBe(true)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(patient)).toEqual(Exit.succeed(20))
      expect(yield* counted(run)).toEqual({ used: 0, reserved: 60 })
    })
  )

  it.effect("is measured again while it waits, when the limits around it change", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      yield* run.reserve(tokens(80))
      const waiting = yield* Effect.forkChild(
        Budget.slice({ name: "slice", from: run, limits: [cap(60)], maxWait: 1_000 }),
        { startImmediately: true }
      )
      yield* run.updateLimits([cap(140)])
      yield* Fiber.join(waiting)
      expect(yield* counted(run)).toEqual({ used: 0, reserved: 140 })
    })
  )

  it.effect("serves whoever waits for what it gives back", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const waiting = yield* Effect.scoped(
        Effect.gen(function* () {
          const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
          const fiber = yield* Effect.forkDetach(spending(run, 80), { startImmediately: true })
          yield* spending(slice, 10)
          yield* othersRun
          expect(fiber.pollUnsafe()).toBeUndefined()
          return fiber
        })
      )
      yield* Fiber.join(waiting)
      expect(yield* counted(run)).toEqual({ used: 90, reserved: 0 })
    })
  )

  it.effect("charges the caps around it with an overrun the moment it happens", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
          const open = yield* slice.reserve(tokens(20))
          yield* spending(slice, 40, 75)
          // What is open comes on top of it.
          expect(yield* counted(run)).toEqual({ used: 75, reserved: 20 })
          yield* open.commit(tokens(5))
          expect(yield* counted(run)).toEqual({ used: 80, reserved: 0 })
        })
      )
      expect(yield* counted(run)).toEqual({ used: 80, reserved: 0 })
      expect((yield* run.snapshot).spent.inputTokens).toBe(80)
    })
  )

  it.effect("serves whoever waits, when what exceeded it comes back while it is open", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      const open = yield* slice.reserve(tokens(20))
      yield* spending(slice, 40, 60)
      const waiting = yield* Effect.forkChild(spending(run, 30), { startImmediately: true })
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* open.release
      yield* Fiber.join(waiting)
      expect(yield* counted(run)).toEqual({ used: 90, reserved: 0 })
    })
  )

  it.effect("tells whoever waits that it is in vain, when an overrun has used up the caps around it", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      const waiting = yield* Effect.forkChild(reasonOf(spending(run, 50)), { startImmediately: true })
      yield* spending(slice, 60, 90)
      expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "BudgetExceeded", budget: "run", used: 90 })
    })
  )

  it.effect("leaves with the calls that are open at its end what they have reserved", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const open = yield* Effect.scoped(
        Effect.gen(function* () {
          const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
          const scope = yield* Scope.make()
          const first = yield* Scope.provide(slice.reserve(tokens(20)), scope)
          const second = yield* Scope.provide(slice.reserve(tokens(10)), scope)
          yield* spending(slice, 5)
          return [first, second] as const
        })
      )
      expect(yield* counted(run)).toEqual({ used: 5, reserved: 30 })
      yield* open[0].commit(tokens(45))
      expect(yield* counted(run)).toEqual({ used: 50, reserved: 10 })
      yield* open[1].release
      expect(yield* counted(run)).toEqual({ used: 50, reserved: 0 })
      expect((yield* run.snapshot).spent.inputTokens).toBe(50)
    })
  )

  it.effect("is an ordinary budget inside the other one after its end", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const slice = yield* Effect.scoped(Budget.slice({ name: "slice", from: run, limits: [cap(60)] }))
      yield* spending(run, 70)
      expect(yield* reasonOf(spending(slice, 40))).toMatchObject({ _tag: "BudgetExceeded", budget: "run" })
      yield* spending(slice, 30, 20)
      expect(yield* counted(run)).toEqual({ used: 90, reserved: 0 })
    })
  )

  it.effect("measures again who waits inside it at its end, and interrupts who waits for itself", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const scope = yield* Scope.fork(yield* Effect.scope)
      const slice = yield* Scope.provide(Budget.slice({ name: "slice", from: run, limits: [cap(60)] }), scope)
      const inner = yield* Budget.make({ name: "inner", limits: [], within: [slice] })
      const open = yield* inner.reserve(tokens(60))
      const ofSlice = yield* Effect.forkChild(spending(slice, 10), { startImmediately: true })
      const ofInner = yield* Effect.forkChild(spending(inner, 30), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      expect(Exit.hasInterrupts(yield* Fiber.await(ofSlice))).toBe(true)
      yield* spending(run, 10)
      const others = yield* run.reserve(tokens(30))
      yield* open.release
      yield* Fiber.join(ofInner)
      expect(yield* counted(run)).toEqual({ used: 40, reserved: 30 })
      yield* others.release
      yield* expectAtRest(run, slice, inner)
    })
  )

  it.effect("carves every cap on its way at one instant, also those of budgets further out", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [cap(1_000)] })
      const run = yield* Budget.make({ name: "run", limits: [cap(100, "a"), cap(200, "b")], within: [key] })
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      yield* spending(slice, 25)
      expect(yield* counted(key)).toEqual({ used: 25, reserved: 35 })
      expect((yield* run.snapshot).limits.map(({ reserved, used }) => [used, reserved])).toEqual([
        [60, 35],
        [60, 35]
      ])
    })
  )

  it.effect("leaves alone what only the other one caps: each of its calls passes that", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("requests", 2), cap(100)] })
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      expect(yield* counted(run)).toEqual({ used: 0, reserved: 0 })
      yield* spending(slice, 1)
      yield* spending(run, 1)
      expect(yield* reasonOf(spending(slice, 1))).toMatchObject({ budget: "run", limit: { name: "cap(requests)" } })
    })
  )

  it.effect("sets nothing aside for a meter that nobody caps, nor where the other one has no cap at all", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 100, "1 minute")] })
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      expect(yield* counted(run)).toEqual({ used: 0, reserved: 0 })
      yield* spending(slice, 60)
      expect(yield* reasonOf(spending(slice, 1))).toMatchObject({ budget: "slice", _tag: "BudgetExceeded" })
      expect((yield* run.snapshot).limits[0]?.used).toBe(60)
    })
  )

  it.effect("sets the smallest of several caps on one meter aside, and a meter of one's own like any", () =>
    Effect.gen(function* () {
      const words = Meter.make("words", ({ outputTokens }) => outputTokens * 2)
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap(words, 100)] })
      const limits = [Limit.cap(words, 60, { name: "a" }), Limit.cap(words, 40, { name: "b" })]
      const slice = yield* Budget.slice({ name: "slice", from: run, limits })
      yield* slice.charge(Usage.make({ outputTokens: 5 }))
      expect(yield* counted(run)).toEqual({ used: 10, reserved: 30 })
    })
  )

  it.effect("waits for windows, bounds and pauses of the other one with each of its calls", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({
        name: "run",
        limits: [cap(100), Limit.slidingWindow("tokens", 50, 1_000), Limit.concurrency(1)]
      })
      yield* run.pauseUntil(500)
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      const call = Effect.andThen(spending(slice, 30), Clock.currentTimeMillis)
      const calls = yield* Effect.forkChild(Effect.all([call, call], { concurrency: 2 }))
      yield* TestClock.adjust(2_000)
      expect(yield* Fiber.join(calls)).toEqual([500, 1_500])
    })
  )

  it.effect("is carved by a slice of itself, and both end in any order", () =>
    Effect.gen(function* () {
      for (const innerFirst of [true, false]) {
        const run = yield* makeRun()
        const outerScope = yield* Scope.fork(yield* Effect.scope)
        const innerScope = yield* Scope.fork(yield* Effect.scope)
        const outer = yield* Scope.provide(Budget.slice({ name: "outer", from: run, limits: [cap(60)] }), outerScope)
        const inner = yield* Scope.provide(Budget.slice({ name: "inner", from: outer, limits: [cap(40)] }), innerScope)
        expect(yield* counted(outer)).toEqual({ used: 0, reserved: 40 })
        expect(yield* counted(run)).toEqual({ used: 0, reserved: 60 })
        yield* spending(inner, 30, 50)
        yield* spending(outer, 5)
        expect(yield* counted(outer)).toEqual({ used: 55, reserved: 0 })
        expect(yield* counted(run)).toEqual({ used: 55, reserved: 5 })
        yield* Scope.close(innerFirst ? innerScope : outerScope, Exit.void)
        expect(yield* counted(run)).toEqual({ used: 55, reserved: innerFirst ? 5 : 0 })
        yield* Scope.close(innerFirst ? outerScope : innerScope, Exit.void)
        expect(yield* counted(run)).toEqual({ used: 55, reserved: 0 })
        yield* expectAtRest(run, outer, inner)
      }
    })
  )

  it.effect("holds what an inner slice still holds, when it ends before that", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const scope = yield* Scope.fork(yield* Effect.scope)
      const outer = yield* Scope.provide(Budget.slice({ name: "outer", from: run, limits: [cap(60)] }), scope)
      const inner = yield* Budget.slice({ name: "inner", from: outer, limits: [cap(40)] })
      yield* spending(inner, 10)
      yield* Scope.close(scope, Exit.void)
      expect(yield* counted(run)).toEqual({ used: 10, reserved: 30 })
      yield* spending(run, 60)
      yield* spending(inner, 30)
      expect(yield* counted(run)).toEqual({ used: 100, reserved: 0 })
    })
  )

  it.effect("counts once what is spent inside both it and the other one", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      const inside = yield* Budget.make({ name: "inside", limits: [], within: [slice, run] })
      yield* spending(inside, 20)
      expect(yield* counted(run)).toEqual({ used: 20, reserved: 40 })
      expect((yield* run.snapshot).spent.inputTokens).toBe(20)
    })
  )

  it.effect("gets no more than what was set aside, when its own cap is raised meanwhile", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      yield* slice.updateLimits([cap(90)])
      yield* spending(slice, 50)
      expect(yield* reasonOf(spending(slice, 11))).toMatchObject({ _tag: "BudgetExceeded", budget: "slice", used: 50 })
      expect(yield* counted(run)).toEqual({ used: 50, reserved: 10 })
      yield* slice.updateLimits([cap(55)])
      expect(yield* counted(run)).toEqual({ used: 50, reserved: 10 })
      expect(yield* reasonOf(spending(slice, 6))).toMatchObject({ budget: "slice" })
    })
  )

  it.effect("keeps what was set aside, when the other one's caps change meanwhile", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
          yield* run.updateLimits([cap(10), cap(30, "new")])
          yield* spending(slice, 25)
          expect(yield* counted(run)).toEqual({ used: 25, reserved: 35 })
          expect(yield* reasonOf(spending(slice, 10))).toMatchObject({ budget: "run", limit: { name: "new" } })
        })
      )
      expect(yield* counted(run)).toEqual({ used: 25, reserved: 0 })
    })
  )

  it.effect("counts in the budgets around it as one open call for each of its own, not for itself", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const heard = yield* listenTo(run)
      const slice = yield* Budget.slice({ name: "slice", from: run, limits: [cap(60)] })
      expect((yield* run.snapshot).open).toBe(0)
      yield* slice.withReservation(tokens(10), () =>
        Effect.gen(function* () {
          expect((yield* run.snapshot).open).toBe(1)
        })
      )
      yield* spending(slice, 10, 70)
      yield* Effect.flip(Budget.slice({ name: "too large", from: run, limits: [cap(60)] }))
      expect((yield* heard).map((event) => [event._tag, event.budget])).toEqual([
        ["Admitted", "slice"],
        ["Settled", "slice"],
        ["Admitted", "slice"],
        ["Settled", "slice"],
        ["Overran", "slice"],
        ["Refused", "too large"]
      ])
    })
  )

  it.effect("dies when it has no cap, a weight that makes no sense, or would be counted twice", () =>
    Effect.gen(function* () {
      const run = yield* makeRun()
      const messageOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.as(effect, "nothing").pipe(Effect.catchDefect((defect) => Effect.succeed(String(defect))))
      expect(yield* messageOf(Budget.slice({ name: "slice", from: run, limits: [Limit.concurrency(1)] }))).toBe(
        'RangeError: Budget "slice": a slice needs a cap, which says how much is set aside for it'
      )
      expect(yield* messageOf(Budget.slice({ name: "slice", from: run, limits: [cap(1)], weight: 0 }))).toBe(
        'RangeError: Budget "slice": weight must be a positive number, got 0'
      )
      expect(yield* messageOf(Budget.slice({ name: "slice", from: run, limits: [cap(1)], shadow: true }))).toBe(
        'RangeError: Budget "slice": a slice cannot be a shadow: others rely on its caps'
      )
      const elsewhere = Effect.provide(Budget.slice({ name: "slice", from: run, limits: [cap(1)] }), TestClock.layer())
      expect(yield* messageOf(elsewhere)).toBe(
        'RangeError: Budget "slice": it and the budget it is carved out of must be made under the same Clock'
      )
      const a = yield* Budget.slice({ name: "a", from: run, limits: [cap(10)] })
      const b = yield* Budget.slice({ name: "b", from: run, limits: [cap(10)] })
      expect(yield* messageOf(Budget.make({ name: "both", limits: [], within: [a, b] }))).toBe(
        'RangeError: Budget "both": it cannot be within two slices that are carved out of the same budget'
      )
    })
  )
})

describe("interrupted at any of its operations, a slice", () => {
  const phaseOf = (run: Budget.Budget, waiting: () => boolean) => {
    let wasOpen = false
    return () => {
      const { limits, waiting: inLine } = Effect.runSync(run.snapshot)
      if (limits[0]!.reserved >= 60) {
        if (!waiting()) wasOpen = true
        return !waiting() ? "open" : inLine > 0 ? "in line" : "asking"
      }
      return wasOpen ? "closed" : "asking"
    }
  }

  it.effect("holds nothing afterwards and has spent its calls once or not", () =>
    interruptAtEveryOperation(
      { operationsMin: 12, phases: ["asking", "open", "closed"], charges: [0, 20] },
      Effect.gen(function* () {
        const run = yield* makeRun()
        return {
          call: Effect.scoped(
            Effect.flatMap(Budget.slice({ name: "slice", from: run, limits: [cap(60)] }), (slice) =>
              spending(slice, 30, 20)
            )
          ),
          phase: phaseOf(run, () => false),
          charged: () =>
            Effect.gen(function* () {
              yield* expectAtRest(run)
              const { used } = yield* counted(run)
              expect((yield* run.snapshot).spent.inputTokens).toBe(used)
              return used
            })
        }
      })
    )
  )

  it.effect("that has to wait for what it sets aside holds nothing afterwards", () =>
    interruptAtEveryOperation(
      { operationsMin: 12, phases: ["asking", "in line", "open", "closed"], charges: [0, 20] },
      Effect.gen(function* () {
        const run = yield* makeRun()
        const others = yield* run.reserve(tokens(60))
        let isOver = false
        return {
          call: Effect.scoped(
            Effect.flatMap(Budget.slice({ name: "slice", from: run, limits: [cap(60)], maxWait: 1_000 }), (slice) =>
              spending(slice, 30, 20)
            )
          ),
          meanwhile: Effect.andThen(
            Effect.sync(() => (isOver = true)),
            others.release
          ),
          phase: phaseOf(run, () => !isOver),
          charged: () =>
            Effect.gen(function* () {
              yield* expectAtRest(run)
              return (yield* counted(run)).used
            })
        }
      })
    )
  )
})
