import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionPlan from "effect/ExecutionPlan"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { TestClock } from "effect/testing"
import * as Breaker from "../src/Breaker.ts"
import * as Budget from "../src/Budget.ts"
import { BudgetError } from "../src/BudgetError.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as CallFailure from "../src/CallFailure.ts"
import * as Deadline from "../src/Deadline.ts"
import * as Guard from "../src/Guard.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { listenTo } from "./support/heard.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"

const key = Breaker.key({ provider: "openai", model: "gpt-4.1-mini" })
const estimate = Usage.make({ inputTokens: 100, outputTokens: 50 })

/** An error as clients of HTTP have them. */
const answered = (status: number, retryAfterMillis?: number) => ({
  status,
  headers: retryAfterMillis === undefined ? {} : { "retry-after-ms": String(retryAfterMillis) }
})
const unconnected = Object.assign(new TypeError("fetch failed"), { code: "ECONNREFUSED" })

type ProviderError = ReturnType<typeof answered> | TypeError | string

/** A provider that answers one request after the other as it is told, and remembers when it was asked. */
const scripted = (...answers: ReadonlyArray<Effect.Effect<string, ProviderError>>) => {
  const asked: Array<number> = []
  const ask = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    asked.push(now)
    return answers[asked.length - 1] ?? Effect.succeed("an answer")
  })
  return { ask, asked }
}

const makeBudget = Budget.make({
  name: "key",
  limits: [Limit.cap("tokens", 10_000), Limit.slidingWindow("requests", 1_000, "1 minute")]
})

const used = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ spent }) => [spent.requests, spent.inputTokens + spent.outputTokens])

const withBreaker = Effect.provide(Breaker.layerMemory())

/** Opens the circuit. */
const breakDown = (guard: Guard.Guard) =>
  Effect.forEach(Array.from({ length: 20 }), () =>
    Effect.exit(Effect.fail(answered(500)).pipe(guard.spend({ estimate })))
  )

describe("what a guarded call costs", () => {
  const costs: ReadonlyArray<
    readonly [how: string, call: Effect.Effect<unknown, unknown>, charged: readonly number[]]
  > = [
    ["a success without a report: the estimate", Effect.succeed("an answer"), [1, 150]],
    ["no connection: nothing", Effect.fail(unconnected), [0, 0]],
    ["an error of the provider: a request", Effect.fail(answered(500)), [1, 0]],
    ["a refusal of the provider: a request", Effect.fail(answered(400)), [1, 0]],
    ["a time-out: the estimate", Effect.never, [1, 150]],
    ["an error that says nothing: the estimate", Effect.fail("no"), [1, 150]],
    ["a defect: the estimate", Effect.die("no"), [1, 150]]
  ]

  it.effect.each(costs)("%s", ([, call, charged]) =>
    Effect.gen(function* () {
      const budget = yield* makeBudget
      const guard = yield* Guard.make({ budget, key, retries: 0, timeout: "10 seconds" })
      const fiber = yield* Effect.forkChild(Effect.exit(call.pipe(guard.spend({ estimate }))))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* used(budget), charged)
      yield* expectAtRest(budget)
    }).pipe(withBreaker)
  )

  it.effect("what a result says, or what was recorded before it broke off", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget
      const guard = yield* Guard.make({ budget, key, retries: 0 })
      yield* Effect.succeed(7).pipe(guard.spend({ estimate, actual: (outputTokens) => Usage.make({ outputTokens }) }))
      assert.deepStrictEqual(yield* used(budget), [1, 7])
      yield* Effect.exit(
        guard.withReservation(estimate, (reservation) =>
          Effect.andThen(reservation.record(Usage.make({ outputTokens: 5 })), Effect.fail(answered(500)))
        )
      )
      assert.deepStrictEqual(yield* used(budget), [2, 12])
    }).pipe(withBreaker)
  )

  it.effect("the estimate, when it is interrupted under way, and nothing before", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1)] })
      const guard = yield* Guard.make({ budget, key })
      const call = Effect.never.pipe(guard.spend({ estimate }))
      const underWay = yield* Effect.forkChild(call)
      const inLine = yield* Effect.forkChild(call)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(inLine)
      yield* Fiber.interrupt(underWay)
      assert.deepStrictEqual(yield* used(budget), [1, 150])
      yield* expectAtRest(budget)
    }).pipe(withBreaker)
  )

  it.effect("what onFailure says, when the call has one", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget
      const guard = yield* Guard.make({ budget, key, retries: 0 })
      yield* Effect.exit(Effect.fail("no").pipe(guard.spend({ estimate, onFailure: "release" })))
      assert.deepStrictEqual(yield* used(budget), [0, 0])
    }).pipe(withBreaker)
  )
})

