import { assert } from "@effect/vitest"
import { Budget, BudgetMap, Deadline, Limit, RedisBudgetStore } from "effect-budget"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { layerAt, type Server } from "./support/redis/server.ts"
import { describeServers } from "./support/redis/servers.ts"
import { become, live, openCall, ROUNDING_MILLIS, spend, timed, used } from "./support/store/calls.ts"
import { budgetAt, countersOf, key, tokens, userAt } from "./support/store/user.ts"

/** What holds to the millisecond, `Budget.shared.test.ts` shows. Here the clock is the server's. */
describeServers("processes that share a budget in Redis", ({ start }) => {
  live("count together what each of them has used", () =>
    Effect.gen(function* () {
      const server = yield* start
      const [one, other] = [yield* budgetAt(server, key), yield* budgetAt(server, key)]
      yield* Effect.all([spend(one, 300, 250), spend(other, 200, 50)], { concurrency: "unbounded" })
      for (const budget of [one, other]) {
        yield* become(countersOf(budget), { ...used(300, 0), reserved: [0, 0], spent: 300 })
      }
      const refused = yield* Effect.flip(spend(other, 701))
      assert.strictEqual(refused.reason._tag, "BudgetExceeded")
    })
  )

  live("wake whoever waits: without that, each of twenty turns would take five seconds", () =>
    Effect.gen(function* () {
      const server = yield* start
      const make = Budget.make({ name: "key", key: "openai", limits: [Limit.concurrency(1)] })
      const [one, other] = [yield* budgetAt(server, make), yield* budgetAt(server, make)]
      for (let turn = 0; turn < 20; turn++) {
        const end = yield* openCall(other, 1, 1)
        const waiting = yield* Effect.forkChild(spend(one, 1))
        yield* become(countersOf(one), { waiting: 1 })
        yield* end
        yield* Fiber.join(waiting)
      }
      yield* become(countersOf(other), { used: [0], spent: 40 })
    })
  )

  live("wait for a window that another process has used up, until there is room", () =>
    Effect.gen(function* () {
      const server = yield* start
      const make = Budget.make({ name: "key", key: "openai", limits: [Limit.slidingWindow("tokens", 100, WINDOW)] })
      const [one, other] = [yield* budgetAt(server, make), yield* budgetAt(server, make)]
      const { millis } = yield* timed(Effect.andThen(spend(other, 100), spend(one, 50)))
      assert.isAtLeast(millis, WINDOW - ROUNDING_MILLIS)
    })
  )

  live("end their waiting when the time of a task is over, and hold nothing then", () =>
    Effect.gen(function* () {
      const server = yield* start
      const [one, other] = [yield* budgetAt(server, key), yield* budgetAt(server, key)]
      const end = yield* openCall(other, 1_000, 100)
      const { millis, value } = yield* timed(Effect.flip(Deadline.within(WINDOW)(spend(one, 10))))
      assert.strictEqual(value.reason._tag, "DeadlineExceeded")
      assert.isAtLeast(millis, WINDOW - ROUNDING_MILLIS)
      yield* end
      yield* become(countersOf(one), { ...used(100, 0), reserved: [0, 0], waiting: 0 })
    })
  )

  live("give back what is a process's own when the store refuses the rest of a path", () =>
    Effect.gen(function* () {
      const server = yield* start
      const [one, other] = [yield* budgetAt(server, key), yield* budgetAt(server, key)]
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 500)], within: [one] })
      const end = yield* openCall(other, 900, 700)
      const waiting = yield* Effect.forkChild(spend(run, 300, 200))
      yield* become(countersOf(run), { waiting: 1, used: [0], reserved: [0] })
      yield* end
      yield* Fiber.join(waiting)
      yield* become(countersOf(run), { waiting: 0, used: [200], reserved: [0] })
      yield* become(countersOf(other), used(900, 0))
    })
  )

  live("are refused together while any of them has paused it", () =>
    Effect.gen(function* () {
      const server = yield* start
      const [one, other] = [yield* budgetAt(server, key), yield* budgetAt(server, key)]
      yield* one.pauseUntil(Date.now() + 3_600_000)
      yield* become(countersOf(one), {})
      const refused = yield* Effect.flip(Effect.scoped(other.tryReserve(tokens(1))))
      assert.strictEqual(refused.reason._tag, "Paused")
    })
  )

  live("leave what they have settled to those who come when they are gone", () =>
    Effect.gen(function* () {
      const server = yield* start
      const scope = yield* Scope.make()
      const gone = yield* Scope.provide(budgetAt(server, key), scope)
      yield* spend(gone, 300, 250)
      yield* Scope.close(scope, Exit.void)
      // Closing has waited until the store knew: who comes next need not.
      assert.deepInclude(yield* countersOf(yield* budgetAt(server, key)), { used: [250, 0], spent: 250 })
    })
  )

  live("share nothing under another prefix", () =>
    Effect.gen(function* () {
      const server = yield* start
      const one = yield* budgetAt(server, key)
      const other = yield* budgetAt({ ...server, keyPrefix: `${server.keyPrefix}other` }, key)
      yield* spend(one, 300)
      yield* become(countersOf(one), used(300, 0))
      yield* become(countersOf(other), used(0, 0))
    })
  )

  live("have a budget for each tenant, as services that layers provide", () =>
    Effect.gen(function* () {
      const server = yield* start
      const [one, other] = [yield* tenantsAt(server), yield* tenantsAt(server)]
      yield* Effect.provide(spendAs("acme", 60), one)
      yield* Effect.provide(spendAs("globex", 50), other)
      yield* Effect.forEach([one, other], (process) =>
        Effect.gen(function* () {
          yield* become(countersOf(Context.get(process, ProviderKey)), { used: [110], spent: 110 })
          const refused = yield* Effect.flip(Effect.provide(spendAs("acme", 50), process))
          assert.include(refused.message, "Tenant(acme)")
        })
      )
    })
  )
})

