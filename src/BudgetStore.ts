/**
 * Where the counters of shared budgets live.
 *
 * A budget with a `key` belongs to a store: whoever makes a budget with the same key over the same store, in this
 * process or another, shares its counters. Budgets are used in the same way whatever the store is.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { makeMemory } from "./internal/store/memory.ts"
import { makeSharing, type Sharing } from "./internal/store/sharing.ts"
import type { Lapse, Store } from "./StoreProtocol.ts"

/**
 * The store that budgets with a `key` need.
 *
 * @category services
 * @since 0.1.0
 */
export class BudgetStore extends Context.Service<BudgetStore, Sharing>()("effect-budget/BudgetStore") {}

/**
 * How budgets use a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long the store keeps the reservations of a process that it does not hear of. Default 30 seconds. Renewed after a
   * third of that, while there is anything to keep.
   */
  readonly lease?: Duration.Input | undefined
  /** What happens to the reservations of a process that died. Default `"charge"`. */
  readonly onLapse?: Lapse | undefined
  /**
   * For how long a process takes ahead what its calls will need: calls are then granted in the process, without asking
   * the store for each of them. By default every call asks.
   *
   * **Details**
   *
   * What is taken ahead is what the calls of the last while have asked for, at most an eighth of each limit, and only
   * while nobody waits. What is not used goes back when the time is over. No limit is ever exceeded: what was taken ahead
   * counts in sliding windows from the end of that time, so that room comes back as much later. Ask for a thousandth of
   * the shortest window, or a few milliseconds: that is enough to need few round trips.
   *
   * `snapshot.open` does not count calls that were granted in this way. When a process dies, what it has taken ahead and
   * not used is settled with its lease, like its reservations.
   */
  readonly ahead?: Duration.Input | undefined
  /** How long to wait for an answer until the store counts as unreachable. Default 2 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** What happens to calls while the store is unreachable. Default `"fail"`. */
  readonly whenUnreachable?: WhenUnreachable | undefined
  /** How long closing the layer waits until everything that was settled is in the store. Default 5 seconds. */
  readonly shutdown?: Duration.Input | undefined
}

/**
 * What happens to calls while the store is unreachable: they fail with `BudgetStoreError`, are admitted as if nothing
 * limited them, or keep to a share of each limit, counted in this process from its first outage on. What they use is
 * charged to the store when it is back.
 *
 * @category models
 * @since 0.1.0
 */
export type WhenUnreachable = "fail" | "admit" | { readonly share: number }

/**
 * Lets budgets use a store.
 *
 * **Details**
 *
 * When the layer is closed, it waits until the store knows everything that was settled, at most as long as `shutdown`
 * says, and logs what it could not deliver. What is still open then is settled by the store when the lease is over.
 *
 * It dies with a `RangeError` when a duration is not positive or the share is not between 0 and 1.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(store: Effect.Effect<Store, E, R>, options?: Options): Layer.Layer<BudgetStore, E, R> =>
  Layer.effect(
    BudgetStore,
    Effect.flatMap(store, (store) => makeSharing(store, options ?? {}))
  )

/**
 * A store in this process: for one process, and for tests. It runs on the clock that is current, so that tests with
 * `TestClock` are deterministic.
 *
 * **Example** (two layers with one key are one budget)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, BudgetStore, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const options = { name: "key", key: "openai", limits: [Limit.cap("tokens", 1_000)] }
 *   const one = yield* Budget.make(options)
 *   const other = yield* Budget.make(options)
 *   yield* one.charge(Usage.make({ inputTokens: 300 }))
 *   return (yield* other.snapshot).limits[0]?.available
 * })
 *
 * await program.pipe(Effect.scoped, Effect.provide(BudgetStore.layerMemory()), Effect.runPromise) // => 700
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options?: Options): Layer.Layer<BudgetStore> => layer(makeMemory, options)