describe("a call that fails", () => {
  it.effect("is made again as long as that may help, each time with a reservation of its own", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget
      const guard = yield* Guard.make({ budget, key, schedule: Schedule.spaced("1 second") })
      const { ask, asked } = scripted(Effect.fail(answered(500)), Effect.fail(unconnected))
      const fiber = yield* Effect.forkChild(ask.pipe(guard.spend({ estimate })))
      yield* TestClock.adjust(999)
      // It holds nothing in between.
      assert.deepStrictEqual(asked, [0])
      yield* expectAtRest(budget)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(fiber), "an answer")
      assert.deepStrictEqual(asked, [0, 1_000, 2_000])
      assert.deepStrictEqual(yield* used(budget), [2, 150])
    }).pipe(withBreaker)
  )

  it.effect("fails in the end with the error of the last attempt", () =>
    Effect.gen(function* () {
      const guard = yield* Guard.make({ budget: yield* makeBudget, key, retries: 1, schedule: Schedule.spaced(1) })
      const { ask, asked } = scripted(Effect.fail(answered(500)), Effect.fail(answered(529)))
      const fiber = yield* Effect.forkChild(Effect.flip(ask.pipe(guard.spend({ estimate }))))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), answered(529))
      assert.strictEqual(asked.length, 2)
    }).pipe(withBreaker)
  )

  it.effect("is not made again when that would be in vain, or the schedule has ended", () =>
    Effect.gen(function* () {
      const guard = yield* Guard.make({ budget: yield* makeBudget, key, schedule: Schedule.recurs(0) })
      for (const error of [answered(400), answered(401), "no", answered(500)]) {
        const { ask, asked } = scripted(Effect.fail(error))
        yield* Effect.exit(ask.pipe(guard.spend({ estimate })))
        assert.strictEqual(asked.length, 1, JSON.stringify(error))
      }
    }).pipe(withBreaker)
  )

  it.effect("waits half a second by default, then twice as long, with jitter", () =>
    Effect.gen(function* () {
      const guard = yield* Guard.make({ budget: yield* makeBudget, key, retries: 3 })
      const { ask, asked } = scripted(...Array.from({ length: 3 }, () => Effect.fail(answered(500))))
      const fiber = yield* Effect.forkChild(ask.pipe(guard.spend({ estimate })))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const delays = asked.slice(1).map((at, index) => at - asked[index]!)
      for (const [index, base] of [500, 1_000, 2_000].entries()) {
        assert.isAtLeast(delays[index]!, 0.8 * base)
        assert.isAtMost(delays[index]!, 1.2 * base + 1)
      }
    }).pipe(withBreaker)
  )

  it.effect("after a 429 waits in line with everyone who shares the key, and is first of them", () =>
    Effect.gen(function* () {
      const providerKey = yield* makeBudget
      const budget = yield* Budget.make({ name: "run", limits: [], within: [providerKey] })
      const other = yield* Budget.make({ name: "other", limits: [], within: [providerKey] })
      const guard = yield* Guard.make({ budget, key })
      const { ask, asked } = scripted(Effect.fail(answered(429, 20_000)))
      const fiber = yield* Effect.forkChild(ask.pipe(guard.spend({ estimate })))
      yield* TestClock.adjust(1)
      const startedAt = yield* Effect.forkChild(Clock.currentTimeMillis.pipe(other.spend({ estimate })))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      // They resume gradually: one in the first second.
      assert.deepStrictEqual(asked, [0, 20_000])
      assert.strictEqual(yield* Fiber.join(startedAt), 21_000)
    }).pipe(withBreaker)
  )

  it.effect("after a 429 that does not say when to come back waits longer each time", () =>
    Effect.gen(function* () {
      const guard = yield* Guard.make({ budget: yield* makeBudget, key, retries: 3 })
      const { ask, asked } = scripted(...Array.from({ length: 3 }, () => Effect.fail(answered(429))))
      const fiber = yield* Effect.forkChild(ask.pipe(guard.spend({ estimate })))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(asked, [0, 1_000, 3_000, 7_000])
    }).pipe(withBreaker)
  )

  it.effect("fails with what the budget says when that has no room for another attempt", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("requests", 1)] })
      const guard = yield* Guard.make({ budget, key, schedule: Schedule.spaced(1) })
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.fail(answered(500)).pipe(guard.spend({ estimate }))))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, BudgetError)
    }).pipe(withBreaker)
  )
})

