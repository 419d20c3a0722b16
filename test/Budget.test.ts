import { describe, expect, expectTypeOf, it, vi } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import { BudgetError } from "../src/BudgetError.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import * as Meter from "../src/Meter.ts"
import type { Reservation } from "../src/Reservation.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo, othersRun } from "./support/heard.ts"
import { makeWallClock } from "./support/wallClock.ts"

const MINUTE = 60_000

const tokens = (count: number) => Usage.make({ inputTokens: count })

const budgetOf = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "run", limits })

const spentTokens = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ spent }) => spent.inputTokens)

const usedOf = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ limits }) => limits.map(({ used }) => used))

/** Why a request is refused at once. */
const refusalOf = (budget: Budget.Budget, estimate: Usage.Usage) =>
  Effect.map(Effect.flip(Effect.scoped(budget.tryReserve(estimate))), ({ reason }) => reason)

/** Calls that note when they started, by name. */
const makeCalls = () => {
  const startedAt: Record<string, number> = {}
  const start = (name: string, budget: Budget.Budget, estimate: Usage.Usage, options?: Budget.ReserveOptions) =>
    Clock.currentTimeMillis.pipe(
      Effect.map((now) => {
        startedAt[name] = now
      }),
      budget.spend({ estimate, ...options }),
      Effect.forkChild({ startImmediately: true })
    )
  return { start, startedAt }
}

/** Runs an effect and says what it has logged. */
const logged = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    lines.push(`${logLevel}: ${String(message)}`)
  })
  yield* Effect.provide(effect, Logger.layer([logger]))
  return lines
})

describe("a reservation", () => {
  const estimate = tokens(10)

  interface Ending {
    readonly how: string
    readonly body: (reservation: Reservation) => Effect.Effect<unknown, unknown>
    readonly charged: number
    readonly chargedByPolicy?: number
  }

  const endings: ReadonlyArray<Ending> = [
    { how: "success with a commit", body: (r) => r.commit(tokens(7)), charged: 7 },
    { how: "success with a commit above the estimate", body: (r) => r.commit(tokens(90)), charged: 90 },
    { how: "success without a commit", body: () => Effect.void, charged: 10 },
    { how: "success without a commit, with a note", body: (r) => r.record(tokens(3)), charged: 10 },
    { how: "a release", body: (r) => r.release, charged: 0 },
    {
      how: "failure with notes, of which the last one counts",
      body: (r) => Effect.andThen(r.record(tokens(9)), Effect.andThen(r.record(tokens(3)), Effect.fail("cut off"))),
      charged: 3
    },
    {
      how: "interruption with a note",
      body: (r) => Effect.andThen(r.record(tokens(3)), Effect.interrupt),
      charged: 3
    },
    { how: "a defect with a note", body: (r) => Effect.andThen(r.record(tokens(3)), Effect.die("bug")), charged: 3 },
    { how: "failure, nothing recorded", body: () => Effect.fail("refused"), charged: 0, chargedByPolicy: 10 },
    { how: "interruption, nothing recorded", body: () => Effect.interrupt, charged: 0, chargedByPolicy: 10 },
    { how: "a defect, nothing recorded", body: () => Effect.die("bug"), charged: 0, chargedByPolicy: 10 },
    {
      how: "a commit and then failure",
      body: (r) => Effect.andThen(r.commit(tokens(7)), Effect.fail("late")),
      charged: 7
    }
  ]

  const chargedWhen = Effect.fnUntraced(function* (
    make: Parameters<typeof Budget.make>[0],
    use: (budget: Budget.Budget) => Effect.Effect<unknown, unknown>
  ) {
    const budget = yield* Budget.make(make)
    yield* Effect.exit(use(budget))
    yield* expectAtRest(budget)
    const spent = yield* spentTokens(budget)
    expect(yield* usedOf(budget)).toEqual([spent, 0])
    return spent
  })

  const limits = [Limit.cap("tokens", 20), Limit.concurrency(1)]

  for (const { body, charged, chargedByPolicy = charged, how } of endings) {
    it.effect(`that ends by ${how} is charged ${charged} of 10`, () =>
      Effect.gen(function* () {
        const ways: ReadonlyArray<
          (options?: Budget.ReserveOptions) => (budget: Budget.Budget) => Effect.Effect<unknown, unknown>
        > = [
          (options) => (budget) => budget.withReservation(estimate, body, options),
          (options) => (budget) => Effect.scoped(Effect.flatMap(budget.reserve(estimate, options), body)),
          (options) => (budget) => Effect.scoped(Effect.flatMap(budget.tryReserve(estimate, options), body))
        ]
        for (const way of ways) {
          expect(yield* chargedWhen({ name: "run", limits }, way())).toBe(charged)
          expect(yield* chargedWhen({ name: "run", limits }, way({ onFailure: "charge" }))).toBe(chargedByPolicy)
          expect(yield* chargedWhen({ name: "run", limits, onFailure: "charge" }, way())).toBe(chargedByPolicy)
          expect(yield* chargedWhen({ name: "run", limits, onFailure: "charge" }, way({ onFailure: "release" }))).toBe(
            charged
          )
        }
      })
    )
  }

  it.effect("says what is held, and holds it until it is settled", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(...limits)
      const reservation = yield* budget.reserve(estimate)
      expect(reservation.granted).toBe(estimate)
      expect(yield* budget.snapshot).toMatchObject({
        open: 1,
        limits: [
          { used: 10, reserved: 10, available: 10 },
          { used: 1, reserved: 1, available: 0 }
        ]
      })
      yield* reservation.commit(tokens(4))
      expect(yield* budget.snapshot).toMatchObject({
        open: 0,
        limits: [
          { used: 4, reserved: 0, available: 16 },
          { used: 0, reserved: 0, available: 1 }
        ]
      })
    })
  )

  it.effect("is settled with the scope that it is in, and no later", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(...limits)
      const scope = yield* Scope.make()
      yield* Scope.provide(budget.reserve(estimate), scope)
      expect((yield* budget.snapshot).open).toBe(1)
      yield* Scope.close(scope, Exit.void)
      yield* expectAtRest(budget)
      expect(yield* spentTokens(budget)).toBe(10)
    })
  )

  it.effect("in a scope that is closed already is settled at once", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(...limits)
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.fail("over"))
      yield* Scope.provide(budget.reserve(estimate), scope)
      yield* expectAtRest(budget)
      expect(yield* spentTokens(budget)).toBe(0)
    })
  )

  const attempts = ["commit", "release", "record"] as const
  for (const attempted of attempts) {
    it.effect(`that is over is not changed by a ${attempted}, which is logged and reported`, () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf(...limits)
        const heard = yield* listenTo(budget)
        let kept: Reservation | undefined
        yield* budget.withReservation(estimate, (reservation) => {
          kept = reservation
          return reservation.commit(tokens(7))
        })
        yield* heard
        const before = yield* budget.snapshot
        const again = {
          commit: kept!.commit(tokens(5)),
          release: kept!.release,
          record: kept!.record(tokens(5))
        }
        const lines = yield* logged(again[attempted])
        expect(lines).toEqual([`Error: run: ${attempted} of a reservation that is already committed is ignored`])
        expect(yield* budget.snapshot).toEqual(before)
        expect(yield* heard).toMatchObject([{ _tag: "SettledAlready", budget: "run", estimate, attempted }])
      })
    )
  }

  it.effect("is charged once when it is committed after its scope has closed", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(...limits)
      const heard = yield* listenTo(budget)
      const late = yield* Effect.scoped(budget.reserve(estimate))
      const lines = yield* logged(late.commit(tokens(7)))
      expect(lines).toEqual(["Error: run: commit of a reservation that is already committed is ignored"])
      expect(yield* spentTokens(budget)).toBe(10)
      expect((yield* heard).map(({ _tag }) => _tag)).toEqual(["Admitted", "Settled", "SettledAlready"])
    })
  )

  it.effect("is charged the estimate when the reported usage makes no sense, which is logged and reported", () =>
    Effect.gen(function* () {
      for (const nonsense of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 53]) {
        const budget = yield* budgetOf(...limits)
        const heard = yield* listenTo(budget)
        const problem = `inputTokens must be a non-negative safe integer, got ${nonsense}`
        const lines = yield* logged(
          budget.withReservation(estimate, (reservation) => reservation.commit(tokens(nonsense)))
        )
        expect(lines).toEqual([`Warn: run: the reported usage makes no sense, the estimate is charged: ${problem}`])
        expect(yield* heard).toContainEqual(
          expect.objectContaining({ _tag: "InvalidReport", budget: "run", estimate, problem })
        )
        yield* expectAtRest(budget)
        expect(yield* usedOf(budget)).toEqual([10, 0])
      }
    })
  )

  it.effect("that is cut short with notes that make no sense is charged the last one that does, or the estimate", () =>
    Effect.gen(function* () {
      const cut = (notes: ReadonlyArray<number>) =>
        chargedWhen({ name: "run", limits }, (budget) =>
          budget.withReservation(estimate, (reservation) =>
            Effect.andThen(
              Effect.forEach(notes, (note) => reservation.record(tokens(note))),
              Effect.fail("cut off")
            )
          )
        )
      const lines = yield* logged(
        Effect.gen(function* () {
          expect(yield* cut([Number.NaN])).toBe(10)
          expect(yield* cut([3, Number.NaN])).toBe(3)
          expect(yield* cut([Number.NaN, 3])).toBe(3)
        })
      )
      expect(lines).toHaveLength(3)
      expect(lines[0]).toMatch(/the reported usage makes no sense, the last note stands, or else the estimate/)
    })
  )
})

