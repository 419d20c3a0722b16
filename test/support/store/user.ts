/**
 * Who uses a store in Redis: a key, and its counters. Each user has a connection and a lease of its own. Modules are
 * imported one by one: processes start faster so.
 */
import * as Budget from "effect-budget/Budget"
import type * as BudgetStore from "effect-budget/BudgetStore"
import * as Limit from "effect-budget/Limit"
import * as RedisBudgetStore from "effect-budget/RedisBudgetStore"
import * as Usage from "effect-budget/Usage"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redis from "effect/persistence/Redis"
import type * as Scope from "effect/Scope"
import * as ClusterClient from "../redis/clusterClient.ts"
import type { Cluster } from "../redis/cluster.ts"
import { layerAt, type Server } from "../redis/server.ts"

export const tokens = (inputTokens: number): Usage.Usage => Usage.make({ inputTokens })

/** A key of a provider, with the limits that show most clearly what was lost or counted twice. */
export const key = Budget.make({
  name: "key",
  key: "openai",
  limits: [Limit.cap("tokens", 1_000), Limit.concurrency(2)]
})

export interface Counters {
  /** When it was so. While the store cannot be reached, it is what was heard last. */
  readonly asOf: number
  readonly open: number
  readonly waiting: number
  readonly spent: number
  /** Of each limit. */
  readonly used: ReadonlyArray<number>
  readonly reserved: ReadonlyArray<number>
}

export const countersOf = (budget: Budget.Budget): Effect.Effect<Counters> =>
  Effect.map(budget.snapshot, ({ asOf, limits, open, spent, waiting }) => ({
    asOf,
    open,
    waiting,
    spent: spent.inputTokens,
    used: limits.map(({ used }) => used),
    reserved: limits.map(({ reserved }) => reserved)
  }))

/** As another process has it: the store over a connection of its own. */
export const userAt = (
  { keyPrefix, url }: Pick<Server, "keyPrefix" | "url">,
  options: BudgetStore.Options = {}
): Effect.Effect<Context.Context<BudgetStore.BudgetStore>, Redis.RedisError, Scope.Scope> =>
  Layer.build(RedisBudgetStore.layer({ ...options, prefix: keyPrefix }).pipe(Layer.provide(layerAt(url))))

/** The same in a cluster. */
export const userOfCluster = (
  { keyPrefix, nodes }: Pick<Cluster, "keyPrefix" | "nodes">,
  options: BudgetStore.Options = {}
): Effect.Effect<Context.Context<BudgetStore.BudgetStore>, Redis.RedisError, Scope.Scope> =>
  Layer.build(
    RedisBudgetStore.layer({ ...options, prefix: keyPrefix }).pipe(
      Layer.provide(ClusterClient.layer({ rootNodes: nodes.map(({ url }) => ({ url })) }))
    )
  )

/** As {@link userAt}, and a budget of it. */
export const budgetAt = <E>(
  server: Pick<Server, "keyPrefix" | "url">,
  make: Effect.Effect<Budget.Budget, E, BudgetStore.BudgetStore | Scope.Scope>,
  options: BudgetStore.Options = {}
): Effect.Effect<Budget.Budget, E | Redis.RedisError, Scope.Scope> =>
  Effect.flatMap(userAt(server, options), (user) => Effect.provide(make, user))
