import type { Config } from "effect"
import { Context, Data, Effect, Layer, type Scope } from "effect"
import { Budget, type BudgetError, type BudgetStore, Limit, type Reservation, Usage } from "effect-budget"
import { describe, expect, it } from "tstyche"

const limits = [Limit.cap("tokens", 1_000)]
const estimate = Usage.make({ inputTokens: 100 })

interface Answer {
  readonly text: string
  readonly tokens: number
}
class Overloaded extends Data.TaggedError("Overloaded")<{}> {}
declare const ask: Effect.Effect<Answer, Overloaded, Scope.Scope>
declare const budget: Budget.Budget
declare const key: string | undefined

describe("Budget.make", () => {
  it("needs a scope, and cannot fail", () => {
    expect(Budget.make({ name: "run", limits })).type.toBe<Effect.Effect<Budget.Budget, never, Scope.Scope>>()
  })

  it("needs a store when its budget has a key", () => {
    expect(Budget.make({ name: "run", limits, key: "acme" })).type.toBe<
      Effect.Effect<Budget.Budget, never, Scope.Scope | BudgetStore.BudgetStore>
    >()
  })

  it("does not take a key that may be there or not: whether a store is needed has to be known", () => {
    expect(Budget.make).type.not.toBeCallableWith({ name: "run", limits, key })
  })

  it("takes limits and nothing that looks like one", () => {
    expect(Budget.make).type.not.toBeCallableWith({ name: "run", limits: [{ tokens: 1_000 }] })
    expect(Budget.make).type.not.toBeCallableWith({ limits })
  })
})

describe("spend", () => {
  it("adds that the budget may say no, and leaves the rest as it was", () => {
    expect(ask.pipe(budget.spend({ estimate }))).type.toBe<
      Effect.Effect<Answer, Overloaded | BudgetError.BudgetError, Scope.Scope>
    >()
  })

  it("knows in actual what the effect succeeds with", () => {
    const spent = ask.pipe(budget.spend({ estimate, actual: ({ tokens }) => Usage.make({ outputTokens: tokens }) }))
    expect(spent).type.toBe<Effect.Effect<Answer, Overloaded | BudgetError.BudgetError, Scope.Scope>>()
    expect(ask.pipe).type.not.toBeCallableWith(
      budget.spend({ estimate, actual: (answer: { readonly cost: number }) => Usage.make({ costUsd: answer.cost }) })
    )
  })

  it("takes one reading of what was used for all effects that can be read so", () => {
    const within = budget.spend({
      estimate,
      actual: (answer: { readonly tokens: number }) => Usage.make({ outputTokens: answer.tokens })
    })
    expect(within(ask)).type.toBe<Effect.Effect<Answer, Overloaded | BudgetError.BudgetError, Scope.Scope>>()
    expect(within).type.not.toBeCallableWith(Effect.succeed("an answer"))
  })

  it("does not do without an estimate", () => {
    expect(budget.spend).type.not.toBeCallableWith({ actual: () => estimate })
  })
})

describe("a reservation", () => {
  it("is for as long as a scope is open", () => {
    expect(budget.reserve(estimate)).type.toBe<
      Effect.Effect<Reservation.Reservation, BudgetError.BudgetError, Scope.Scope>
    >()
  })

  it("can be for as long as its body runs, whose errors it keeps", () => {
    expect(budget.withReservation(estimate, () => ask)).type.toBe<
      Effect.Effect<Answer, Overloaded | BudgetError.BudgetError, Scope.Scope>
    >()
  })

  it("does not wait where it is only tried", () => {
    expect(budget.tryReserve).type.not.toBeCallableWith(estimate, { maxWait: "1 second" })
  })
})

describe("an error of a budget", () => {
  it("can be caught by the tag of its reason, and no other", () => {
    const recovered = ask.pipe(
      budget.spend({ estimate }),
      Effect.catchTag("BudgetError", (error) => {
        expect(error).type.toBe<BudgetError.BudgetError>()
        expect(error.reason._tag).type.toBeAssignableTo<string>()
        return Effect.succeed("less")
      })
    )
    expect(recovered).type.toBe<Effect.Effect<Answer | string, Overloaded, Scope.Scope>>()
  })
})

class ProviderKey extends Budget.Service<ProviderKey>()("app/ProviderKey", { limits }) {}
class Run extends Budget.Service<Run>()("app/Run", { limits, within: [ProviderKey] }) {}
class Shared extends Budget.Service<Shared>()("app/Shared", { limits, key: "acme" }) {}

describe("a budget that is a service", () => {
  it("is required by whoever spends from it", () => {
    expect(ask.pipe(Run.spend({ estimate }))).type.toBe<
      Effect.Effect<Answer, Overloaded | BudgetError.BudgetError, Scope.Scope | Run>
    >()
  })

  it("needs the budgets that it is within", () => {
    expect(ProviderKey.layer).type.toBe<Layer.Layer<ProviderKey>>()
    expect(Run.layer).type.toBe<Layer.Layer<Run, never, ProviderKey>>()
    expect(Run.fresh).type.toBe<Layer.Layer<Run, never, ProviderKey>>()
    expect(Run.layer.pipe(Layer.provide(ProviderKey.layer))).type.toBe<Layer.Layer<Run>>()
  })

  it("needs a store when it has a key, and with it whoever is within it does not", () => {
    class Inner extends Budget.Service<Inner>()("app/Inner", { limits, within: [Shared, ProviderKey] }) {}
    expect(Shared.layer).type.toBe<Layer.Layer<Shared, never, BudgetStore.BudgetStore>>()
    expect(Inner.layer).type.toBe<Layer.Layer<Inner, never, Shared | ProviderKey>>()
  })

  it("can fail only where its limits come from a config", () => {
    const config = {} as Config.Config<Budget.Options>
    expect(Run.layerConfig(config)).type.toBe<Layer.Layer<Run, Config.ConfigError, ProviderKey>>()
  })

  it("is within budgets, and not within other services", () => {
    class Database extends Context.Service<Database, {}>()("app/Database") {}
    expect(Budget.Service<Run>()).type.not.toBeCallableWith("app/Other", { limits, within: [Database] })
  })
})
