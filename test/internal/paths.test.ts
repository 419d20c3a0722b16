import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Budget from "../../src/Budget.ts"
import * as BudgetMap from "../../src/BudgetMap.ts"
import { countsMoney, outermostOf } from "../../src/internal/budget.ts"
import * as Limit from "../../src/Limit.ts"
import * as Meter from "../../src/Meter.ts"

const make = (name: string, within: ReadonlyArray<Budget.Budget> = [], limits: ReadonlyArray<Limit.Limit> = []) =>
  Budget.make({ name, limits, within })

describe("the outermost budgets of a path", () => {
  it.effect("are the budget itself, when it is within none", () =>
    Effect.gen(function* () {
      const key = yield* make("key")
      expect(outermostOf(key)).toEqual([key])
    })
  )

  it.effect("are those within no other, each once, however many ways lead there", () =>
    Effect.gen(function* () {
      const [key, account] = [yield* make("key"), yield* make("account")]
      const [a, b] = [yield* make("a", [key]), yield* make("b", [key, account])]
      const run = yield* make("run", [a, b])
      expect(outermostOf(run)).toHaveLength(2)
      expect(new Set(outermostOf(run))).toEqual(new Set([key, account]))
      expect(outermostOf(run)[0]).toBe(key)
    })
  )

  it.effect("of a budget in a family are those of the family", () => {
    class Key extends Budget.Service<Key>()("Key", { limits: [] }) {}
    class Tenant extends Budget.Service<Tenant>()("Tenant", { limits: [], within: [Key] }) {}
    class Tenants extends BudgetMap.Service<Tenants>()("Tenants", { budget: Tenant }) {}
    return Effect.gen(function* () {
      expect(outermostOf(yield* Tenant)[0]).toBe(yield* Key)
    }).pipe(Effect.provide(Tenants.get("acme")), Effect.provide(Tenants.layer), Effect.provide(Key.layer))
  })
})

describe("whether a budget counts money", () => {
  it.effect("depends on the limits of its whole path", () =>
    Effect.gen(function* () {
      const key = yield* make("key", [], [Limit.slidingWindow("tokens", 10, "1 minute"), Limit.concurrency(3)])
      const run = yield* make("run", [key], [Limit.perCall("usd", 1)])
      const step = yield* make("step", [run])
      expect([key, run, step].map(countsMoney)).toEqual([false, true, true])
    })
  )

  it.effect("is not known of a meter of the user's own", () =>
    Effect.gen(function* () {
      const words = Meter.make("words", () => 1)
      expect(countsMoney(yield* make("run", [], [Limit.cap(words, 5)]))).toBe(true)
    })
  )

  it.effect("is not known of a budget that was not made here", () =>
    Effect.gen(function* () {
      expect(countsMoney({ ...(yield* make("run")) })).toBe(true)
    })
  )

  it.effect("changes with the limits, also those around it", () =>
    Effect.gen(function* () {
      const key = yield* make("key")
      const run = yield* make("run", [key])
      expect(countsMoney(run)).toBe(false)
      yield* key.updateLimits([Limit.cap("usd", 1)])
      expect(countsMoney(run)).toBe(true)
      yield* key.updateLimits([])
      expect(countsMoney(run)).toBe(false)
    })
  )
})