describe("spend", () => {
  const estimate = tokens(10)
  const answer = Effect.succeed({ text: "an answer", used: 7 })

  it.effect("charges what the result says, and returns the result", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 100))
      const result = yield* answer.pipe(budget.spend({ estimate, actual: (value) => tokens(value.used) }))
      expect(result).toEqual({ text: "an answer", used: 7 })
      expect(yield* usedOf(budget)).toEqual([7])
    })
  )

  it.effect("gives the result with its type to actual, and keeps the errors and needs of the call", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf()
      class Refused {
        readonly _tag = "Refused"
      }
      class Model extends Context.Service<Model, string>()("test/LanguageModel") {}
      const call: Effect.Effect<{ readonly used: number }, Refused, Model> = Effect.succeed({ used: 7 })
      const spending = call.pipe(
        budget.spend({
          estimate,
          actual: (value) => {
            expectTypeOf(value).toEqualTypeOf<{ readonly used: number }>()
            return tokens(value.used)
          }
        })
      )
      expectTypeOf(spending).toEqualTypeOf<Effect.Effect<{ readonly used: number }, Refused | BudgetError, Model>>()
      const plain = call.pipe(budget.spend({ estimate }))
      expectTypeOf(plain).toEqualTypeOf<Effect.Effect<{ readonly used: number }, Refused | BudgetError, Model>>()
    })
  )

  it.effect("charges the estimate when nobody says what was used", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 100))
      yield* answer.pipe(budget.spend({ estimate }))
      expect(yield* usedOf(budget)).toEqual([10])
    })
  )

  it.effect("charges the estimate and keeps the result when reading the usage throws", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 100), Limit.concurrency(1))
      const heard = yield* listenTo(budget)
      const lines = yield* logged(
        Effect.gen(function* () {
          const result = yield* answer.pipe(
            budget.spend({
              estimate,
              actual: () => {
                throw new Error("no usage in the answer")
              }
            })
          )
          expect(result.text).toBe("an answer")
        })
      )
      expect(yield* usedOf(budget)).toEqual([10, 0])
      expect((yield* heard).map(({ _tag }) => _tag)).toEqual(["Admitted", "Settled", "InvalidReport"])
      expect(lines).toEqual([
        "Warn: run: the reported usage makes no sense, the estimate is charged: reading it threw Error: no usage in the answer"
      ])
    })
  )

  it.effect("charges the estimate when the provider leaves the usage out", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 100))
      const response: { readonly usage?: { readonly output: number } } = {}
      const lines = yield* logged(
        Effect.succeed(response).pipe(
          budget.spend({
            estimate,
            actual: ({ usage }) => Usage.make({ inputTokens: 5, outputTokens: usage?.output })
          })
        )
      )
      expect(yield* usedOf(budget)).toEqual([10])
      expect(lines).toHaveLength(1)
    })
  )

  it.effect("charges nothing for a failure, or the estimate where that is the policy, and fails the same", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 100))
      const failing = Effect.fail("refused")
      expect(yield* Effect.flip(failing.pipe(budget.spend({ estimate })))).toBe("refused")
      expect(yield* usedOf(budget)).toEqual([0])
      expect(yield* Effect.flip(failing.pipe(budget.spend({ estimate, onFailure: "charge" })))).toBe("refused")
      expect(yield* usedOf(budget)).toEqual([10])
    })
  )

  it.effect("charges a failure by the policy of the budget, unless the call has its own", () =>
    Effect.gen(function* () {
      const limits = [Limit.cap("tokens", 100)]
      const budget = yield* Budget.make({ name: "run", limits, onFailure: "charge" })
      yield* Effect.exit(Effect.fail("refused").pipe(budget.spend({ estimate, onFailure: "release" })))
      expect(yield* usedOf(budget)).toEqual([0])
      yield* Effect.exit(Effect.fail("refused").pipe(budget.spend({ estimate })))
      expect(yield* usedOf(budget)).toEqual([10])
    })
  )

  it.effect("does not run a call that there is no room for", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 5))
      const error = yield* Effect.flip(Effect.die("was run").pipe(budget.spend({ estimate })))
      expect(error).toBeInstanceOf(BudgetError)
      yield* expectAtRest(budget)
    })
  )

  it.effect("can be run again: each run is a reservation of its own", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 100))
      const call = Effect.void.pipe(budget.spend({ estimate }))
      yield* Effect.all([call, call, call], { concurrency: "unbounded" })
      expect(yield* usedOf(budget)).toEqual([30])
    })
  )
})

describe("charge", () => {
  it.effect("records usage that had no reservation, whether or not there is room for it", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10), Limit.slidingWindow("requests", 1, "1 minute"))
      yield* budget.charge(tokens(8))
      yield* budget.charge(tokens(8))
      expect(yield* budget.snapshot).toMatchObject({
        spent: { requests: 2, inputTokens: 16 },
        open: 0,
        limits: [
          { used: 16, reserved: 0, available: 0 },
          { used: 2, reserved: 0, available: 0 }
        ]
      })
    })
  )

  it.effect("fails when the usage makes no sense, and records nothing of it", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10))
      const before = yield* budget.snapshot
      const { reason } = yield* Effect.flip(budget.charge(tokens(-1)))
      expect(reason).toMatchObject({
        _tag: "InvalidUsage",
        budget: "run",
        problem: "inputTokens must be a non-negative safe integer, got -1"
      })
      expect(yield* budget.snapshot).toEqual(before)
    })
  )

  it.effect("of what is left fails whoever waits for a part of it", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10))
      yield* budget.reserve(tokens(5))
      const waiting = yield* Effect.forkChild(budget.spend({ estimate: tokens(6) })(Effect.void))
      yield* Effect.yieldNow
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* budget.charge(tokens(5))
      const { reason } = yield* Effect.flip(Fiber.join(waiting))
      expect(reason).toMatchObject({ _tag: "BudgetExceeded", used: 5, reserved: 5, requested: 6, max: 10 })
      expect((yield* budget.snapshot).waiting).toBe(0)
    })
  )

  it.effect("of what is left fails whoever waits for a part of it behind others, at once", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1), Limit.cap("tokens", 10))
      const holder = yield* budget.reserve(tokens(1))
      const { start, startedAt } = makeCalls()
      yield* start("first", budget, tokens(2))
      const second = yield* start("second", budget, tokens(6))
      yield* start("third", budget, tokens(2))
      yield* budget.charge(tokens(5))
      expect((yield* Effect.flip(Fiber.join(second))).reason).toMatchObject({ _tag: "BudgetExceeded", requested: 6 })
      expect([startedAt, (yield* budget.snapshot).waiting]).toEqual([{}, 2])
      yield* holder.release
      yield* othersRun
      expect(startedAt).toEqual({ first: 0, third: 0 })
    })
  )
})

describe("a snapshot", () => {
  it.effect("shows the limits, the debt, what is open and waiting, and everything that was spent", () =>
    Effect.gen(function* () {
      const cap = Limit.cap("usd", 2)
      const window = Limit.slidingWindow("tokens", 10, "1 minute")
      const budget = yield* budgetOf(cap, window)
      yield* budget.withReservation(Usage.make({ outputTokens: 5, costUsd: 0.5 }), (reservation) =>
        reservation.commit(Usage.make({ outputTokens: 12, reasoningTokens: 3, costUsd: 0.75 }))
      )
      const waiting = yield* Effect.forkChild(budget.spend({ estimate: tokens(1) })(Effect.void))
      yield* Effect.yieldNow
      expect(yield* budget.snapshot).toEqual({
        name: "run",
        limits: [
          { limit: cap, used: 750_000_000, reserved: 0, available: 1_250_000_000 },
          { limit: window, used: 12, reserved: 0, available: 0 }
        ],
        open: 0,
        waiting: 1,
        spent: { ...Usage.make({ outputTokens: 12, reasoningTokens: 3, costUsd: 0.75 }), requests: 1 },
        pausedUntil: undefined,
        asOf: 0
      })
      yield* Fiber.interrupt(waiting)
    })
  )

  it.effect("stays as it was when the budget goes on", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10))
      const before = yield* budget.snapshot
      yield* budget.charge(tokens(5))
      expect(before.spent).toEqual(Usage.zero)
      expect(before.limits[0]?.used).toBe(0)
    })
  )
})