describe("the circuit of a guard", () => {
  it.effect("refuses, when it is open, before anything is reserved, and lets one try after a while", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget
      const guard = yield* Guard.make({ budget, key, retries: 0 })
      yield* breakDown(guard)
      const before = yield* used(budget)
      const heard = yield* listenTo(budget)
      const { ask, asked } = scripted()
      const retryAfter = yield* ask.pipe(
        guard.spend({ estimate }),
        Effect.catchTag("CircuitBreakerError", ({ reason }) =>
          Effect.succeed(reason._tag === "CircuitOpen" ? reason.retryAfter : undefined)
        )
      )
      assert.deepStrictEqual(retryAfter, Duration.seconds(5))
      assert.deepStrictEqual(yield* heard, [])
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual(yield* used(budget), before)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* ask.pipe(guard.spend({ estimate })), "an answer")
      assert.strictEqual(yield* ask.pipe(guard.spend({ estimate })), "an answer")
    }).pipe(withBreaker)
  )

  it.effect("is waited for, if that is wanted, by many who hold nothing, and until the deadline", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget
      const guard = yield* Guard.make({ budget, key, retries: 0, whenOpen: "wait" })
      yield* breakDown(yield* Guard.make({ budget, key, retries: 0 }))
      const { ask, asked } = scripted(Effect.fail(answered(500)))
      const call = ask.pipe(guard.spend({ estimate }))
      const late = yield* Effect.flip(Deadline.within("4 seconds")(call))
      assert.instanceOf(late, Deadline.DeadlineExceeded)
      const fibers = yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.forkChild(Effect.exit(call)))
      yield* TestClock.adjust("1 second")
      yield* expectAtRest(budget)
      yield* TestClock.adjust("30 seconds")
      const exits = yield* Effect.forEach(fibers, Fiber.join)
      // The first one finds that it is still down, and opens it for twice as long.
      assert.strictEqual(exits.filter(Exit.isSuccess).length, 19)
      assert.isAtLeast(asked[0]!, 5_000)
      assert.isAtLeast(asked[1]! - asked[0]!, 10_000)
      yield* expectAtRest(budget)
    }).pipe(withBreaker)
  )

  it.effect("is not opened by 429s, refusals, interruptions and deadlines", () =>
    Effect.gen(function* () {
      const guard = yield* Guard.make({ budget: yield* makeBudget, key, retries: 0 })
      const call = (effect: Effect.Effect<string, unknown>) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(Effect.exit(effect.pipe(guard.spend({ estimate }))))
          yield* TestClock.adjust("1 minute")
          return fiber
        })
      for (let round = 0; round < 30; round++) {
        yield* call(Effect.fail(answered(400)))
        yield* Deadline.within(1)(call(Effect.never))
        yield* Fiber.interrupt(yield* call(Effect.never))
        yield* call(Effect.fail(answered(429, 1)))
      }
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(yield* call(Effect.succeed("an answer")))))
    }).pipe(withBreaker)
  )

  it.effect("refuses who was in line when it opened, and gives back what was reserved", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1), Limit.cap("tokens", 10_000)] })
      const guard = yield* Guard.make({ budget, key, retries: 0 })
      const holding = yield* Effect.forkChild(Effect.sleep("1 second").pipe(budget.spend({ estimate })))
      const { ask, asked } = scripted()
      const waiting = yield* Effect.forkChild(Effect.exit(ask.pipe(guard.spend({ estimate }))))
      yield* Effect.yieldNow
      const other = yield* Guard.make({ budget: yield* makeBudget, key, retries: 0 })
      yield* breakDown(other)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(holding)
      assert.isTrue(Exit.isFailure(yield* Fiber.join(waiting)))
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual(yield* used(budget), [1, 150])
      yield* expectAtRest(budget)
    }).pipe(withBreaker)
  )

  it.effect("is not held by who waits in line: meanwhile somebody else tries", () =>
    Effect.gen(function* () {
      const full = yield* Budget.make({ name: "full", limits: [Limit.slidingWindow("tokens", 150, "1 minute")] })
      yield* full.charge(estimate)
      const other = yield* Guard.make({ budget: yield* makeBudget, key, retries: 0 })
      yield* breakDown(other)
      yield* TestClock.adjust("5 seconds")
      const guard = yield* Guard.make({ budget: full, key })
      const { ask } = scripted()
      const waiting = yield* Effect.forkChild(ask.pipe(guard.spend({ estimate })))
      yield* Effect.yieldNow
      assert.strictEqual(yield* ask.pipe(other.spend({ estimate })), "an answer")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(waiting), "an answer")
    }).pipe(withBreaker)
  )
})

