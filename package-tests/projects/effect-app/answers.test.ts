import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { BudgetTesting } from "effect-budget"
import { Tenant, Tenants } from "./answers.ts"
import { expect, it } from "vitest"
import { answer, answerFor, layer, ProviderKey } from "./answers.ts"

const run = <A, E>(effect: Effect.Effect<A, E, Tenants | ProviderKey>): Promise<A> =>
  Effect.runPromise(effect.pipe(Effect.provide(layer), Effect.provide(TestClock.layer())))

it("lets a tenant that has used its minute wait for the next one, and no other", () =>
  run(
    Effect.gen(function* () {
      yield* answerFor("small", "one", 1_000)
      yield* answerFor("small", "two", 500)
      const waiting = yield* Effect.forkChild(
        Effect.andThen(answerFor("small", "three", 1_000), Clock.currentTimeMillis),
        { startImmediately: true }
      )
      yield* answerFor("acme", "four", 4_000)
      expect((yield* ProviderKey.snapshot).waiting).toBe(1)
      yield* TestClock.adjust("1 minute")
      expect(yield* Fiber.join(waiting)).toBe(60_000)
    })
  ))

it("refuses what a tenant can never have", () =>
  run(
    Effect.gen(function* () {
      const error = yield* Effect.flip(answerFor("small", "all of it", 1_001))
      expect(error.reason._tag).toBe("RequestTooLarge")
    })
  ))

it("charges what was used, and holds nothing afterwards", () =>
  run(
    Effect.gen(function* () {
      yield* answerFor("acme", "one", 800)
      const key = yield* ProviderKey
      expect((yield* key.snapshot).spent.outputTokens).toBe(400)
      yield* BudgetTesting.expectAtRest(key)
    })
  ))

it("says that there is no room, when there is none", () =>
  run(
    Effect.gen(function* () {
      const key = yield* ProviderKey
      yield* BudgetTesting.fill(key, 1)
      const asking = yield* Effect.forkChild(Effect.exit(answer("one", 10).pipe(Effect.provide(Tenants.get("acme")))), {
        startImmediately: true
      })
      expect((yield* Tenant.snapshot.pipe(Effect.provide(Tenants.get("acme")))).waiting).toBe(1)
      yield* Fiber.interrupt(asking)
      yield* BudgetTesting.expectAtRest(key)
    })
  ))