describe("a request that cannot be admitted at once", () => {
  it.effect("is told by which limit and why", () =>
    Effect.gen(function* () {
      const cap = Limit.cap("tokens", 100)
      const window = Limit.slidingWindow("inputTokens", 50, "1 minute")
      const open = Limit.concurrency(2)
      const budget = yield* budgetOf(cap, window, open)
      yield* budget.charge(tokens(30))
      yield* TestClock.setTime(1_000)
      yield* budget.reserve(Usage.make({ outputTokens: 40 }))
      expect(yield* refusalOf(budget, Usage.make({ outputTokens: 31 }))).toMatchObject({
        _tag: "BudgetExceeded",
        budget: "run",
        limit: cap,
        used: 30,
        reserved: 40,
        requested: 31,
        max: 100,
        message:
          "run: cap(tokens) has too little left: 31 tokens requested, 30 tokens used and 40 tokens reserved of 100 tokens"
      })
      expect(yield* refusalOf(budget, tokens(21))).toMatchObject({
        _tag: "WindowExceeded",
        budget: "run",
        limit: window,
        requested: 21,
        retryAfter: Duration.millis(59_000)
      })
      expect(yield* refusalOf(budget, tokens(51))).toMatchObject({
        _tag: "RequestTooLarge",
        limit: window,
        requested: 51,
        max: 50
      })
      expect(yield* refusalOf(budget, tokens(101))).toMatchObject({ _tag: "RequestTooLarge", limit: cap })
      yield* budget.reserve(tokens(1))
      expect(yield* refusalOf(budget, tokens(1))).toMatchObject({
        _tag: "ConcurrencyExceeded",
        limit: open,
        open: 2,
        max: 2
      })
      expect(yield* refusalOf(budget, tokens(0.5))).toMatchObject({ _tag: "InvalidUsage" })
    })
  )

  it.effect("is admitted exactly at the time that it was told, and not a millisecond earlier", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(4))
      yield* TestClock.setTime(7)
      yield* budget.charge(tokens(5))
      yield* TestClock.setTime(11)
      for (const [amount, retryAfter] of [
        [5, MINUTE - 11],
        [6, MINUTE + 7 - 11],
        [10, MINUTE + 7 - 11]
      ] as const) {
        const error = yield* Effect.flip(Effect.scoped(budget.tryReserve(tokens(amount))))
        expect(error.retryAfter).toEqual(Duration.millis(retryAfter))
      }
      yield* TestClock.setTime(MINUTE - 1)
      expect(yield* refusalOf(budget, tokens(5))).toMatchObject({ retryAfter: Duration.millis(1) })
      yield* TestClock.setTime(MINUTE)
      yield* budget.tryReserve(tokens(5))
    })
  )

  it.effect("is refused in the same tick when it may not wait", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1))
      const holder = yield* budget.reserve(tokens(1))
      const { start } = makeCalls()
      const refused = [
        yield* Effect.forkChild(Effect.scoped(budget.tryReserve(tokens(1))), { startImmediately: true }),
        yield* start("zero", budget, tokens(1), { maxWait: 0 }),
        yield* start("negative", budget, tokens(1), { maxWait: -5 })
      ]
      yield* holder.release
      expect(refused.map((fiber) => fiber.pollUnsafe()?._tag)).toEqual(["Failure", "Failure", "Failure"])
    })
  )

  it.effect("costs no stack trace", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 1))
      const error = yield* Effect.flip(Effect.scoped(budget.tryReserve(tokens(2))))
      expect(error.stack).not.toMatch(/\n\s+at /)
      expect(new Error("others still have one").stack).toMatch(/\n\s+at /)
    })
  )
})