describe("the deadline of a guard", () => {
  it.effect("bounds a call, which is charged as it was sent", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget
      const guard = yield* Guard.make({ budget, key, timeout: "1 minute" })
      const fiber = yield* Effect.forkChild(
        Effect.never.pipe(guard.spend({ estimate }), Deadline.within("10 seconds", { task: "answer" }), Effect.flip)
      )
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, Deadline.DeadlineExceeded)
      assert.deepStrictEqual(yield* used(budget), [1, 150])
    }).pipe(withBreaker)
  )

  it.effect("is the same error in line as under way, and one that is over costs nothing", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 150, "1 minute")] })
      const guard = yield* Guard.make({ budget, key })
      const { ask, asked } = scripted()
      yield* ask.pipe(guard.spend({ estimate }))
      const inLine = yield* ask.pipe(guard.spend({ estimate }), Deadline.within("59 seconds"), Effect.flip)
      assert.instanceOf(inLine, Deadline.DeadlineExceeded)
      const over = yield* TestClock.adjust("1 minute").pipe(
        Effect.andThen(ask.pipe(guard.spend({ estimate }))),
        Deadline.within("1 minute"),
        Effect.flip
      )
      assert.instanceOf(over, Deadline.DeadlineExceeded)
      assert.strictEqual(asked.length, 1)
      assert.deepStrictEqual(yield* used(budget), [1, 150])
    }).pipe(withBreaker)
  )

  it.effect("costs nothing when the budget lets the call in at its very end", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1)] })
      const guard = yield* Guard.make({ budget, key })
      const holding = yield* Effect.forkChild(Effect.sleep("10 seconds").pipe(budget.spend({ estimate })))
      yield* Effect.yieldNow
      const { ask, asked } = scripted()
      const waiting = yield* Effect.forkChild(
        ask.pipe(guard.spend({ estimate }), Deadline.within("10 seconds"), Effect.flip)
      )
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(holding)
      assert.instanceOf(yield* Fiber.join(waiting), Deadline.DeadlineExceeded)
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual(yield* used(budget), [1, 150])
    }).pipe(withBreaker)
  )

  it.effect("keeps a call from being made again when the wait would be longer", () =>
    Effect.gen(function* () {
      const guard = yield* Guard.make({ budget: yield* makeBudget, key, schedule: Schedule.spaced("10 seconds") })
      const failing = (retryAfterMillis?: number) =>
        Effect.fail(answered(retryAfterMillis === undefined ? 500 : 429, retryAfterMillis)).pipe(
          guard.spend({ estimate }),
          Deadline.within("5 seconds"),
          Effect.flip
        )
      // At once: the clock stands still.
      assert.instanceOf(yield* failing(), Deadline.DeadlineExceeded)
      assert.instanceOf(yield* failing(10_000), Deadline.DeadlineExceeded)
    }).pipe(withBreaker)
  )
})

