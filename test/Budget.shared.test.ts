import { assert, describe, it } from "@effect/vitest"
import { Budget, BudgetStore, Limit, Usage } from "effect-budget"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"

const tokens = (inputTokens: number) => Usage.make({ inputTokens })

const shared = (options: Partial<Budget.MakeOptions & { key: string }> = {}) =>
  Budget.make({ name: "key", key: "openai", limits: [Limit.slidingWindow("tokens", 100, "1 minute")], ...options })

const withStore = <A, E, R>(effect: Effect.Effect<A, E, R>, options?: BudgetStore.Options) =>
  Effect.provide(effect, BudgetStore.layerMemory(options))

const used = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ limits }) => limits.map(({ used }) => used))

describe("a budget with a key", () => {
  it.effect("counts what all budgets of its key use", () =>
    withStore(
      Effect.gen(function* () {
        const [one, other] = [yield* shared(), yield* shared()]
        yield* one.spend({ estimate: tokens(60), actual: () => tokens(40) })(Effect.void)
        assert.deepStrictEqual(yield* used(other), [40])
        const error = yield* Effect.flip(other.spend({ estimate: tokens(70), maxWait: 0 })(Effect.void))
        assert.strictEqual(error.reason._tag, "WindowExceeded")
        assert.strictEqual(error.message, "key: slidingWindow(tokens, 60000ms) has no room for 70 tokens: retry in 1m")
      })
    )
  )

  it.effect("waits for its window", () =>
    withStore(
      Effect.gen(function* () {
        const [one, other] = [yield* shared(), yield* shared()]
        yield* one.charge(tokens(80))
        const fiber = yield* Effect.forkChild(other.spend({ estimate: tokens(30) })(Effect.succeed("done")))
        yield* TestClock.adjust("59 seconds")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), "done")
      })
    )
  )

  it.effect("is woken by a settlement elsewhere", () =>
    withStore(
      Effect.gen(function* () {
        const limits = [Limit.cap("tokens", 100)]
        const [one, other] = [yield* shared({ limits }), yield* shared({ limits })]
        yield* Effect.scoped(
          Effect.gen(function* () {
            const reservation = yield* one.reserve(tokens(80))
            const fiber = yield* Effect.forkChild(other.spend({ estimate: tokens(30) })(Effect.succeed("done")))
            yield* TestClock.adjust("1 seconds")
            assert.isUndefined(fiber.pollUnsafe())
            yield* reservation.commit(tokens(10))
            assert.strictEqual(yield* Fiber.join(fiber), "done")
          })
        )
      })
    )
  )

  it.effect("is admitted together with budgets in memory, or not at all", () =>
    withStore(
      Effect.gen(function* () {
        const key = yield* shared()
        const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)], within: [key] })
        yield* key.charge(tokens(90))
        const error = yield* Effect.flip(run.spend({ estimate: tokens(50), maxWait: "1 second" })(Effect.void))
        assert.strictEqual(error.reason._tag, "WindowExceeded")
        assert.deepStrictEqual(yield* used(run), [0])
        yield* run.spend({ estimate: tokens(10) })(Effect.void)
        assert.deepStrictEqual(yield* used(run), [10])
        assert.deepStrictEqual(yield* used(key), [100])
      })
    )
  )
})

describe("a large request for a shared budget", () => {
  it.effect("is not starved by small ones", () =>
    withStore(
      Effect.gen(function* () {
        const key = yield* shared({ limits: [Limit.cap("tokens", 100)] })
        const small = key.spend({ estimate: tokens(30), actual: () => tokens(0) })(Effect.sleep("2 seconds"))
        const loop = (after: number) => Effect.forkChild(Effect.andThen(Effect.sleep(after), Effect.forever(small)))
        const loops = [yield* loop(0), yield* loop(1_000)]
        yield* TestClock.adjust("1500 millis")
        const large = yield* Effect.forkChild(key.spend({ estimate: tokens(80) })(Effect.succeed("done")))
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* Fiber.join(large), "done")
        yield* Fiber.interruptAll(loops)
      })
    )
  )
})