describe("a request that waits", () => {
  it.effect("is admitted at the instant at which there is room, those who came first before", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(10))
      const { start, startedAt } = makeCalls()
      for (const name of ["first", "second", "third", "fourth"]) yield* start(name, budget, tokens(5))
      yield* TestClock.setTime(MINUTE - 1)
      expect(startedAt).toEqual({})
      expect((yield* budget.snapshot).waiting).toBe(4)
      yield* TestClock.setTime(3 * MINUTE)
      expect(startedAt).toEqual({ first: MINUTE, second: MINUTE, third: 2 * MINUTE, fourth: 2 * MINUTE })
    })
  )

  it.effect("for a settlement is admitted in the tick of the settlement", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10))
      const reservation = yield* budget.reserve(tokens(10))
      const { start, startedAt } = makeCalls()
      yield* start("call", budget, tokens(4))
      yield* TestClock.setTime(5)
      expect(startedAt).toEqual({})
      yield* reservation.commit(tokens(6))
      yield* Effect.yieldNow
      expect(startedAt).toEqual({ call: 5 })
    })
  )

  it.effect("fails when maxWait is over, with the time that is left", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      const holder = yield* budget.reserve(tokens(10))
      const call = yield* Effect.forkChild(budget.spend({ estimate: tokens(5), maxWait: "10 seconds" })(Effect.void))
      yield* TestClock.setTime(9_999)
      expect(call.pollUnsafe()).toBeUndefined()
      yield* TestClock.setTime(10_000)
      const { reason } = yield* Effect.flip(Fiber.join(call))
      expect(reason).toMatchObject({ _tag: "WindowExceeded", retryAfter: Duration.millis(50_000) })
      yield* holder.release
      yield* expectAtRest(budget)
    })
  )

  it.effect("is admitted at the very instant at which its maxWait is over", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(10))
      const { start, startedAt } = makeCalls()
      yield* start("call", budget, tokens(5), { maxWait: "1 minute" })
      yield* TestClock.setTime(MINUTE)
      expect(startedAt).toEqual({ call: MINUTE })
    })
  )

  it.effect("is admitted before its maxWait is over, and then that is forgotten", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1))
      const holder = yield* budget.reserve(tokens(1))
      const first = yield* Effect.forkScoped(budget.reserve(tokens(1), { maxWait: "1 second" }), {
        startImmediately: true
      })
      const { start, startedAt } = makeCalls()
      yield* start("second", budget, tokens(1))
      yield* start("third", budget, tokens(1))
      yield* holder.release
      const reservation = yield* Fiber.join(first)
      yield* TestClock.setTime(2_000)
      expect(yield* budget.snapshot).toMatchObject({ open: 1, waiting: 2 })
      yield* reservation.release
      yield* othersRun
      expect(startedAt).toEqual({ second: 2_000, third: 2_000 })
      yield* expectAtRest(budget)
    })
  )

  it.effect("fails at once when it is certain that maxWait is not enough", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(10))
      const { reason } = yield* Effect.flip(budget.spend({ estimate: tokens(5), maxWait: MINUTE - 1 })(Effect.void))
      expect(reason).toMatchObject({ _tag: "WindowExceeded", retryAfter: Duration.millis(MINUTE) })
    })
  )

  it.effect("waits for as long as it may while something that is open could still be given back", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      const holder = yield* budget.reserve(tokens(10))
      const { start, startedAt } = makeCalls()
      yield* start("call", budget, tokens(5), { maxWait: "10 seconds" })
      yield* TestClock.setTime(9_000)
      yield* holder.commit(tokens(5))
      yield* Effect.yieldNow
      expect(startedAt).toEqual({ call: 9_000 })
    })
  )

  it.effect("fails at once when it can never be admitted, however long it would wait", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      const { reason } = yield* Effect.flip(budget.spend({ estimate: tokens(11) })(Effect.void))
      expect(reason._tag).toBe("RequestTooLarge")
    })
  )

  it.effect("goes before those of a lower priority, and behind those of the same", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1))
      const holder = yield* budget.reserve(tokens(1))
      const order: Array<string> = []
      const call = (name: string, priority?: number) =>
        Effect.forkChild(
          budget.spend({ estimate: tokens(1), ...(priority === undefined ? {} : { priority }) })(
            Effect.sync(() => order.push(name))
          ),
          { startImmediately: true }
        )
      yield* call("low", -1)
      yield* call("usual")
      yield* call("high", 5)
      yield* call("usual, later", 0)
      yield* call("high, later", 5)
      yield* holder.release
      yield* othersRun
      expect(order).toEqual(["high", "high, later", "usual", "usual, later", "low"])
    })
  )

  it.effect("is overtaken by a small one that does not move its start, and by no other", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(5))
      yield* TestClock.setTime(1_000)
      const { start, startedAt } = makeCalls()
      // At one minute the five have left the window: eight and one of two fit together, eight and three do not.
      yield* start("large", budget, tokens(8))
      yield* start("too much", budget, tokens(3))
      yield* start("small", budget, tokens(2))
      yield* start("one too many", budget, tokens(1))
      expect(startedAt).toEqual({ small: 1_000 })
      yield* TestClock.setTime(MINUTE)
      expect(startedAt).toEqual({ small: 1_000, large: MINUTE })
      yield* TestClock.setTime(3 * MINUTE)
      expect(startedAt["too much"]).toBe(2 * MINUTE)
    })
  )

  it.effect("is overtaken as soon as there is room for a small one behind it that does not move its start", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(4))
      yield* TestClock.setTime(MINUTE / 2)
      yield* budget.charge(tokens(5))
      const { start, startedAt } = makeCalls()
      yield* start("large", budget, tokens(8))
      yield* start("too much", budget, tokens(4))
      yield* start("small", budget, tokens(2))
      yield* TestClock.setTime(MINUTE - 1)
      expect(startedAt).toEqual({})
      yield* TestClock.setTime(1.5 * MINUTE)
      expect(startedAt).toEqual({ small: MINUTE, large: 1.5 * MINUTE })
    })
  )

  it.effect("for a settlement is overtaken a bounded number of times", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 1_000))
      const holder = yield* budget.reserve(tokens(500))
      const { start, startedAt } = makeCalls()
      yield* start("large", budget, tokens(600))
      let overtaking = 0
      while (overtaking < 100) {
        const small = yield* Effect.exit(Effect.scoped(budget.tryReserve(Usage.make({ inputTokens: 1 }))))
        if (Exit.isFailure(small)) break
        overtaking++
      }
      expect(overtaking).toBeGreaterThan(0)
      expect(overtaking).toBeLessThan(100)
      yield* holder.release
      yield* Effect.yieldNow
      expect(startedAt).toEqual({ large: 0 })
    })
  )

  it.effect("at a cap is overtaken by nobody who could make it impossible", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10))
      const holder = yield* budget.reserve(tokens(5))
      const { start, startedAt } = makeCalls()
      yield* start("large", budget, tokens(6))
      yield* start("as large as the rest", budget, tokens(5))
      yield* start("small enough", budget, tokens(4))
      expect(startedAt).toEqual({ "small enough": 0 })
      yield* holder.release
      yield* othersRun
      expect(startedAt).toEqual({ "small enough": 0, large: 0 })
    })
  )

  describe("and asks for its place", () => {
    const placesOf = Effect.fnUntraced(function* (budget: Budget.Budget, amounts: ReadonlyArray<number>) {
      const startedAt: Array<number> = []
      const places: Array<Effect.Effect<Budget.Place>> = []
      for (const [index, amount] of amounts.entries()) {
        yield* Clock.currentTimeMillis.pipe(
          Effect.map((now) => {
            startedAt[index] = now
          }),
          budget.spend({
            estimate: tokens(amount),
            onWait: (place) =>
              Effect.sync(() => {
                places[index] = place
              })
          }),
          Effect.forkChild({ startImmediately: true })
        )
      }
      return { places, startedAt }
    })

    it.effect("is told its position and the start that can be promised, and that is kept", () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
        yield* budget.charge(tokens(10))
        const { places, startedAt } = yield* placesOf(budget, [4, 4, 4, 4, 4])
        expect(yield* Effect.all(places)).toEqual([
          { position: 1, startsAt: MINUTE },
          { position: 2, startsAt: MINUTE },
          { position: 3, startsAt: 2 * MINUTE },
          { position: 4, startsAt: 2 * MINUTE },
          { position: 5, startsAt: 3 * MINUTE }
        ])
        yield* TestClock.setTime(MINUTE + 1_000)
        expect(yield* Effect.all(places)).toMatchObject([
          { position: 0 },
          { position: 0 },
          { position: 1, startsAt: 2 * MINUTE },
          { position: 2, startsAt: 2 * MINUTE },
          { position: 3, startsAt: 3 * MINUTE }
        ])
        yield* TestClock.setTime(4 * MINUTE)
        expect(startedAt).toEqual([MINUTE, MINUTE, 2 * MINUTE, 2 * MINUTE, 3 * MINUTE])
      })
    )

    it.effect("is promised a start that no small one that comes later moves, once it is the next in line", () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
        yield* budget.charge(tokens(10))
        const { places, startedAt } = yield* placesOf(budget, [8, 3, 7])
        yield* TestClock.setTime(1.5 * MINUTE)
        expect(yield* Effect.all(places)).toMatchObject([
          { position: 0 },
          { position: 1, startsAt: 2 * MINUTE },
          { position: 2, startsAt: 2 * MINUTE }
        ])
        const small = yield* placesOf(budget, [2])
        expect(small.startedAt).toEqual([1.5 * MINUTE])
        yield* TestClock.setTime(4 * MINUTE)
        // The one behind the next in line is overtaken: it waits until the small one has left the window.
        expect(startedAt).toEqual([MINUTE, 2 * MINUTE, 2.5 * MINUTE])
      })
    )

    it.effect("moves up when one before it leaves the line", () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
        yield* budget.charge(tokens(10))
        const first = yield* Effect.forkChild(budget.spend({ estimate: tokens(10) })(Effect.void), {
          startImmediately: true
        })
        const { places } = yield* placesOf(budget, [10])
        expect(yield* places[0]!).toEqual({ position: 2, startsAt: 2 * MINUTE })
        yield* Fiber.interrupt(first)
        expect(yield* places[0]!).toEqual({ position: 1, startsAt: MINUTE })
      })
    )

    it.effect("is promised nothing where only a settlement makes room", () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf(Limit.concurrency(1))
        yield* budget.reserve(tokens(1))
        const { places } = yield* placesOf(budget, [1, 1])
        expect(yield* Effect.all(places)).toEqual([
          { position: 1, startsAt: undefined },
          { position: 2, startsAt: undefined }
        ])
      })
    )

    it.effect("is not asked to wait when there is room", () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf(Limit.concurrency(1))
        const { places, startedAt } = yield* placesOf(budget, [1])
        expect([places, startedAt]).toEqual([[], [0]])
      })
    )
  })
})

