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
 * | `effect-budget:{openai}:group` | hash: `now`, the last instant; `tickets`, how many were given |
 * | `effect-budget:{openai}:budgets` | sorted set: the keys of the budgets, with when they expire |
 * | `effect-budget:{openai}:budget:<key>` | hash: `limits` as they were named last, `limit/<name>` what a limit has counted, `waiting/<name>` who waits there, `open`, `spent`, `pause` |
 * | `effect-budget:{openai}:window:<key>:<name>` | string: the log of a sliding window, records of 16 digits of an instant and 16 of an amount |
 * | `effect-budget:{openai}:members` | sorted set: processes, with the ends of their leases |
 * | `effect-budget:{openai}:member:<id>` | hash: `held/<key>` what a process holds, `answer/<sequence>` what it was answered last |
 * | `effect-budget:wake` | channel: processes for which there may be room, of all groups |
 *
 * `redis-cli hgetall 'effect-budget:{openai}:budget:openai'` shows the counters of a budget, `zrange …:members 0 -1
 * withscores` who is alive, and `hgetall …:member:<id>` what each holds. {@link inspect} reads all of that at once. Braces
 * and `%` in names are written as `%7b`, `%7d` and `%25`.
 *
 * Every key expires: that of a budget with a cap 30 days after its last use, others an hour after they have stopped to
 * matter, those of a process that died a day after that was noticed.
 *
 * **Gotchas**
 *
 * A server that evicts keys when its memory is full (a `maxmemory-policy` other than `noeviction`) forgets what was
 * counted. A replica that takes over may lack what was done last; processes then count again what they hold.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Redis from "effect/persistence/Redis"
import * as BudgetStore from "./BudgetStore.ts"
import { inspectGroup } from "./internal/store/redis/inspect.ts"
import { makeRedis } from "./internal/store/redis/store.ts"
import type * as Limit from "./Limit.ts"
import type { Store, StoreError } from "./StoreProtocol.ts"
import type * as Usage from "./Usage.ts"

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
 * import { Layer } from "effect"
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

/**
 * What a group has counted, for a person.
 *
 * @category models
 * @since 0.1.0
 */
export interface Inspection {
  /** At most 256, those first that expire last. */
  readonly budgets: ReadonlyArray<InspectedBudget>
  /** Processes whose leases are not settled yet: at most 256, those first whose leases end first. */
  readonly members: ReadonlyArray<InspectedMember>
}

/**
 * The counters of a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface InspectedBudget {
  readonly key: string
  readonly limits: ReadonlyArray<InspectedLimit>
  /** How many reservations are open. */
  readonly open: number
  /** Without the fields of which nothing was ever used. */
  readonly spent: Partial<Usage.Usage>
  /** The end of the last pause, in epoch millis. */
  readonly pausedUntil: number | undefined
  /** When it was read, in epoch millis of the server's clock. */
  readonly asOf: number
  /** When the store forgets it if it is not used, in epoch millis. */
  readonly expiresAt: number
}

/**
 * What a limit has counted. Which counters there are depends on its kind: `reserved` is there for all of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface InspectedLimit {
  readonly name: string
  readonly kind: Exclude<Limit.Limit["_tag"], "PerCall">
  readonly meter: string
  readonly max: number
  /** What counts against the maximum at `asOf`, open reservations included. It exceeds it by the debt. */
  readonly used: number
  /** As they were when the budget was last used. */
  readonly counters: Readonly<Record<string, number>>
  /** Of each process that waits here, the request that has waited longest. */
  readonly waiting: ReadonlyArray<{
    readonly member: string
    readonly ticket: number
    readonly amount: number
    /** When it asks again at the latest, in epoch millis. */
    readonly asksAt: number
  }>
}

/**
 * A process that uses a group.
 *
 * @category models
 * @since 0.1.0
 */
export interface InspectedMember {
  readonly name: string
  /** In epoch millis. Later it counts as dead, and the store settles what it holds. */
  readonly leaseEnd: number
  /** What it has reserved, by budget. */
  readonly held: ReadonlyArray<{
    readonly budget: string
    readonly open: number
    /** How much at each limit. */
    readonly amounts: Readonly<Record<string, number>>
  }>
}

/**
 * Reads what a group has counted and who uses it, in one call.
 *
 * @category inspection
 * @since 0.1.0
 */
export const inspect =
  ({ prefix = "effect-budget" }: Pick<Options, "prefix"> = {}) =>
  (group: string): Effect.Effect<Inspection, StoreError, Redis.Redis> =>
    inspectGroup(prefix, group)
