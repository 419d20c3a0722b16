/**
 * Budgets that are shared by processes and machines, through Redis or Valkey.
 *
 * Whoever provides it brings the client: `effect/persistence`'s `Redis` service, from `NodeRedis` of
 * `@effect/platform-node` or its like for Bun and Deno.
 *
 * **Details**
 *
 * Every batch of reservations and settlements is one call of one script: one round trip, atomic, on the server's clock.
 * Redis 6.2 to 8 and Valkey will do. All keys of a group have the same hash tag, so that a path is in one slot of a
 * cluster. With the prefix `effect-budget` and the group `openai`:
 *
 * | key | what it has |
 * | --- | --- |
 * | `effect-budget:{openai}:group` | hash: the last instant, how many tickets were given |
 * | `effect-budget:{openai}:budget:<key>` | hash: what each limit has counted, what was spent, who waits |
 * | `effect-budget:{openai}:window:<key>:<limit>` and `…:amounts:…` | the log of a sliding window: instants, amounts |
 * | `effect-budget:{openai}:members` | sorted set: processes, with the ends of their leases |
 * | `effect-budget:{openai}:member:<id>` | hash: what a process holds, and what it was answered last |
 *
 * `redis-cli hgetall 'effect-budget:{openai}:budget:openai'` shows the counters of a budget, `zrange …:members 0 -1
 * withscores` who is alive, and `hgetall …:member:<id>` what each holds. Every key expires: that of a budget with a cap
 * 30 days after its last use, others an hour after they have stopped to matter, those of a process a day after its lease.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Redis from "effect/persistence/Redis"
import * as BudgetStore from "./BudgetStore.ts"
import { makeRedis } from "./internal/store/redis/store.ts"
import type { Store } from "./StoreProtocol.ts"

/**
 * How budgets use a Redis.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends BudgetStore.Options {
  /** Begins all keys. Programs that share budgets have the same. Default `effect-budget`. */
  readonly prefix?: string | undefined
}

/**
 * Budgets with a `key` are shared by everybody who uses the same Redis with the same prefix.
 *
 * **Example** (two processes that share one key of a provider)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Budget, Limit, RedisBudgetStore } from "effect-budget"
 *
 * class ProviderKey extends Budget.Service<ProviderKey>()("app/ProviderKey", {
 *   key: "openai",
 *   limits: [Limit.slidingWindow("tokens", 90_000, "1 minute"), Limit.concurrency(40)]
 * }) {}
 *
 * // With NodeRedis.layer({ url }) of @effect/platform-node, in each process.
 * const shared = ProviderKey.layer.pipe(Layer.provide(RedisBudgetStore.layer({ whenUnreachable: { share: 0.1 } })))
 *
 * Layer.isLayer(shared) // => true
 * void Effect
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<BudgetStore.BudgetStore, never, Redis.Redis> =>
  BudgetStore.layer(make(options), options)

/**
 * The store by itself, for who wants to put something between it and the budgets.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ prefix = "effect-budget" }: Pick<Options, "prefix"> = {}): Effect.Effect<
  Store,
  never,
  Redis.Redis
> => Effect.suspend(() => makeRedis({ prefix }))
