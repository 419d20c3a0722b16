import { describe, expect, it } from "@effect/vitest"
import { Budget, BudgetMap, Limit, Usage } from "effect-budget"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

class Key extends Budget.Service<Key>()("test/Key", {
  limits: [Limit.slidingWindow("tokens", 1_000, "1 minute")]
}) {}

class Tenant extends Budget.Service<Tenant>()("test/Tenant", {
  limits: [Limit.slidingWindow("tokens", 100, "1 minute")],
  within: [Key]
}) {}

class Tenants extends BudgetMap.Service<Tenants>()("test/Tenants", { budget: Tenant, idleTimeToLive: 0 }) {}

const tokens = (inputTokens: number) => Usage.make({ inputTokens })

const available = Effect.map(Tenant.snapshot, (snapshot) => snapshot.limits[0]?.available)

const withTenants = <A, E>(effect: Effect.Effect<A, E, Tenants | Key>) =>
  effect.pipe(Effect.provide(Tenants.layer), Effect.provide(Key.layer))

describe("BudgetMap", () => {
  it.effect("gives every key a budget of its own, inside the same outer one", () =>
    Effect.gen(function* () {
      yield* Effect.provide(Tenant.charge(tokens(30)), Tenants.get("a"))
      yield* Effect.provide(Tenant.charge(tokens(50)), Tenants.get("b"))

      expect(yield* Effect.provide(available, Tenants.get("a"))).toBe(70)
      expect(yield* Effect.provide(available, Tenants.get("b"))).toBe(50)
      expect((yield* Key.snapshot).spent.inputTokens).toBe(80)
    }).pipe(withTenants)
  )

  it.effect("remembers a tenant's spending when its last user has left", () =>
    Effect.gen(function* () {
      yield* Effect.provide(Tenant.charge(tokens(100)), Tenants.get("a"))
      yield* TestClock.adjust("59 seconds")

      const refused = yield* Tenant.tryReserve(tokens(1)).pipe(
        Effect.scoped,
        Effect.provide(Tenants.get("a")),
        Effect.flip
      )

      expect(refused.message).toContain("test/Tenant(a): slidingWindow(tokens, 60000ms)")
      yield* TestClock.adjust("1 second")
      expect(yield* Effect.provide(available, Tenants.get("a"))).toBe(100)
    }).pipe(withTenants)
  )

  it.effect("takes the limits and the weight of a key from its plan", () =>
    Effect.gen(function* () {
      expect(yield* Effect.provide(available, Plans.get("acme"))).toBe(400)
      expect(yield* Effect.provide(available, Plans.get("other"))).toBe(100)
    }).pipe(Effect.provide(Plans.layer), Effect.provide(Key.layer))
  )

  it.effect("puts a changed plan in place without forgetting what was counted", () =>
    Effect.gen(function* () {
      yield* Effect.provide(Tenant.charge(tokens(60)), Changing.get("a"))
      changingMax = 500
      expect(yield* Effect.provide(available, Changing.get("a"))).toBe(440)
    }).pipe(Effect.provide(Changing.layer), Effect.provide(Key.layer))
  )

  it.effect("forgets a key when it is told to, also while the key is in use", () =>
    Effect.gen(function* () {
      const tenants = yield* Tenants
      yield* Effect.provide(Tenant.charge(tokens(100)), Tenants.get("a"))
      yield* tenants.forget("a")
      expect(yield* Effect.provide(available, Tenants.get("a"))).toBe(100)

      yield* Tenant.charge(tokens(100)).pipe(Effect.andThen(tenants.forget("a")), Effect.provide(Tenants.get("a")))
      expect(yield* Effect.provide(available, Tenants.get("a"))).toBe(100)
    }).pipe(withTenants)
  )

  it.effect("wakes who waits in a tenant's new layer when a call of the old one settles", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<void>()
      const outlasting = yield* Tenant.use((tenant) =>
        Effect.forkDetach(
          tenant.withReservation(tokens(1), () => Deferred.await(answer)),
          { startImmediately: true }
        )
      ).pipe(Effect.provide(OneAtATime.get("a")))

      const waiting = yield* Effect.void.pipe(
        Tenant.spend({ estimate: tokens(1) }),
        Effect.provide(OneAtATime.get("a")),
        Effect.forkChild({ startImmediately: true })
      )
      yield* TestClock.adjust(1)
      expect(waiting.pollUnsafe()).toBeUndefined()

      yield* Deferred.succeed(answer, undefined)
      yield* Fiber.join(outlasting)
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(OneAtATime.layer), Effect.provide(Key.layer))
  )

  it.effect("provides one and the same budget to all who use a key at the same time", () =>
    Effect.gen(function* () {
      yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.provide(Tenant.charge(tokens(2)), Tenants.get("a"))),
        { concurrency: "unbounded" }
      )
      expect(yield* Effect.provide(available, Tenants.get("a"))).toBe(60)
    }).pipe(withTenants)
  )
})

class Plans extends BudgetMap.Service<Plans>()("test/Plans", {
  budget: Tenant,
  options: (tenant) =>
    tenant === "acme" ? { limits: [Limit.slidingWindow("tokens", 400, "1 minute")], weight: 4 } : Tenant.options
}) {}

let changingMax = 100

class Changing extends BudgetMap.Service<Changing>()("test/Changing", {
  budget: Tenant,
  options: () => ({ limits: [Limit.slidingWindow("tokens", changingMax, "1 minute")] }),
  idleTimeToLive: 0
}) {}

class OneAtATime extends BudgetMap.Service<OneAtATime>()("test/OneAtATime", {
  budget: Tenant,
  options: () => ({ limits: [Limit.concurrency(1)] }),
  idleTimeToLive: 0
}) {}
