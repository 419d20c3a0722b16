import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Breaker from "../src/Breaker.ts"
import * as Budget from "../src/Budget.ts"
import type { BudgetError } from "../src/BudgetError.ts"
import * as Deadline from "../src/Deadline.ts"
import * as Degradation from "../src/Degradation.ts"
import * as Guard from "../src/Guard.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"

const estimate = Usage.make({ inputTokens: 60 })
const shorter = Degradation.orElse(({ reason, retryAfter }) =>
  Effect.succeed([reason._tag, retryAfter === undefined ? undefined : Duration.toMillis(retryAfter)])
)

describe("another answer", () => {
  it.effect("is given when the budget refuses, with the reason and when to ask again", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 100, "1 minute")] })
      const call = Effect.succeed("an answer").pipe(budget.spend({ estimate, maxWait: 0 }), shorter)
      assert.strictEqual(yield* call, "an answer")
      assert.deepStrictEqual(yield* call, ["WindowExceeded", 60_000])
    })
  )

  it.effect("is given when the circuit is open, or the time over", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [] })
      const guard = yield* Guard.make({ budget, key: "openai/gpt", retries: 0 })
      const late = Effect.succeed("an answer").pipe(guard.spend({ estimate }), Deadline.within(0), shorter)
      assert.deepStrictEqual(yield* late, ["DeadlineExceeded", undefined])
      for (let round = 0; round < 10; round++) {
        yield* Effect.exit(Effect.fail({ status: 500 }).pipe(guard.spend({ estimate })))
      }
      const call = Effect.succeed("an answer").pipe(guard.spend({ estimate }), shorter)
      assert.deepStrictEqual(yield* call, ["CircuitOpen", 5_000])
    }).pipe(Effect.provide(Breaker.layerMemory()))
  )

  it.effect("is not given when the call itself fails, or may be refused in turn", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
      const failed = yield* Effect.fail("no").pipe(budget.spend({ estimate }), shorter, Effect.flip)
      assert.strictEqual(failed, "no")
      const refused = yield* Effect.void.pipe(
        budget.spend({ estimate: Usage.make({ inputTokens: 101 }) }),
        Degradation.orElse(() => Effect.void.pipe(budget.spend({ estimate: Usage.make({ inputTokens: 102 }) }))),
        Effect.flip
      )
      assert.include(refused.message, "can never admit 102 tokens")
    })
  )
})

describe("the errors that are left", () => {
  it("are those of the call and of the other answer", () => {
    const budget = (error: BudgetError): Effect.Effect<number, BudgetError> => Effect.fail(error)
    const both = (error: BudgetError | "no"): Effect.Effect<number, BudgetError | "no"> => Effect.fail(error)
    const orNothing = Degradation.orElse(() => Effect.succeed("nothing"))
    const none: (error: BudgetError) => Effect.Effect<number | string> = (error) => orNothing(budget(error))
    const one: (error: BudgetError) => Effect.Effect<number | string, "no"> = (error) => orNothing(both(error))
    // @ts-expect-error the call's own error is left
    const wrong: (error: BudgetError) => Effect.Effect<number | string> = (error) => orNothing(both(error))
    assert.strictEqual([none, one, wrong].length, 3)
  })
})

describe("a choice by how full a budget is", () => {
  it.effect("takes the last stage that is reached, of the whole path, in any order", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.cap("tokens", 100)] })
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)], within: [key] })
      const model = Degradation.select(run, [
        { from: 0, use: "large" },
        { from: 0.9, use: "tiny" },
        { from: 0.5, use: "small" }
      ])
      const chosen = [yield* model]
      for (const inputTokens of [49, 1, 39, 1, 100]) {
        yield* key.charge(Usage.make({ inputTokens }))
        chosen.push(yield* model)
      }
      assert.deepStrictEqual(chosen, ["large", "large", "small", "small", "tiny", "tiny"])
    })
  )

  it.effect("needs a stage to begin with", () =>
    Effect.gen(function* () {
      const run = yield* Budget.make({ name: "run", limits: [] })
      assert.throws(
        () => Degradation.select(run, [{ from: 0.1, use: "large" }]),
        /the first stage must be from 0, got 0.1/
      )
    })
  )
})