describe("a guard", () => {
  it.effect("takes the budget that is provided where the call is made", () =>
    Effect.gen(function* () {
      class Tenant extends Budget.Service<Tenant>()("test/Tenant", { limits: [] }) {}
      const own = yield* makeBudget
      const guard = yield* Effect.provide(Guard.make({ budget: Tenant, key }), Tenant.layer)
      yield* Effect.void.pipe(guard.spend({ estimate }), Effect.provideService(Tenant, own))
      assert.deepStrictEqual(yield* used(own), [1, 150])
    }).pipe(withBreaker)
  )

  it.effect("reads the errors of a client that nobody knows", () =>
    Effect.gen(function* () {
      const budget = yield* makeBudget
      const failureOf = (error: unknown): CallFailure.CallFailure =>
        error === "busy" ? CallFailure.of({ status: 503 }) : CallFailure.of(error)
      const guard = yield* Guard.make({ budget, key, failureOf, schedule: Schedule.spaced(1) })
      const { ask, asked } = scripted(Effect.fail("busy"))
      const fiber = yield* Effect.forkChild(ask.pipe(guard.spend({ estimate })))
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
      assert.strictEqual(asked.length, 2)
      assert.deepStrictEqual(yield* used(budget), [2, 150])
    }).pipe(withBreaker)
  )

  it.effect("refuses a number of retries that is none", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Guard.make({ budget: yield* makeBudget, key, retries: Number.NaN }))
      assert.include(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), "retries must be a whole number")
    }).pipe(withBreaker)
  )

  it.effect("is the step of a plan: the next one has a budget and a circuit of its own", () =>
    Effect.gen(function* () {
      class Model extends Context.Service<Model, { readonly ask: Effect.Effect<string, ProviderError> }>()(
        "test/Model"
      ) {}
      class ModelGuard extends Guard.Service<ModelGuard>()("test/ModelGuard") {}
      const [first, second] = [yield* makeBudget, yield* makeBudget]
      const down = scripted(...Array.from({ length: 50 }, () => Effect.fail(answered(500))))
      const up = scripted()
      const step = (budget: Budget.Budget, key: string, { ask }: typeof up) =>
        Layer.merge(Layer.succeed(Model, { ask }), ModelGuard.layer({ budget, key, retries: 0 }))
      const plan = ExecutionPlan.make({ provide: step(first, "first", down) }, { provide: step(second, "second", up) })
      const call = Effect.flatMap(Model, ({ ask }) => ask).pipe(
        ModelGuard.spend({ estimate }),
        Effect.withExecutionPlan(plan)
      )
      for (let round = 1; round <= 15; round++) {
        assert.strictEqual(yield* call, "an answer")
        assert.strictEqual(up.asked.length, round)
      }
      // Its circuit has opened after ten failures: then it is not asked any more.
      assert.strictEqual(down.asked.length, 10)
      assert.deepStrictEqual(yield* used(first), [10, 0])
      assert.deepStrictEqual(yield* used(second), [15, 15 * 150])
    }).pipe(withBreaker)
  )
})

describe("a guarded call that is interrupted at any operation", () => {
  const guarded = (isHalfOpen: boolean) =>
    Effect.gen(function* () {
      const context = yield* Layer.build(Layer.fresh(Breaker.layerMemory()))
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 10_000), Limit.concurrency(1)] })
      const guard = yield* Effect.provide(Guard.make({ budget, key, retries: 0 }), context)
      if (isHalfOpen) {
        yield* breakDown(guard)
        yield* TestClock.adjust("5 seconds")
      }
      const requestsBefore = (yield* budget.snapshot).spent.requests
      let phase = "asking"
      const body = Effect.gen(function* () {
        phase = "under way"
        yield* Effect.yieldNow
        phase = "answered"
        return 7
      })
      return {
        call: body.pipe(guard.spend({ estimate, actual: (outputTokens) => Usage.make({ outputTokens }) })),
        phase: () => phase,
        charged: () =>
          Effect.gen(function* () {
            yield* expectAtRest(budget)
            const { inputTokens, outputTokens, requests } = (yield* budget.snapshot).spent
            assert.strictEqual(requests - requestsBefore, inputTokens + outputTokens === 0 ? 0 : 1)
            // Whoever comes next is let through, by the budget and by the circuit.
            assert.strictEqual(yield* Effect.succeed("next").pipe(guard.spend({ estimate })), "next")
            return inputTokens + outputTokens
          })
      }
    })

  it.effect("has charged nothing before it was sent, then the estimate, then what it has used", () =>
    interruptAtEveryOperation(
      { operationsMin: 20, phases: ["asking", "under way", "answered"], charges: [0, 150, 7] },
      guarded(false)
    )
  )

  it.effect("does not keep the only slot of a circuit that is half open", () =>
    interruptAtEveryOperation(
      { operationsMin: 20, phases: ["asking", "under way", "answered"], charges: [0, 150, 7] },
      guarded(true)
    )
  )
})