describeServers("a process that uses several budgets in one Redis", ({ start }) =>
  live("keeps groups apart, over one connection", () =>
    Effect.gen(function* () {
      const server = yield* start
      const user = yield* userAt(server)
      const keyOf = (name: string) => Budget.make({ name, key: name, limits: [Limit.concurrency(1)] })
      const budgets = yield* Effect.provide(Effect.forEach(["openai", "anthropic"], keyOf), user)
      const ends = yield* Effect.forEach(budgets, (budget) => openCall(budget, 10, 5))
      const waiting = yield* Effect.forEach(budgets, (budget) => Effect.forkChild(spend(budget, 1)))
      for (const [index, end] of ends.entries()) {
        yield* become(countersOf(budgets[index]!), { waiting: 1, used: [1] })
        yield* end
        yield* Fiber.join(waiting[index]!)
      }
      yield* Effect.forEach(budgets, (budget) => become(countersOf(budget), { used: [0], spent: 6 }))
    })
  )
)

const WINDOW = 150

class ProviderKey extends Budget.Service<ProviderKey>()("test/ProviderKey", {
  key: "openai",
  limits: [Limit.cap("tokens", 1_000)]
}) {}

class Tenant extends Budget.Service<Tenant>()("test/Tenant", {
  key: "tenants",
  limits: [Limit.cap("tokens", 100)],
  within: [ProviderKey]
}) {}

class Tenants extends BudgetMap.Service<Tenants>()("test/Tenants", { budget: Tenant }) {}

const spendAs = (tenant: string, amount: number) =>
  Effect.void.pipe(Tenant.spend({ estimate: tokens(amount) }), Effect.provide(Tenants.get(tenant)))

const tenantsAt = ({ keyPrefix, url }: Server) =>
  Layer.build(
    Tenants.layer.pipe(
      Layer.provideMerge(ProviderKey.layer),
      Layer.provide(RedisBudgetStore.layer({ prefix: keyPrefix })),
      Layer.provide(layerAt(url)),
      Layer.fresh
    )
  )
