import { assert, it } from "@effect/vitest"
import { Budget, BudgetMap, type BudgetStore, Limit } from "effect-budget"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { describeStores } from "./support/store/kinds.ts"
import { inTwoProcesses } from "./support/store/twoProcesses.ts"
import { tokens } from "./support/store/user.ts"

class Key extends Budget.Service<Key>()("test/Key", {
  key: "openai",
  limits: [Limit.slidingWindow("tokens", 150, "1 minute")]
}) {}

class Tenant extends Budget.Service<Tenant>()("test/Tenant", {
  key: "tenants",
  limits: [Limit.slidingWindow("tokens", 100, "1 minute")],
  within: [Key]
}) {}

class Tenants extends BudgetMap.Service<Tenants>()("test/Tenants", { budget: Tenant, idleTimeToLive: 0 }) {}

/** All that a process has of it. */
const service = Layer.build(Layer.fresh(Layer.provideMerge(Tenants.layer, Key.layer)))

const available = Effect.map(Tenant.snapshot, (snapshot) => snapshot.limits[0]?.available)

const spend = (amount: number) => Tenant.spend({ estimate: tokens(amount), maxWait: 0 })(Effect.void)

/** Does something for a tenant, as a process does. */
const as =
  (tenant: string, process: Context.Context<Key | Tenants>) =>
  <A, E>(effect: Effect.Effect<A, E, Tenant>) =>
    effect.pipe(Effect.provide(Tenants.get(tenant)), Effect.provide(process))

describeStores("tenants of a key that processes share", ({ make }) => {
  it.effect("have counters of their own, which all processes know", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* inTwoProcesses(make, service)
      yield* spend(30).pipe(as("acme", here))
      yield* spend(50).pipe(as("other", here))
      assert.strictEqual(yield* available.pipe(as("acme", elsewhere)), 70)
      assert.strictEqual(yield* available.pipe(as("other", elsewhere)), 50)
    })
  )

  it.effect("are admitted together with their key, wherever it was used", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* inTwoProcesses(make, service)
      yield* spend(100).pipe(as("acme", here))
      const refused = yield* Effect.flip(spend(60).pipe(as("other", elsewhere)))
      assert.include(refused.message, "test/Key: slidingWindow(tokens, 60000ms) has no room for 60 tokens")
      yield* spend(50).pipe(as("other", elsewhere))
      assert.include((yield* Effect.flip(spend(1).pipe(as("acme", elsewhere)))).message, "test/Tenant(acme)")
    })
  )

  it.effect("are remembered when nobody uses them any more", () =>
    Effect.gen(function* () {
      const { elsewhere, here } = yield* inTwoProcesses(make, Effect.context<BudgetStore.BudgetStore>())
      const once = Effect.flatMap(service, (process) => spend(80).pipe(as("acme", process)))
      yield* Effect.scoped(Effect.provide(once, here))
      yield* TestClock.adjust("59 seconds")
      const again = yield* Effect.provide(service, elsewhere)
      assert.strictEqual(yield* available.pipe(as("acme", again)), 20)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* available.pipe(as("acme", again)), 100)
    })
  )
})