describe("a budget within others", () => {
  const key = Budget.make({ name: "key", limits: [Limit.cap("tokens", 100)] })

  it.effect("spends what it spends in all of them", () =>
    Effect.gen(function* () {
      const outer = yield* key
      const team = yield* Budget.make({ name: "team", limits: [Limit.cap("tokens", 50)], within: [outer] })
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 20)], within: [team] })
      const reservation = yield* run.reserve(tokens(10))
      for (const budget of [run, team, outer]) {
        expect(yield* budget.snapshot).toMatchObject({ open: 1, limits: [{ used: 10, reserved: 10 }] })
      }
      yield* reservation.commit(tokens(30))
      yield* run.charge(tokens(1))
      for (const budget of [run, team, outer]) expect(yield* usedOf(budget)).toEqual([31])
      // What is spent outside it is not spent in it.
      yield* outer.charge(tokens(1))
      expect([yield* usedOf(run), yield* usedOf(outer)]).toEqual([[31], [32]])
    })
  )

  it.effect("is refused by the one that has no room, and then holds nothing in the others", () =>
    Effect.gen(function* () {
      const outer = yield* key
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)], within: [outer] })
      yield* outer.charge(tokens(95))
      expect(yield* refusalOf(run, tokens(6))).toMatchObject({ _tag: "BudgetExceeded", budget: "key", requested: 6 })
      yield* expectAtRest(run, outer)
      expect(yield* usedOf(run)).toEqual([0])
    })
  )

  it.effect("can be within two that have nothing to do with each other", () =>
    Effect.gen(function* () {
      const user = yield* Budget.make({ name: "user", limits: [Limit.concurrency(1)] })
      const model = yield* Budget.make({ name: "model", limits: [Limit.slidingWindow("tokens", 10, "1 minute")] })
      const run = yield* Budget.make({ name: "run", limits: [], within: [user, model] })
      const holder = yield* user.reserve(tokens(1))
      yield* model.charge(tokens(10))
      const { start, startedAt } = makeCalls()
      yield* start("call", run, tokens(5))
      yield* TestClock.setTime(2 * MINUTE)
      expect(startedAt).toEqual({})
      yield* holder.release
      yield* Effect.yieldNow
      expect(startedAt).toEqual({ call: 2 * MINUTE })
    })
  )

  it.effect("counts once in one that it is within twice", () =>
    Effect.gen(function* () {
      const outer = yield* key
      const left = yield* Budget.make({ name: "left", limits: [], within: [outer] })
      const right = yield* Budget.make({ name: "right", limits: [], within: [outer] })
      const run = yield* Budget.make({ name: "run", limits: [], within: [left, right] })
      const reservation = yield* run.reserve(tokens(10))
      expect(yield* outer.snapshot).toMatchObject({ open: 1, limits: [{ used: 10 }] })
      yield* reservation.commit(tokens(7))
      expect(yield* outer.snapshot).toMatchObject({ open: 0, limits: [{ used: 7 }], spent: { inputTokens: 7 } })
    })
  )

  it.effect("shares a limit with its peers by weight, however many calls they have waiting", () =>
    Effect.gen(function* () {
      const outer = yield* Budget.make({ name: "key", limits: [Limit.concurrency(1)] })
      const heavy = yield* Budget.make({ name: "heavy", limits: [], weight: 3, within: [outer] })
      const light = yield* Budget.make({ name: "light", limits: [], within: [outer] })
      const holder = yield* outer.reserve(tokens(1))
      const order: Array<string> = []
      const call = (budget: Budget.Budget) =>
        Effect.forkChild(budget.spend({ estimate: tokens(1) })(Effect.sync(() => order.push(budget.name))), {
          startImmediately: true
        })
      for (let count = 0; count < 40; count++) yield* call(heavy)
      for (let count = 0; count < 40; count++) yield* call(light)
      yield* holder.release
      yield* Effect.repeat(Effect.yieldNow, { times: 100 })
      expect(order).toHaveLength(80)
      expect(order.slice(0, 40).filter((name) => name === "light")).toHaveLength(10)
    })
  )

  it.effect("must have a positive weight", () =>
    Effect.gen(function* () {
      for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
        const exit = yield* Effect.exit(Budget.make({ name: "run", limits: [], weight }))
        expect(String(exit)).toContain(`RangeError: Budget "run": weight must be a positive number, got ${weight}`)
      }
    })
  )

  it.effect("must have limits of different names", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(budgetOf(Limit.cap("tokens", 1), Limit.cap("tokens", 2)))
      expect(String(exit)).toContain('two limits are named "cap(tokens)"')
      yield* budgetOf(Limit.cap("tokens", 1), Limit.cap("tokens", 2, { name: "soft cap" }))
    })
  )

  it.effect("must live under the same clock", () =>
    Effect.gen(function* () {
      const outer = yield* key
      const { clock } = yield* makeWallClock
      const exit = yield* Budget.make({ name: "run", limits: [], within: [outer] }).pipe(
        Effect.provideService(Clock.Clock, clock),
        Effect.exit
      )
      expect(Exit.hasDies(exit)).toBe(true)
      expect(String(exit)).toContain(
        'RangeError: Budget "run": it and the budgets it is within must be made under the same Clock'
      )
    })
  )
})

describe("pauseUntil", () => {
  it.effect("admits nothing before the instant, and lets what is open go on", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 100))
      const reservation = yield* budget.reserve(tokens(10))
      yield* budget.pauseUntil(30_000)
      expect((yield* budget.snapshot).pausedUntil).toBe(30_000)
      expect(yield* refusalOf(budget, tokens(1))).toMatchObject({
        _tag: "Paused",
        retryAfter: Duration.millis(30_000),
        message: "run is paused: retry in 30s"
      })
      yield* reservation.commit(tokens(7))
      expect(yield* usedOf(budget)).toEqual([7])
      const { start, startedAt } = makeCalls()
      yield* start("first", budget, tokens(1))
      yield* start("second", budget, tokens(1))
      yield* TestClock.setTime(29_999)
      expect(startedAt).toEqual({})
      yield* TestClock.setTime(30_000)
      expect(startedAt).toEqual({ first: 30_000, second: 30_000 })
      expect((yield* budget.snapshot).pausedUntil).toBeUndefined()
    })
  )

  it.effect("keeps the longest of several pauses", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf()
      const { start, startedAt } = makeCalls()
      yield* budget.pauseUntil(20_000)
      yield* budget.pauseUntil(10_000)
      yield* start("call", budget, tokens(1))
      yield* budget.pauseUntil(30_000)
      yield* budget.pauseUntil(25_000)
      expect((yield* budget.snapshot).pausedUntil).toBe(30_000)
      yield* TestClock.setTime(29_999)
      expect(startedAt).toEqual({})
      yield* TestClock.setTime(30_000)
      expect(startedAt).toEqual({ call: 30_000 })
    })
  )

  it.effect("with an instant that is over ends the pause, and whoever waits goes on", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf()
      const { start, startedAt } = makeCalls()
      yield* budget.pauseUntil(30_000)
      yield* start("call", budget, tokens(1))
      yield* TestClock.setTime(5_000)
      yield* budget.pauseUntil(0)
      yield* Effect.yieldNow
      expect(startedAt).toEqual({ call: 5_000 })
    })
  )

  it.effect("of a budget pauses those inside it, also when they wait already, and not its own outer ones", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 10, "1 second")] })
      const team = yield* Budget.make({ name: "team", limits: [], within: [key] })
      const run = yield* Budget.make({ name: "run", limits: [], within: [team] })
      yield* key.charge(tokens(10))
      const { start, startedAt } = makeCalls()
      yield* start("paused", run, tokens(4))
      yield* start("not paused", key, tokens(4))
      yield* team.pauseUntil(30_000)
      yield* TestClock.setTime(60_000)
      expect(startedAt).toEqual({ "not paused": 1_000, paused: 30_000 })
    })
  )

  it.effect("fails at once whoever cannot wait as long", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf()
      yield* budget.pauseUntil(30_000)
      const { reason } = yield* Effect.flip(budget.spend({ estimate: tokens(1), maxWait: "10 seconds" })(Effect.void))
      expect(reason).toMatchObject({ _tag: "Paused" })
    })
  )

  describe("with a gradual resumption", () => {
    it.effect("lets those who have waited go one after the other, faster and faster, in fair order", () =>
      Effect.gen(function* () {
        const key = yield* budgetOf()
        const [a, b] = [
          yield* Budget.make({ name: "a", limits: [], within: [key] }),
          yield* Budget.make({ name: "b", limits: [], within: [key] })
        ]
        const { start, startedAt } = makeCalls()
        yield* key.pauseUntil(30_000, { resume: "gradual" })
        for (const name of ["a1", "a2", "a3"]) yield* start(name, a, tokens(1))
        yield* start("b1", b, tokens(1))
        yield* TestClock.setTime(30_000)
        expect((yield* key.snapshot).pausedUntil).toBeUndefined()
        yield* TestClock.setTime(40_000)
        expect(startedAt).toEqual({ a1: 30_000, b1: 31_000, a2: 31_500, a3: 32_000 })
      })
    )

    it.effect("tells who may not wait exactly when to come again, and who waits when it starts", () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf()
        yield* budget.pauseUntil(0, { resume: "gradual" })
        yield* Effect.scoped(budget.tryReserve(tokens(1)))
        yield* TestClock.setTime(400)
        expect(yield* refusalOf(budget, tokens(1))).toMatchObject({ _tag: "Paused", retryAfter: Duration.millis(600) })
        const promised: Array<number | undefined> = []
        const { start, startedAt } = makeCalls()
        for (const name of ["first", "second"]) {
          yield* start(name, budget, tokens(1), {
            onWait: Effect.map(({ startsAt }) => {
              promised.push(startsAt)
            })
          })
        }
        expect(promised).toEqual([1_000, 1_500])
        yield* TestClock.setTime(999)
        expect(startedAt).toEqual({})
        yield* TestClock.setTime(1_500)
        expect(startedAt).toEqual({ first: 1_000, second: 1_500 })
      })
    )

    it.effect("counts those inside the budget, and nobody who is refused by another limit", () =>
      Effect.gen(function* () {
        const key = yield* budgetOf()
        const run = yield* Budget.make({ name: "inner", limits: [Limit.cap("tokens", 5)], within: [key] })
        yield* key.pauseUntil(0, { resume: "gradual" })
        expect(yield* refusalOf(run, tokens(6))).toMatchObject({ _tag: "RequestTooLarge" })
        yield* Effect.scoped(run.tryReserve(tokens(5)))
        expect(yield* refusalOf(key, tokens(1))).toMatchObject({ _tag: "Paused" })
      })
    )

    it.effect("gives way to a later pause that resumes at once", () =>
      Effect.gen(function* () {
        const budget = yield* budgetOf()
        const { start, startedAt } = makeCalls()
        yield* budget.pauseUntil(1_000, { resume: "gradual" })
        yield* start("first", budget, tokens(1))
        yield* start("second", budget, tokens(1))
        yield* start("third", budget, tokens(1))
        yield* TestClock.setTime(1_500)
        yield* budget.pauseUntil(1_700, { resume: "atOnce" })
        yield* TestClock.setTime(3_000)
        expect(startedAt).toEqual({ first: 1_000, second: 1_700, third: 1_700 })
      })
    )
  })
})

