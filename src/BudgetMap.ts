/**
 * A family of budgets by key: per tenant, per model, per provider key.
 *
 * Built on Effect's `LayerMap`. Each key has a budget of its own, whose counters outlive its layer: what a tenant has
 * spent is remembered between two calls, for as long as it matters to one of its limits.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LayerMap from "effect/LayerMap"
import type * as Scope from "effect/Scope"
import type * as Budget from "./Budget.ts"
import { Admission } from "./internal/admission/admission.ts"
import { makeNode, makeSharedNode, open, reopenNode } from "./internal/budget.ts"
import { Retention } from "./internal/retention.ts"

/**
 * Budgets by key.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetMap<Id> {
  /** A layer with the budget of a key. All layers of one key are the same budget. */
  get(key: string): Layer.Layer<Id>

  /**
   * Forgets what the budget of a key has counted. Who uses it just now goes on with the old counters. Counters in a
   * store belong to all processes and stay.
   */
  forget(key: string): Effect.Effect<void>
}

/**
 * What a family is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Id, Outer, Store = never> {
  /** The budget that each key provides. It brings the budgets that they are all within. */
  readonly budget: Budget.ServiceClass<Id, string, Outer, Store>
  /** What the budget of a key is made of: as `budget` by default. Keys of one plan best share one array of limits. */
  readonly options?: ((key: string) => Budget.Options) | undefined
  /**
   * How long the layer of a key outlives its last user. Default one minute. It does not decide what is remembered:
   * counters stay for as long as a limit needs them, and changes by `updateLimits` stay for as long as the layer does.
   */
  readonly idleTimeToLive?: Duration.Input | undefined
}

/**
 * The class that {@link Service} makes.
 *
 * @category services
 * @since 0.1.0
 */
export interface ServiceClass<Self, Name extends string, Id, Outer, Store = never> extends Context.ServiceClass<
  Self,
  Name,
  BudgetMap<Id>
> {
  /** Holds the counters of all keys. */
  readonly layer: Layer.Layer<Self, never, Exclude<Outer, Scope.Scope> | Store>
  /** See {@link BudgetMap.get}. */
  readonly get: (key: string) => Layer.Layer<Id, never, Self>
  /** See {@link BudgetMap.forget}. */
  readonly forget: (key: string) => Effect.Effect<void, never, Self>
}

/**
 * Declares a family of budgets as a service.
 *
 * **Details**
 *
 * Where `budget` has a `key`, each key of the family has counters of its own in the store, under `key/` and its own.
 *
 * Memory is bounded by what has to be remembered: a key whose windows are empty, whose buckets are full and whose
 * caps are unspent is forgotten. A cap that has been spent from is never forgotten by itself, because the next call
 * would start from zero: see {@link BudgetMap.forget}.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, BudgetMap, Limit, Usage } from "effect-budget"
 *
 * class ProviderKey extends Budget.Service<ProviderKey>()("app/ProviderKey", {
 *   limits: [Limit.slidingWindow("tokens", 90_000, "1 minute")]
 * }) {}
 *
 * class Tenant extends Budget.Service<Tenant>()("app/Tenant", {
 *   limits: [Limit.slidingWindow("tokens", 8_000, "1 minute")],
 *   within: [ProviderKey]
 * }) {}
 *
 * const premium: Budget.Options = { limits: [Limit.slidingWindow("tokens", 40_000, "1 minute")], weight: 5 }
 *
 * class Tenants extends BudgetMap.Service<Tenants>()("app/Tenants", {
 *   budget: Tenant,
 *   options: (tenant) => (tenant === "acme" ? premium : Tenant.options)
 * }) {}
 *
 * const program = Tenant.charge(Usage.make({ inputTokens: 6_000 })).pipe(
 *   Effect.andThen(Tenant.snapshot),
 *   Effect.map((snapshot) => snapshot.limits[0]?.available),
 *   Effect.provide(Tenants.get("acme")),
 *   Effect.provide(Tenants.layer),
 *   Effect.provide(ProviderKey.layer)
 * )
 *
 * await Effect.runPromise(program) // => 34_000
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export const Service =
  <Self>() =>
  <const Name extends string, Id, Outer = never, Store = never>(
    name: Name,
    options: Options<Id, Outer, Store>
  ): ServiceClass<Self, Name, Id, Outer, Store> => {
    const tag = Context.Service<Self, BudgetMap<Id>>()(name)
    return Object.assign(tag, {
      layer: Layer.effect(tag, make(options)),
      get: (key: string) => Layer.unwrap(tag.useSync((map) => map.get(key))),
      forget: (key: string) => tag.use((map) => map.forget(key))
    })
  }

/**
 * Makes a family of budgets whose counters live as long as the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <Id, Outer, Store = never>(
  options: Options<Id, Outer, Store>
): Effect.fn.Return<BudgetMap<Id>, never, Outer | Store | Scope.Scope> {
  const { budget, idleTimeToLive = "1 minute", options: optionsOf = () => budget.options } = options
  const admission = yield* Admission.current
  const within = yield* Effect.all(budget.within)
  const storage = yield* budget.storage
  const retention = new Retention()
  const now = () => admission.timeline.now()

  const nodeOf = (key: string, options: Budget.Options) => {
    const made = { ...options, name: `${budget.key}(${key})`, within }
    return storage === undefined
      ? makeNode(admission, made)
      : makeSharedNode(admission, storage.sharing, `${storage.key}/${key}`, made)
  }

  const budgetOf = Effect.fnUntraced(function* (key: string) {
    const options = optionsOf(key)
    const left = retention.find(key)
    if (left !== undefined) reopenNode(admission, left, options)
    const node = left ?? nodeOf(key, options)
    retention.use(key, node, now())
    yield* Effect.addFinalizer(() => Effect.sync(() => retention.leave(key, node, now())))
    return yield* open(admission, node, { onFailure: options.onFailure, within })
  })

  const layers = yield* LayerMap.make((key: string) => Layer.effect(budget, budgetOf(key)), { idleTimeToLive })
  return {
    get: (key) => layers.get(key),
    forget: (key) =>
      Effect.andThen(
        Effect.sync(() => retention.forget(key)),
        layers.invalidate(key)
      )
  }
})
