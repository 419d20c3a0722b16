import { Effect, type Layer, type Scope } from "effect"
import {
  Budget,
  type BudgetError,
  BudgetedFetch,
  BudgetMap,
  type BudgetStore,
  Limit,
  makeBudget,
  TokenCounter,
  Usage
} from "effect-budget"
import { OpenAI } from "openai"
import { describe, expect, it } from "tstyche"

const limits = [Limit.cap("tokens", 1_000)]

class ProviderKey extends Budget.Service<ProviderKey>()("app/ProviderKey", { limits }) {}
class Tenant extends Budget.Service<Tenant>()("app/Tenant", { limits, within: [ProviderKey] }) {}
class Tenants extends BudgetMap.Service<Tenants>()("app/Tenants", { budget: Tenant }) {}

describe("a family of budgets", () => {
  it("provides the budget of a key, for which it is needed itself", () => {
    expect(Tenants.get("acme")).type.toBe<Layer.Layer<Tenant, never, Tenants>>()
    expect(Tenants.get).type.not.toBeCallableWith(1)
  })

  it("needs the budgets that all of them are within", () => {
    expect(Tenants.layer).type.toBe<Layer.Layer<Tenants, never, ProviderKey>>()
  })

  it("needs a store when their budget has a key", () => {
    class SharedTenant extends Budget.Service<SharedTenant>()("app/SharedTenant", { limits, key: "tenants" }) {}
    class SharedTenants extends BudgetMap.Service<SharedTenants>()("app/SharedTenants", { budget: SharedTenant }) {}
    expect(SharedTenants.layer).type.toBe<Layer.Layer<SharedTenants, never, BudgetStore.BudgetStore>>()
  })

  it("leaves a program of a tenant with no requirement but the family's", () => {
    const program = Tenant.charge(Usage.make({ inputTokens: 100 })).pipe(Effect.provide(Tenants.get("acme")))
    expect(program).type.toBe<Effect.Effect<void, BudgetError.BudgetError, Tenants>>()
  })
})

describe("a limit", () => {
  it("knows its kind", () => {
    expect(Limit.cap("usd", 5)).type.toBe<Limit.Cap>()
    expect(Limit.slidingWindow("tokens", 90_000, "1 minute")).type.toBe<Limit.SlidingWindow>()
    expect(Limit.concurrency(40)).type.toBe<Limit.Concurrency>()
  })

  it("is on a meter that there is", () => {
    expect(Limit.cap).type.not.toBeCallableWith("euros", 5)
    expect(Limit.slidingWindow).type.not.toBeCallableWith("tokens", 90_000)
  })
})

describe("a usage", () => {
  it("has no fields but its own", () => {
    expect(Usage.make).type.not.toBeCallableWith({ tokens: 100 })
  })
})

describe("a fetch within a budget", () => {
  it("is a fetch, for each client that takes one", () => {
    const made = BudgetedFetch.make({ budget: Tenant })
    expect(made).type.toBe<Effect.Effect<typeof globalThis.fetch, never, Tenant | Scope.Scope>>()
    expect(OpenAI).type.toBeConstructableWith({ fetch: {} as BudgetedFetch.Fetch })
  })
})

describe("a counter of tokens", () => {
  it("can only be missing for a model that nobody knows", () => {
    expect(TokenCounter.layerModel("gpt-5")).type.toBe<
      Layer.Layer<TokenCounter.TokenCounter, TokenCounter.EncodingNotFound>
    >()
    expect(TokenCounter.layerHeuristic).type.toBe<Layer.Layer<TokenCounter.TokenCounter>>()
  })
})

describe("a budget without Effect", () => {
  it("gives what the promise gives", async () => {
    const budget = await makeBudget({ limits })
    expect(budget.spend(async () => "an answer", { estimate: Usage.make({}) })).type.toBe<Promise<string>>()
    expect(budget.spend).type.not.toBeCallableWith(() => "no promise", { estimate: Usage.make({}) })
  })
})