describe("updateLimits", () => {
  it.effect("keeps what was counted, and lets those in for whom there is room now", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10), Limit.concurrency(1))
      yield* budget.charge(tokens(2))
      yield* budget.reserve(tokens(3))
      const { start, startedAt } = makeCalls()
      yield* start("first", budget, tokens(5))
      yield* start("second", budget, tokens(5))
      yield* TestClock.setTime(5)
      yield* budget.updateLimits([Limit.cap("tokens", 10), Limit.concurrency(2)])
      yield* othersRun
      expect(startedAt).toEqual({ first: 5 })
      expect(yield* usedOf(budget)).toEqual([10, 1])
      yield* budget.updateLimits([Limit.cap("tokens", 20), Limit.concurrency(2)])
      yield* othersRun
      expect(yield* usedOf(budget)).toEqual([10, 1])
    })
  )

  it.effect("fails those who have become too large, and leaves the others in line", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(10))
      const { start, startedAt } = makeCalls()
      const large = yield* start("large", budget, tokens(8))
      yield* start("small", budget, tokens(5))
      yield* budget.updateLimits([Limit.slidingWindow("tokens", 5, "1 minute")])
      const error = yield* Effect.flip(Fiber.join(large))
      expect(error.reason).toMatchObject({ _tag: "RequestTooLarge", requested: 8, max: 5 })
      expect(yield* budget.snapshot).toMatchObject({ waiting: 1, limits: [{ used: 10, available: 0 }] })
      yield* TestClock.setTime(MINUTE)
      expect(startedAt).toEqual({ small: MINUTE })
    })
  )

  it.effect("starts a new limit empty, and does not count there what is already open", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf()
      const open = yield* budget.reserve(tokens(10))
      yield* budget.updateLimits([Limit.cap("tokens", 10), Limit.concurrency(1)])
      const next = yield* budget.tryReserve(tokens(10))
      expect(yield* usedOf(budget)).toEqual([10, 1])
      yield* open.commit(tokens(10))
      expect(yield* usedOf(budget)).toEqual([10, 1])
      yield* next.commit(tokens(4))
      expect(yield* usedOf(budget)).toEqual([4, 0])
    })
  )

  it.effect("lets everybody in who waited for a limit that is gone, and settles what is open under it", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1), Limit.cap("tokens", 100))
      const open = yield* budget.reserve(tokens(10))
      const { start, startedAt } = makeCalls()
      yield* start("first", budget, tokens(1))
      yield* start("second", budget, tokens(1))
      yield* budget.updateLimits([Limit.cap("tokens", 100)])
      yield* othersRun
      expect(startedAt).toEqual({ first: 0, second: 0 })
      yield* open.commit(tokens(7))
      expect(yield* usedOf(budget)).toEqual([9])
      yield* expectAtRest(budget)
    })
  )

  it.effect("measures whoever waits inside the budget, too", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.concurrency(1)] })
      const run = yield* Budget.make({ name: "run", limits: [], within: [key] })
      const holder = yield* key.reserve(tokens(1))
      const { start, startedAt } = makeCalls()
      const large = yield* start("large", run, tokens(8))
      yield* start("small", run, tokens(5))
      yield* key.updateLimits([Limit.concurrency(1), Limit.cap("tokens", 5)])
      expect((yield* Effect.flip(Fiber.join(large))).reason._tag).toBe("RequestTooLarge")
      yield* holder.release
      yield* Effect.yieldNow
      expect(startedAt).toEqual({ small: 0 })
      expect(yield* usedOf(key)).toEqual([0, 5])
    })
  )

  it.effect("with limits that make no sense dies and changes nothing", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.cap("tokens", 10))
      yield* budget.charge(tokens(4))
      const before = yield* budget.snapshot
      const exit = yield* Effect.exit(budget.updateLimits([Limit.concurrency(1), Limit.concurrency(2)]))
      expect(Exit.hasDies(exit)).toBe(true)
      expect(yield* budget.snapshot).toEqual(before)
    })
  )

  const nonsense = {
    "measures nonsense": () => Number.NaN,
    throws: () => {
      throw new Error("cannot measure")
    }
  }
  for (const [what, measure] of Object.entries(nonsense)) {
    it.effect(`with a meter that ${what} fails whoever waits, and strands nobody`, () =>
      Effect.gen(function* () {
        const window = Limit.slidingWindow("tokens", 10, "1 minute")
        const budget = yield* budgetOf(window)
        yield* budget.charge(tokens(10))
        const { start } = makeCalls()
        const waiting = yield* start("call", budget, tokens(5))
        yield* Effect.exit(budget.updateLimits([window, Limit.cap(Meter.make("odd", measure), 5)]))
        yield* TestClock.setTime(MINUTE)
        yield* othersRun
        expect(waiting.pollUnsafe()).toBeDefined()
        expect((yield* budget.snapshot).waiting).toBe(0)
      })
    )
  }
})

describe("events", () => {
  const estimate = tokens(10)

  it.effect("tell of everything that happens, in order", () =>
    Effect.gen(function* () {
      const cap = Limit.cap("tokens", 100)
      const one = Limit.concurrency(1)
      const budget = yield* budgetOf(cap, one)
      const heard = yield* listenTo(budget)
      const atOnce = { waitedMillis: 0, waitedFor: undefined }

      yield* budget.withReservation(estimate, (reservation) => reservation.commit(tokens(7)))
      expect(yield* heard).toEqual([
        { _tag: "Admitted", at: 0, call: 1, budget: "run", estimate, ...atOnce },
        { _tag: "Settled", at: 0, call: 1, budget: "run", estimate, actual: tokens(7) }
      ])

      const holder = yield* budget.reserve(estimate)
      const { start } = makeCalls()
      yield* start("call", budget, tokens(1))
      yield* TestClock.setTime(250)
      yield* holder.release
      expect(yield* heard).toEqual([
        { _tag: "Admitted", at: 0, call: 2, budget: "run", estimate, ...atOnce },
        { _tag: "Settled", at: 250, call: 2, budget: "run", estimate, actual: Usage.zero },
        {
          _tag: "Admitted",
          at: 250,
          call: 3,
          budget: "run",
          estimate: tokens(1),
          waitedMillis: 250,
          waitedFor: { budget: "run", limit: one }
        },
        { _tag: "Settled", at: 250, call: 3, budget: "run", estimate: tokens(1), actual: tokens(1) }
      ])

      const reason = yield* refusalOf(budget, tokens(101))
      expect(yield* heard).toEqual([
        { _tag: "Refused", at: 250, call: 4, budget: "run", estimate: tokens(101), reason }
      ])

      yield* budget.charge(tokens(2))
      expect(yield* heard).toEqual([{ _tag: "Charged", at: 250, budget: "run", usage: tokens(2) }])

      yield* budget.withReservation(estimate, (reservation) => reservation.commit(tokens(12)))
      expect((yield* heard).slice(1)).toEqual([
        { _tag: "Settled", at: 250, call: 5, budget: "run", estimate, actual: tokens(12) },
        { _tag: "Overran", at: 250, call: 5, budget: "run", by: "run", limit: cap, overrun: 2 }
      ])
    })
  )

  it.effect("tell of a refusal after waiting in vain, and of nothing when the waiting is interrupted", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1))
      yield* budget.reserve(tokens(1))
      const heard = yield* listenTo(budget)
      const { start } = makeCalls()
      const inVain = yield* start("in vain", budget, estimate, { maxWait: "1 second" })
      const unwanted = yield* start("unwanted", budget, estimate)
      yield* Fiber.interrupt(unwanted)
      yield* TestClock.setTime(1_000)
      const { reason } = yield* Effect.flip(Fiber.join(inVain))
      expect(yield* heard).toMatchObject([{ _tag: "Refused", at: 1_000, budget: "run", estimate, reason }])
    })
  )

  it.effect("tell nothing of a refusal by another budget, when a call fails with it", () =>
    Effect.gen(function* () {
      const other = yield* Budget.make({ name: "other", limits: [Limit.cap("tokens", 1)] })
      const budget = yield* budgetOf(Limit.cap("tokens", 100))
      const heard = yield* listenTo(budget)
      const refusedElsewhere = Effect.scoped(other.tryReserve(estimate))
      yield* Effect.exit(budget.withReservation(estimate, () => refusedElsewhere))
      expect((yield* heard).map(({ _tag }) => _tag)).toEqual(["Admitted", "Settled"])
      yield* Effect.exit(
        budget.withReservation(estimate, (reservation) =>
          Effect.andThen(reservation.commit(tokens(7)), refusedElsewhere)
        )
      )
      expect((yield* heard).map(({ _tag }) => _tag)).toEqual(["Admitted", "Settled"])
    })
  )

  it.effect("of a budget include those inside it, by their name, and not those around it", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [] })
      const run = yield* Budget.make({ name: "run", limits: [], within: [key] })
      const heardByKey = yield* listenTo(key)
      const heardByRun = yield* listenTo(run)
      yield* run.charge(tokens(1))
      yield* key.charge(tokens(2))
      expect(yield* heardByKey).toMatchObject([{ budget: "run" }, { budget: "key" }])
      expect(yield* heardByRun).toMatchObject([{ budget: "run" }])
    })
  )

  it.effect("reach a slow subscriber late, up to a bound, and slow nobody down", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf()
      const gate = yield* Deferred.make<void>()
      const seen: Array<number> = []
      yield* Effect.forkChild(
        Stream.runForEach(budget.events, (event) => {
          if (event._tag === "Charged") seen.push(event.usage.inputTokens)
          return Deferred.await(gate)
        }),
        { startImmediately: true }
      )
      yield* othersRun
      yield* budget.charge(tokens(0))
      yield* othersRun
      expect(seen).toEqual([0])
      const heardByOther = yield* listenTo(budget)
      for (let count = 1; count <= 10_000; count++) {
        yield* budget.charge(tokens(count))
        if (count % 1_000 === 0) expect(yield* heardByOther).toHaveLength(1_000)
      }
      yield* Deferred.succeed(gate, undefined)
      yield* othersRun
      expect(seen).toHaveLength(1 + 4_096)
      expect(seen.slice(1)).toEqual(Array.from({ length: 4_096 }, (_, index) => 10_000 - 4_095 + index))
    })
  )

  it.effect("cost nothing while nobody listens, also after somebody has", () =>
    Effect.gen(function* () {
      let measured = 0
      const meter = Meter.make("measured", (usage) => {
        measured++
        return usage.inputTokens
      })
      const budget = yield* budgetOf(Limit.cap(meter, 1_000))
      const measuringsOfACall = Effect.gen(function* () {
        measured = 0
        yield* Effect.void.pipe(budget.spend({ estimate }))
        return measured
      })
      const unheard = yield* measuringsOfACall
      const heard = yield* Effect.scoped(Effect.andThen(listenTo(budget), measuringsOfACall))
      expect(heard).toBeGreaterThan(unheard)
      expect(yield* measuringsOfACall).toBe(unheard)
    })
  )
})

describe("Budget.Service", () => {
  class ProviderKey extends Budget.Service<ProviderKey>()("test/ProviderKey", {
    limits: [Limit.cap("tokens", 100)]
  }) {}
  class Model extends Budget.Service<Model>()("test/Model", { limits: [Limit.concurrency(5)] }) {}
  class AgentRun extends Budget.Service<AgentRun>()("test/AgentRun", {
    limits: [Limit.cap("tokens", 20)],
    within: [ProviderKey]
  }) {}
  class Task extends Budget.Service<Task>()("test/Task", { limits: [], within: [AgentRun, Model] }) {}

  it.effect("has the operations of its budget", () =>
    Effect.gen(function* () {
      yield* Effect.succeed(7).pipe(ProviderKey.spend({ estimate: tokens(10), actual: (used) => tokens(used) }))
      yield* Effect.void.pipe(ProviderKey.spend({ estimate: tokens(1) }))
      yield* ProviderKey.withReservation(tokens(10), (reservation) => reservation.commit(tokens(2)))
      yield* Effect.scoped(
        Effect.flatMap(ProviderKey.reserve(tokens(10)), (reservation) => reservation.commit(tokens(3)))
      )
      yield* Effect.scoped(ProviderKey.tryReserve(tokens(4)))
      yield* ProviderKey.charge(tokens(5))
      expect(yield* ProviderKey.snapshot).toMatchObject({ name: "test/ProviderKey", limits: [{ used: 22 }] })
      yield* ProviderKey.pauseUntil(1_000)
      expect((yield* ProviderKey.snapshot).pausedUntil).toBe(1_000)
      yield* ProviderKey.pauseUntil(0, { resume: "gradual" })
      yield* Effect.scoped(ProviderKey.tryReserve(Usage.zero))
      expect((yield* Effect.flip(Effect.scoped(ProviderKey.tryReserve(Usage.zero)))).reason._tag).toBe("Paused")
      yield* ProviderKey.pauseUntil(0)
      const listening = yield* Effect.forkChild(ProviderKey.events.pipe(Stream.take(1), Stream.runCollect), {
        startImmediately: true
      })
      yield* othersRun
      yield* ProviderKey.charge(tokens(1))
      expect(yield* Fiber.join(listening)).toMatchObject([{ _tag: "Charged" }])
      yield* ProviderKey.updateLimits([Limit.slidingWindow("tokens", 100, "1 minute")])
      yield* ProviderKey.tighten({ meter: "tokens", limit: 100, remaining: 7 })
      expect(yield* ProviderKey.snapshot).toMatchObject({ limits: [{ used: 93, available: 7 }] })
      yield* ProviderKey.updateLimits([])
      expect((yield* ProviderKey.snapshot).limits).toEqual([])
    }).pipe(Effect.provide(ProviderKey.layer))
  )

  it("needs the budgets that it is within, and the compiler knows", () => {
    expectTypeOf(ProviderKey.layer).toEqualTypeOf<Layer.Layer<ProviderKey>>()
    expectTypeOf(AgentRun.layer).toEqualTypeOf<Layer.Layer<AgentRun, never, ProviderKey>>()
    expectTypeOf(AgentRun.fresh).toEqualTypeOf<Layer.Layer<AgentRun, never, ProviderKey>>()
    expectTypeOf(Task.layer).toEqualTypeOf<Layer.Layer<Task, never, AgentRun | Model>>()
    expectTypeOf(AgentRun.layerConfig).returns.toEqualTypeOf<Layer.Layer<AgentRun, Config.ConfigError, ProviderKey>>()
    expectTypeOf(Effect.void.pipe(AgentRun.spend({ estimate: tokens(1) }))).toEqualTypeOf<
      Effect.Effect<void, BudgetError, AgentRun>
    >()
    expectTypeOf(AgentRun.reserve(tokens(1))).toEqualTypeOf<
      Effect.Effect<Reservation, BudgetError, AgentRun | Scope.Scope>
    >()
  })

  it.effect("is within the budgets that its layer is given", () =>
    Effect.gen(function* () {
      yield* Effect.void.pipe(Task.spend({ estimate: tokens(5) }))
      expect((yield* ProviderKey.snapshot).spent.inputTokens).toBe(5)
      expect((yield* Model.snapshot).spent.inputTokens).toBe(5)
    }).pipe(
      Effect.provide(
        Layer.provideMerge(Task.layer, Layer.provideMerge(AgentRun.layer, Layer.merge(ProviderKey.layer, Model.layer)))
      )
    )
  )

  it.effect("is one budget wherever its layer is provided in a program, and a new one wherever fresh is", () =>
    Effect.gen(function* () {
      const spendFive = Effect.andThen(AgentRun.charge(tokens(5)), spentInRun)
      const shared = Effect.provide(spendFive, AgentRun.layer)
      expect([yield* shared, yield* shared]).toEqual([5, 10])
      const own = Effect.provide(spendFive, AgentRun.fresh)
      expect([yield* own, yield* own]).toEqual([5, 5])
      expect((yield* ProviderKey.snapshot).spent.inputTokens).toBe(20)
    }).pipe(Effect.provide(Layer.merge(ProviderKey.layer, Layer.provide(AgentRun.layer, ProviderKey.layer))))
  )
  const spentInRun = Effect.map(AgentRun.snapshot, ({ spent }) => spent.inputTokens)

  it.effect("is another budget than one of another tag with the same limits", () =>
    Effect.gen(function* () {
      const limits = [Limit.cap("tokens", 10)]
      class One extends Budget.Service<One>()("test/One", { limits }) {}
      class Other extends Budget.Service<Other>()("test/Other", { limits }) {}
      yield* Effect.gen(function* () {
        yield* One.charge(tokens(10))
        expect((yield* One.snapshot).limits[0]?.used).toBe(10)
        expect((yield* Other.snapshot).limits[0]?.used).toBe(0)
      }).pipe(Effect.provide([One.layer, Other.layer]))
    })
  )

  describe("with a layer from a config", () => {
    const fromConfig = ProviderKey.layerConfig(
      Config.map(
        Config.all({ tokens: Config.Number("MAX_TOKENS"), window: Config.Duration("WINDOW") }),
        ({ tokens, window }) => ({ limits: [Limit.slidingWindow("tokens", tokens, window)] })
      )
    )
    const withConfig = (values: Record<string, string>) =>
      Layer.provide(fromConfig, ConfigProvider.layer(ConfigProvider.fromUnknown(values)))

    it.effect("has the limits that the config says", () =>
      Effect.gen(function* () {
        const { limits } = yield* Effect.provide(
          ProviderKey.snapshot,
          withConfig({ MAX_TOKENS: "42", WINDOW: "10 seconds" })
        )
        expect(limits.map(({ limit }) => limit)).toEqual([Limit.slidingWindow("tokens", 42, "10 seconds")])
      })
    )

    it.effect("fails with a ConfigError that names what is missing or makes no sense", () =>
      Effect.gen(function* () {
        const errorOf = (values: Record<string, string>) =>
          Effect.flip(Effect.provide(ProviderKey.snapshot, withConfig(values)))
        expectTypeOf(errorOf).returns.toExtend<Effect.Effect<Config.ConfigError, unknown>>()
        const missing = yield* errorOf({ WINDOW: "10 seconds" })
        expect([missing._tag, String(missing)]).toEqual(["ConfigError", expect.stringContaining("MAX_TOKENS")])
        const negative = yield* errorOf({ MAX_TOKENS: "-5", WINDOW: "10 seconds" })
        expect(negative._tag).toBe("ConfigError")
        expect(String(negative)).toContain(
          "Limit.slidingWindow: max of tokens must be non-negative and a safe integer, got -5"
        )
        const empty = yield* errorOf({ MAX_TOKENS: "5", WINDOW: "0 seconds" })
        expect(String(empty)).toContain("Limit.slidingWindow: window must be a positive whole number of milliseconds")
      })
    )

    it.effect("does not hide a defect of the program as a mistake in the config", () =>
      Effect.gen(function* () {
        const bug = ProviderKey.layerConfig(
          Config.map(Config.succeed(1), (): Budget.Options => {
            throw new TypeError("bug")
          })
        )
        const exit = yield* Effect.exit(Effect.provide(ProviderKey.snapshot, bug))
        expect(Exit.hasDies(exit)).toBe(true)
      })
    )
  })
})

describe("the clock", () => {
  it.effect("may be months ahead of whoever waits", () =>
    Effect.gen(function* () {
      const days = 24 * 60 * MINUTE
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "30 days"))
      yield* budget.charge(tokens(10))
      const { start, startedAt } = makeCalls()
      yield* start("call", budget, tokens(1))
      const inVain = yield* start("in vain", budget, tokens(10), { maxWait: "29 days" })
      yield* TestClock.setTime(29 * days - 1)
      expect(inVain.pollUnsafe()).toBeUndefined()
      yield* TestClock.setTime(29 * days)
      expect((yield* Effect.flip(Fiber.join(inVain))).retryAfter).toEqual(Duration.days(1))
      yield* TestClock.setTime(30 * days - 1)
      expect(startedAt).toEqual({})
      yield* TestClock.setTime(30 * days)
      expect(startedAt).toEqual({ call: 30 * days })
    })
  )

  it.live("that is real is not asked for a timer longer than it has, which would fire at once", () =>
    Effect.gen(function* () {
      const setTimeout = vi.spyOn(globalThis, "setTimeout")
      yield* Effect.addFinalizer(() => Effect.sync(() => setTimeout.mockRestore()))
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "60 days"))
      yield* budget.charge(tokens(10))
      const waiting = yield* Effect.forkChild(budget.spend({ estimate: tokens(1) })(Effect.void))
      for (let turn = 0; turn < 5; turn++) {
        yield* Effect.callback<void>((resume) => {
          setImmediate(() => resume(Effect.void))
        })
      }
      const delays = setTimeout.mock.calls.map(([, millis]) => millis)
      expect(delays).toEqual([2 ** 31 - 1])
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* Fiber.interrupt(waiting)
      yield* expectAtRest(budget)
    })
  )

  const HOUR = 60 * MINUTE
  const underWallClock = Effect.gen(function* () {
    const { clock, setBy } = yield* makeWallClock
    yield* setBy(24 * HOUR)
    const budget = yield* Effect.provideService(
      budgetOf(Limit.slidingWindow("tokens", 10, "1 minute")),
      Clock.Clock,
      clock
    )
    yield* budget.charge(tokens(10))
    return { budget, setBy }
  })

  it.effect("may be set back: the window stays full for as long as it would have been", () =>
    Effect.gen(function* () {
      const { budget, setBy } = yield* underWallClock
      yield* setBy(-HOUR)
      expect(yield* refusalOf(budget, tokens(5))).toMatchObject({ retryAfter: Duration.millis(MINUTE) })
      const { start, startedAt } = makeCalls()
      yield* start("call", budget, tokens(5))
      yield* TestClock.setTime(MINUTE - 1)
      expect(startedAt).toEqual({})
      yield* TestClock.setTime(MINUTE)
      expect(startedAt).toEqual({ call: MINUTE })
    })
  )

  it.effect("may be set back while somebody waits, who starts neither early nor much later", () =>
    Effect.gen(function* () {
      for (const isAskedThen of [true, false]) {
        const { budget, setBy } = yield* underWallClock
        const { start, startedAt } = makeCalls()
        const begin = yield* Clock.currentTimeMillis
        yield* start("call", budget, tokens(5))
        yield* TestClock.adjust(MINUTE / 2)
        yield* setBy(-HOUR)
        if (isAskedThen) yield* budget.snapshot
        yield* TestClock.adjust(MINUTE / 2 - 1)
        expect(startedAt).toEqual({})
        // What has passed since the clock was last looked at is not known.
        yield* TestClock.adjust(MINUTE + 1)
        expect(startedAt["call"]! - begin).toBeGreaterThanOrEqual(MINUTE)
        expect(startedAt["call"]! - begin).toBeLessThanOrEqual(2 * MINUTE)
      }
    })
  )

  it.effect("may be set back with all that sleep by it, and nobody waits for the time that was taken back", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(24 * HOUR)
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(10))
      const { start, startedAt } = makeCalls()
      yield* start("call", budget, tokens(5))
      yield* TestClock.setTime(0)
      yield* budget.snapshot
      yield* TestClock.setTime(MINUTE - 1)
      expect(startedAt).toEqual({})
      yield* TestClock.setTime(MINUTE)
      expect(startedAt).toEqual({ call: MINUTE })
    })
  )

  it.effect("that was set back is the one of the start that is promised, and of a pause", () =>
    Effect.gen(function* () {
      const { budget, setBy } = yield* underWallClock
      yield* setBy(-24 * HOUR)
      let place: Budget.Place | undefined
      yield* budget
        .spend({
          estimate: tokens(5),
          onWait: (asked) =>
            Effect.map(asked, (told) => {
              place = told
            })
        })(Effect.void)
        .pipe(Effect.forkChild({ startImmediately: true }))
      expect(place).toEqual({ position: 1, startsAt: MINUTE })
      yield* budget.pauseUntil(2 * MINUTE)
      expect((yield* budget.snapshot).pausedUntil).toBe(2 * MINUTE)
    })
  )
})

describe("many at once", () => {
  it.effect("ten thousand who wait are served one by one when each settles at once", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.concurrency(1))
      const holder = yield* budget.reserve(tokens(1))
      const order: Array<number> = []
      const calls = yield* Effect.forEach(
        Array.from({ length: 10_000 }, (_, index) => index),
        (index) =>
          Effect.forkChild(budget.spend({ estimate: tokens(1) })(Effect.sync(() => order.push(index))), {
            startImmediately: true
          })
      )
      expect((yield* budget.snapshot).waiting).toBe(10_000)
      yield* holder.release
      yield* Fiber.joinAll(calls)
      expect(order).toEqual(Array.from({ length: 10_000 }, (_, index) => index))
      expect(yield* spentTokens(budget)).toBe(10_000)
      yield* expectAtRest(budget)
    })
  )

  it.effect("ten thousand who wait leave the line when they are interrupted", () =>
    Effect.gen(function* () {
      const budget = yield* budgetOf(Limit.slidingWindow("tokens", 10, "1 minute"))
      yield* budget.charge(tokens(10))
      const calls = yield* Effect.forEach(Array.from({ length: 10_000 }), () =>
        Effect.forkChild(budget.spend({ estimate: tokens(1) })(Effect.void), { startImmediately: true })
      )
      yield* Fiber.interruptAll(calls)
      yield* expectAtRest(budget)
      expect(yield* spentTokens(budget)).toBe(10)
    })
  )
})
