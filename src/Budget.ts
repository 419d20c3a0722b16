/**
 * A set of limits, perhaps inside other budgets, with one waiting line.
 *
 * A call reserves an estimate before it is made, runs, and settles what it really used: on success, failure and
 * interruption alike. Reserving is atomic over every limit of the budget and of all budgets around it.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { BudgetError } from "./BudgetError.ts"
import type { BudgetEvent } from "./BudgetEvent.ts"
import { BudgetStore } from "./BudgetStore.ts"
import * as internal from "./internal/budget.ts"
import type * as Limit from "./Limit.ts"
import type * as Meter from "./Meter.ts"
import type { Reservation } from "./Reservation.ts"
import type * as Usage from "./Usage.ts"

/**
 * A set of limits with one waiting line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  readonly name: string

  /**
   * Reserves an estimate for as long as the scope is open, waiting for room if there is none.
   *
   * **Details**
   *
   * Waiting holds nothing. It ends by admission, with a {@link BudgetError} when `maxWait` is over or the request has
   * become impossible, or by interruption; whoever was not admitted leaves no trace.
   */
  reserve(estimate: Usage.Usage, options?: ReserveOptions): Effect.Effect<Reservation, BudgetError, Scope.Scope>

  /** Reserves an estimate if that is possible at once, and fails otherwise. */
  tryReserve(estimate: Usage.Usage, options?: TryReserveOptions): Effect.Effect<Reservation, BudgetError, Scope.Scope>

  /** Runs a body with a reservation, which is settled when the body ends. */
  withReservation<A, E, R>(
    estimate: Usage.Usage,
    body: (reservation: Reservation) => Effect.Effect<A, E, R>,
    options?: ReserveOptions
  ): Effect.Effect<A, E | BudgetError, R>

  /**
   * Runs an effect within the budget: the everyday case.
   *
   * **Details**
   *
   * `actual` says what a success has used. Without it, or when what it says makes no sense, the estimate is charged;
   * if `actual` throws, the estimate is charged, too, and the result is kept.
   */
  spend(options: SpendOptions): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError, R>
  spend<A>(
    options: SpendActualOptions<NoInfer<A>>
  ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError, R>
  spend<Readable>(
    options: SpendActualOptions<Readable>
  ): <A extends Readable, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError, R>

  /**
   * Records usage that had no reservation, whether or not there is room for it. It fails only when the usage makes no
   * sense; then nothing was recorded.
   */
  charge(usage: Usage.Usage): Effect.Effect<void, BudgetError>

  /** The counters as they are now. */
  readonly snapshot: Effect.Effect<Snapshot>

  /**
   * What happens in this budget and in those inside it, from the subscription on. A subscriber that lags behind by
   * more than 4,096 events loses the oldest; admission never waits for one.
   */
  readonly events: Stream.Stream<BudgetEvent>

  /**
   * Admits nothing before an instant, as after a provider's Retry-After.
   *
   * **Details**
   *
   * What is open goes on. Of several pauses the longest counts; an instant that is over ends the pause. Pauses of the
   * same length, or one after the other, replace each other, also in how they are resumed.
   *
   * **Example** (after a 429, whoever has waited is let in one by one)
   *
   * ```ts
   * import { Clock, Effect, Fiber } from "effect"
   * import { TestClock } from "effect/testing"
   * import { Budget, Usage } from "effect-budget"
   *
   * const program = Effect.gen(function* () {
   *   const key = yield* Budget.make({ name: "key", limits: [] })
   *   yield* key.pauseUntil(30_000, { resume: "gradual" })
   *
   *   const call = Clock.currentTimeMillis.pipe(key.spend({ estimate: Usage.make({}) }))
   *   const calls = yield* Effect.forkChild(Effect.all([call, call, call, call], { concurrency: "unbounded" }))
   *   yield* TestClock.adjust("1 minute")
   *   return yield* Fiber.join(calls)
   * })
   *
   * const instants = await program.pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise)
   * instants // => [30_000, 31_000, 31_500, 32_000]
   * ```
   */
  pauseUntil(instant: DateTime.DateTime.Input, options?: PauseOptions): Effect.Effect<void>

  /**
   * Takes note of what the provider says is left of one of its limits: others may use it, too.
   *
   * **Details**
   *
   * Each sliding window, fixed window and token bucket of this budget on the same meter, with a period of at most one
   * minute and a maximum of at most the provider's, is charged at once what it has left beyond that. It comes back as
   * any charge does. Nothing is ever loosened, `spent` does not change, and the budgets around this one are left alone:
   * tighten the one that stands for the provider's key. What makes no sense, as a negative number, is ignored.
   *
   * **Example**
   *
   * ```ts
   * import { Effect } from "effect"
   * import { Budget, Limit } from "effect-budget"
   *
   * const program = Effect.gen(function* () {
   *   const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 90_000, "1 minute")] })
   *   yield* key.tighten({ meter: "tokens", limit: 100_000, remaining: 20_000 })
   *   return (yield* key.snapshot).limits[0]?.available
   * })
   *
   * await Effect.runPromise(Effect.scoped(program)) // => 20_000
   * ```
   */
  tighten(window: ProviderWindow): Effect.Effect<void>

  /**
   * Puts other limits in place while the budget is in use.
   *
   * **Details**
   *
   * A limit with the name, kind and meter of one that is there keeps what was counted and changes its maximum or its
   * period. A new one starts empty and does not see what is already open. Whoever waits is measured again: some may
   * now go, some fail. It dies with a `RangeError` when two limits have the same name, and then changes nothing.
   */
  updateLimits(limits: ReadonlyArray<Limit.Limit>): Effect.Effect<void>
}

/**
 * How a reservation is asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReserveOptions {
  /**
   * The least that is acceptable. With it the reservation is elastic: it is granted as much as there is room for now,
   * between this and the estimate; `reservation.granted` says how much.
   *
   * **Details**
   *
   * It waits, is refused and is overtaken as a request of `least`. When that is let in, it is granted the most output
   * tokens, up to the estimate's, that fit into all limits then and delay nobody who is protected from being delayed.
   * Everything else in which the two differ grows in proportion, rounded up (what is read from and written to a cache:
   * down). Where both have the same output tokens, either of them is granted.
   *
   * No field of `least` may be larger than that of the estimate, or the request fails with `InvalidUsage`.
   *
   * **Example** (a short answer instead of an error)
   *
   * ```ts
   * import { Effect } from "effect"
   * import { Budget, Limit, Usage } from "effect-budget"
   *
   * const ask = (outputTokens: number) => Usage.make({ inputTokens: 200, outputTokens })
   *
   * const program = Effect.gen(function* () {
   *   const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
   *   return yield* run.withReservation(
   *     ask(4_000),
   *     (reservation) => Effect.succeed(`max_tokens: ${reservation.granted.outputTokens}`),
   *     { least: ask(100) }
   *   )
   * })
   *
   * await Effect.runPromise(Effect.scoped(program)) // => "max_tokens: 800"
   * ```
   */
  readonly least?: Usage.Usage | undefined
  /**
   * How long to wait for room; without end by default. A request fails at once when it is certain that this is not
   * enough: the instant of its start is known, and nothing that is open could give anything back before.
   */
  readonly maxWait?: Duration.Input | undefined
  /** Requests of a higher priority go first within the budget. Default 0. */
  readonly priority?: number | undefined
  /** What a failure or an interruption costs when nothing was recorded. Overrides the budget's. */
  readonly onFailure?: OnFailure | undefined
  /**
   * Runs while the request has to wait, and is interrupted when the waiting ends. The effect that it is given says the
   * {@link Place} whenever it is run: for a message such as "number 5, in 12 seconds".
   */
  readonly onWait?: ((place: Effect.Effect<Place>) => Effect.Effect<void>) | undefined
}

/**
 * How a reservation is asked for that must be possible at once.
 *
 * @category models
 * @since 0.1.0
 */
export type TryReserveOptions = Pick<ReserveOptions, "least" | "onFailure">

/**
 * How a pause ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface PauseOptions {
  /**
   * Whether those who have waited go all at once when the pause is over (the default), or gradually: then at most 1, 2,
   * 4, 8, … reservations are admitted in the first second, the second, and so on, evenly spaced. After 10 seconds
   * nothing bounds them any more. Who resumes everyone at the same instant after a 429 makes the next 429.
   *
   * Until then, who may not wait can be refused as `Paused`, with an exact `retryAfter`, though the pause is over.
   */
  readonly resume?: "atOnce" | "gradual" | undefined
}

/**
 * What a provider says is left of one of its limits, as in the headers of a response. Amounts are whole units of the
 * meter, and dollars for `"usd"`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderWindow {
  readonly meter: Meter.Input
  /** The provider's maximum. */
  readonly limit: number
  readonly remaining: number
}

/**
 * How {@link Budget.spend} reserves.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpendOptions extends ReserveOptions {
  readonly estimate: Usage.Usage
  readonly actual?: undefined
}

/**
 * How {@link Budget.spend} reserves, and what a success has used.
 *
 * @category models
 * @since 0.1.0
 */
export interface SpendActualOptions<A> extends ReserveOptions {
  readonly estimate: Usage.Usage
  readonly actual: (value: A) => Usage.Usage
}

/**
 * What a failure or an interruption costs when nothing was recorded: nothing, the estimate, or what its cause says.
 *
 * **Details**
 *
 * A function is asked only when the call has begun. If it throws, or the usage makes no sense, the estimate is charged
 * and an event says so.
 *
 * @category models
 * @since 0.1.0
 */
export type OnFailure = Owed | ((cause: Cause.Cause<unknown>) => Owed | Usage.Usage)

/**
 * Nothing, or the estimate.
 *
 * @category models
 * @since 0.1.0
 */
export type Owed = "release" | "charge"

/**
 * Where a request stands in line.
 *
 * **Details**
 *
 * `position` counts from 1 at the limit where it waits, in the order in which requests would be served if nobody came
 * or left; it is 0 when the waiting is over. `startsAt` (epoch millis) is the earliest start that can be promised now,
 * if nothing is given back before; it is absent when only settlements make room. The promise is kept to whoever is
 * next in line: those behind can still be overtaken by small requests that come later.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  readonly position: number
  readonly startsAt: number | undefined
}

/**
 * The counters of a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  readonly name: string
  readonly limits: ReadonlyArray<LimitSnapshot>
  /** Reservations that are not settled, of this budget and of those inside it. */
  readonly open: number
  /** Requests that wait in this process, for this budget and for those inside it. */
  readonly waiting: number
  /**
   * Everything that was settled or charged, here and in the budgets inside it. What a store has settled, because a
   * process had died, is in the counters of the limits only.
   */
  readonly spent: Usage.Usage
  /** Until when nothing is admitted, in epoch millis, during a pause. */
  readonly pausedUntil: number | undefined
  /**
   * When it was so, in epoch millis: now. While the store of a shared budget cannot be reached, when that was last heard
   * of; 0 if it never was.
   */
  readonly asOf: number
}

/**
 * The counters of a limit, in the integers of its meter.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitSnapshot {
  readonly limit: Limit.Limit
  /** What counts against the maximum now, open reservations included. It exceeds the maximum by the debt. */
  readonly used: number
  /** The estimates of open reservations. */
  readonly reserved: number
  /** What is left: never below zero. */
  readonly available: number
}

/**
 * What a budget is made of, besides its name and its surroundings.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly limits: ReadonlyArray<Limit.Limit>
  /** Its share where it competes with others for a limit that they have in common. A positive number, default 1. */
  readonly weight?: number | undefined
  /** What a failure or an interruption costs when nothing was recorded. Default `"release"`. */
  readonly onFailure?: OnFailure | undefined
  /**
   * Whether its limits are only tried out: they count and report, but refuse nobody and keep nobody waiting. Default
   * `false`.
   *
   * **Details**
   *
   * What is reserved and used counts in them as ever, so that they may stand above their maximum. Each reservation that
   * one of them would have kept waiting or refused when it was admitted is told as a `Shadowed` event. A pause of the
   * budget, too, is only told, and an elastic reservation is granted what the other limits of its path have room for.
   * Those decide as ever, all at one instant. An estimate that makes no sense to a meter is refused here, too; a price
   * that is not known is not, and costs nothing.
   *
   * **Example** (what would a limit of 100 tokens per minute do to this traffic?)
   *
   * ```ts
   * import { Effect, Fiber, Stream } from "effect"
   * import { Budget, Limit, Usage } from "effect-budget"
   *
   * const program = Effect.gen(function* () {
   *   const tried = yield* Budget.make({
   *     name: "tried",
   *     limits: [Limit.slidingWindow("tokens", 100, "1 minute")],
   *     shadow: true
   *   })
   *   const shadowed = yield* tried.events.pipe(
   *     Stream.filter((event) => event._tag === "Shadowed"),
   *     Stream.take(1),
   *     Stream.runCollect,
   *     Effect.forkChild({ startImmediately: true })
   *   )
   *   yield* Effect.yieldNow
   *
   *   const call = Effect.void.pipe(tried.spend({ estimate: Usage.make({ inputTokens: 80 }) }))
   *   yield* Effect.andThen(call, call)
   *   return (yield* Fiber.join(shadowed)).map((event) => event.reason._tag)
   * })
   *
   * await Effect.runPromise(Effect.scoped(program)) // => ["WindowExceeded"]
   * ```
   */
  readonly shadow?: boolean | undefined
  /**
   * Fractions of each limit's maximum that are told as a `ThresholdReached` event, as `[0.5, 0.8, 1]`: when what counts
   * against it, open reservations included, reaches them. Positive numbers; none by default.
   *
   * **Details**
   *
   * Each is told once for the life of a cap, and again only when `updateLimits` has raised its maximum so that it was
   * not reached any more. Windows, buckets and concurrency tell it again after their use has been at least a tenth of
   * the maximum below it, or zero. `Limit.perCall` holds nothing and tells nothing. What nobody listens to is not told
   * later.
   */
  readonly thresholds?: ReadonlyArray<number> | undefined
}

/**
 * What a budget is made of, its name and surroundings included.
 *
 * @category models
 * @since 0.1.0
 */
export interface MakeOptions extends Options {
  /** Names the budget in errors, events and snapshots. */
  readonly name: string
  /** The budgets that it is inside: what it spends, they spend. */
  readonly within?: ReadonlyArray<Budget>
}

/**
 * Makes a budget, private to the scope. When the scope closes, whoever waits for it just then is interrupted.
 *
 * **Details**
 *
 * With a `key` its counters belong to the `BudgetStore`: all budgets of that key, in this process and in others, share
 * them. The limits are those that each declares: processes should declare the same. Budgets that are reserved together
 * must have one outermost shared budget, or the same word in braces in their keys, as in `"{acme}/key"`.
 *
 * It dies with a `RangeError` when two limits have the same name, the weight or a threshold is not a positive number,
 * the budgets it is within live under another `Clock`, or a budget around it has the same key or another store.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 90_000, "1 minute")] })
 *   const run = yield* Budget.make({ name: "run", limits: [Limit.cap("usd", 2)], within: [key] })
 *
 *   yield* Effect.succeed("an answer").pipe(
 *     run.spend({ estimate: Usage.make({ inputTokens: 1_200, outputTokens: 500, costUsd: 0.01 }) })
 *   )
 *   return (yield* key.snapshot).spent.inputTokens
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => 1_200
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: {
  (options: MakeOptions & { readonly key: string }): Effect.Effect<Budget, never, Scope.Scope | BudgetStore>
  (options: MakeOptions & { readonly key?: undefined }): Effect.Effect<Budget, never, Scope.Scope>
} = internal.make

/**
 * Carves a budget out of another one, for as long as the scope is open: what it may spend is set aside there at once,
 * and what it does not use goes back when the scope closes.
 *
 * **Details**
 *
 * - `limits` has at least one `Limit.cap`. For each meter with a cap, its maximum (the smallest, of several) is reserved
 *   in all caps on that meter of `from` and of the budgets around it, at one instant. Where nobody caps a meter, nothing
 *   is set aside for it.
 * - It fails with a {@link BudgetError} that names the cap with too little room. By default it does not wait for room:
 *   those who hold it may well be slices that the same fiber has made. With `maxWait` it stands in line as any request.
 * - A call of the slice passes the slice's own limits and, when it is made, everything that `from` and the budgets around
 *   it are bound by but the caps that have been carved: windows, buckets, concurrency, ceilings per call and pauses are
 *   about speed, and are not set aside.
 * - The caps count what a call has used when it settles: what was reserved for the slice becomes used. An overrun of the
 *   slice's own maximum counts in them at once. `spent` and `open` of the budgets around it count calls, not slices.
 * - Calls that are open when the scope closes keep what they have reserved. A call that is made after that is one of an
 *   ordinary budget inside `from`.
 * - What is set aside is set aside in this process: the caps of shared budgets are passed by each call.
 * - `updateLimits` changes nothing of what was set aside. A slice with a larger maximum than that still gets no more.
 *   A cap that `from` gets meanwhile holds nothing for the slice, whose calls pass it one by one.
 *
 * It dies with a `RangeError` as {@link make} does, when there is no cap, or with `shadow`. A budget cannot be within two
 * slices of the same budget.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
 *   const availableIn = (budget: Budget.Budget) =>
 *     Effect.map(budget.snapshot, ({ limits }) => limits[0]?.available)
 *
 *   const research = Effect.gen(function* () {
 *     const slice = yield* Budget.slice({ name: "research", from: run, limits: [Limit.cap("tokens", 400)] })
 *     yield* slice.spend({ estimate: Usage.make({ inputTokens: 150 }) })(Effect.succeed("an answer"))
 *     return yield* availableIn(run)
 *   })
 *   return [yield* Effect.scoped(research), yield* availableIn(run)]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => [600, 850]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const slice: (
  options: Options & {
    /** Names the budget in errors, events and snapshots. */
    readonly name: string
    /** The budget that it is carved out of. */
    readonly from: Budget
    /** How long to wait until everything can be set aside. Default 0: it is refused at once. */
    readonly maxWait?: Duration.Input | undefined
  }
) => Effect.Effect<Budget, BudgetError, Scope.Scope> = internal.slice

/**
 * How full the fullest limit on the path of a budget is: of its own and those of all budgets around it. A fraction of
 * its maximum, open reservations included; above 1 in debt, 0 where there is no limit.
 *
 * **Details**
 *
 * A limit whose maximum is 0 has no room and counts as 1, whatever is used. `Limit.perCall` and shadow budgets keep
 * nobody waiting and do not count; neither do pauses. Of a budget that this library did not make, its snapshot is asked.
 *
 * **Example** (a cheaper model when it gets tight)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 1_000, "1 minute")] })
 *   const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 10_000)], within: [key] })
 *   yield* run.charge(Usage.make({ inputTokens: 900 }))
 *   return (yield* Budget.utilisation(run)) > 0.8 ? "small-model" : "large-model"
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "small-model"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const utilisation: (budget: Budget) => Effect.Effect<number> = internal.utilisation

/**
 * The tag of a budget that is a service.
 *
 * @category services
 * @since 0.1.0
 */
export type Tag<Self> = Context.Key<Self, Budget>

/**
 * The class that {@link Service} makes: a tag with the operations of its budget, and its layers.
 *
 * @category services
 * @since 0.1.0
 */
export interface ServiceClass<Self, Id extends string, Outer, Store = never> extends Context.ServiceClass<
  Self,
  Id,
  Budget
> {
  /** Holds the budget's counters. Provided several times in one program, it is the same budget. */
  readonly layer: Layer.Layer<Self, never, Exclude<Outer, Scope.Scope> | Store>
  /** A budget of its own wherever it is provided: one per run, per task, per request. */
  readonly fresh: Layer.Layer<Self, never, Exclude<Outer, Scope.Scope> | Store>
  /** Takes other limits than those that were declared: for another environment, or a test. */
  readonly layerWith: (options: Options) => Layer.Layer<Self, never, Exclude<Outer, Scope.Scope> | Store>
  /** Takes the limits from a config. A limit that makes no sense is a `ConfigError`. */
  readonly layerConfig: (
    config: Config.Config<Options>
  ) => Layer.Layer<Self, Config.ConfigError, Exclude<Outer, Scope.Scope> | Store>
  /** The budgets that it is inside. */
  readonly within: ReadonlyArray<Tag<Outer>>
  /** Where its counters are, if it has a `key`. */
  readonly storage: Effect.Effect<Storage | undefined, never, Store>
  /** What its layer makes it of. */
  readonly options: Options

  /** See {@link Budget.reserve}. */
  readonly reserve: (
    estimate: Usage.Usage,
    options?: ReserveOptions
  ) => Effect.Effect<Reservation, BudgetError, Self | Scope.Scope>
  /** See {@link Budget.tryReserve}. */
  readonly tryReserve: (
    estimate: Usage.Usage,
    options?: TryReserveOptions
  ) => Effect.Effect<Reservation, BudgetError, Self | Scope.Scope>
  /** See {@link Budget.withReservation}. */
  readonly withReservation: <A, E, R>(
    estimate: Usage.Usage,
    body: (reservation: Reservation) => Effect.Effect<A, E, R>,
    options?: ReserveOptions
  ) => Effect.Effect<A, E | BudgetError, R | Self>
  /** See {@link Budget.spend}. */
  readonly spend: {
    (options: SpendOptions): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError, R | Self>
    <A>(
      options: SpendActualOptions<NoInfer<A>>
    ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError, R | Self>
    <Readable>(
      options: SpendActualOptions<Readable>
    ): <A extends Readable, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError, R | Self>
  }
  /** See {@link Budget.charge}. */
  readonly charge: (usage: Usage.Usage) => Effect.Effect<void, BudgetError, Self>
  /** See {@link Budget.snapshot}. */
  readonly snapshot: Effect.Effect<Snapshot, never, Self>
  /** See {@link utilisation}. */
  readonly utilisation: Effect.Effect<number, never, Self>
  /** See {@link Budget.events}. */
  readonly events: Stream.Stream<BudgetEvent, never, Self>
  /** See {@link Budget.pauseUntil}. */
  readonly pauseUntil: (instant: DateTime.DateTime.Input, options?: PauseOptions) => Effect.Effect<void, never, Self>
  /** See {@link Budget.tighten}. */
  readonly tighten: (window: ProviderWindow) => Effect.Effect<void, never, Self>
  /** See {@link Budget.updateLimits}. */
  readonly updateLimits: (limits: ReadonlyArray<Limit.Limit>) => Effect.Effect<void, never, Self>
}

/**
 * Declares a budget as a service. Its layer needs the budgets that it is within: the compiler says so.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Usage } from "effect-budget"
 *
 * class ProviderKey extends Budget.Service<ProviderKey>()("app/ProviderKey", {
 *   limits: [Limit.slidingWindow("tokens", 90_000, "1 minute"), Limit.concurrency(40)]
 * }) {}
 *
 * class AgentRun extends Budget.Service<AgentRun>()("app/AgentRun", {
 *   limits: [Limit.cap("tokens", 50_000)],
 *   within: [ProviderKey]
 * }) {}
 *
 * const program = Effect.succeed({ text: "an answer", tokens: 420 }).pipe(
 *   AgentRun.spend({
 *     estimate: Usage.make({ inputTokens: 400, outputTokens: 500 }),
 *     actual: (response) => Usage.make({ outputTokens: response.tokens }),
 *     maxWait: "30 seconds"
 *   }),
 *   Effect.andThen(ProviderKey.snapshot),
 *   Effect.map((snapshot) => snapshot.spent.outputTokens),
 *   Effect.provide(AgentRun.fresh),
 *   Effect.provide(ProviderKey.layer)
 * )
 *
 * await Effect.runPromise(program) // => 420
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export const Service = <Self>(): Declare<Self> => {
  function service<const Id extends string, Outer extends ReadonlyArray<unknown> = readonly []>(
    id: Id,
    options: ServiceOptions<Outer> & { readonly key: string }
  ): ServiceClass<Self, Id, Outer[number], BudgetStore>
  function service<const Id extends string, Outer extends ReadonlyArray<unknown> = readonly []>(
    id: Id,
    options: ServiceOptions<Outer> & { readonly key?: undefined }
  ): ServiceClass<Self, Id, Outer[number]>
  function service<Outer extends ReadonlyArray<unknown>>(
    id: string,
    options: ServiceOptions<Outer> & { readonly key?: string | undefined }
  ) {
    const { key } = options
    return key === undefined
      ? declare<Self, Outer, never>(id, options, Effect.undefined, make)
      : declare<Self, Outer, BudgetStore>(
          id,
          options,
          BudgetStore.useSync((sharing) => ({ key, sharing })),
          (given) => make({ ...given, key })
        )
  }
  return service
}

/**
 * Where the counters of a shared budget are: in a store, under a key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Storage {
  readonly key: string
  readonly sharing: Context.Service.Shape<typeof BudgetStore>
}

/**
 * How a budget is declared as a service.
 *
 * @category services
 * @since 0.1.0
 */
export interface Declare<Self> {
  <const Id extends string, Outer extends ReadonlyArray<unknown> = readonly []>(
    id: Id,
    options: ServiceOptions<Outer> & { readonly key: string }
  ): ServiceClass<Self, Id, Outer[number], BudgetStore>
  <const Id extends string, Outer extends ReadonlyArray<unknown> = readonly []>(
    id: Id,
    options: ServiceOptions<Outer> & { readonly key?: undefined }
  ): ServiceClass<Self, Id, Outer[number]>
}

/**
 * What a service is declared with.
 *
 * @category services
 * @since 0.1.0
 */
export interface ServiceOptions<Outer extends ReadonlyArray<unknown>> extends Options {
  /** The budgets that it is inside. Its layer needs them. */
  readonly within?: { readonly [Index in keyof Outer]: Tag<Outer[Index]> }
}

const declare = <Self, Outer extends ReadonlyArray<unknown>, Store>(
  id: string,
  options: ServiceOptions<Outer>,
  storage: Effect.Effect<Storage | undefined, never, Store>,
  makeOne: (options: MakeOptions) => Effect.Effect<Budget, never, Scope.Scope | Store>
): ServiceClass<Self, string, Outer[number], Store> => {
  const tag = Context.Service<Self, Budget>()(id)
  const within: ReadonlyArray<Tag<Outer[number]>> = options.within ?? []
  const makeWith = (limits: Options) =>
    Effect.flatMap(Effect.all(within), (outer) => makeOne({ ...limits, name: id, within: outer }))
  const layer = Layer.effect(tag, makeWith(options))

  function spend(
    options: SpendOptions
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError, R | Self>
  function spend<A>(
    options: SpendActualOptions<A>
  ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | BudgetError, R | Self>
  function spend<A>(options: SpendOptions | SpendActualOptions<A>) {
    return <E, R>(self: Effect.Effect<A, E, R>) =>
      tag.use((budget) => (options.actual === undefined ? budget.spend(options)(self) : budget.spend<A>(options)(self)))
  }

  return Object.assign(tag, {
    layer,
    fresh: Layer.fresh(layer),
    layerWith: (limits: Options) => Layer.effect(tag, makeWith(limits)),
    layerConfig: (config: Config.Config<Options>) =>
      Layer.effect(tag, Effect.flatMap(refuseNonsense(config), makeWith)),
    within,
    storage,
    options,
    reserve: (estimate: Usage.Usage, manner?: ReserveOptions) => tag.use((budget) => budget.reserve(estimate, manner)),
    tryReserve: (estimate: Usage.Usage, options?: TryReserveOptions) =>
      tag.use((budget) => budget.tryReserve(estimate, options)),
    withReservation: <A, E, R>(
      estimate: Usage.Usage,
      body: (reservation: Reservation) => Effect.Effect<A, E, R>,
      options?: ReserveOptions
    ) => tag.use((budget) => budget.withReservation(estimate, body, options)),
    spend,
    charge: (usage: Usage.Usage) => tag.use((budget) => budget.charge(usage)),
    snapshot: tag.use((budget) => budget.snapshot),
    utilisation: tag.use(utilisation),
    events: Stream.unwrap(tag.useSync((budget) => budget.events)),
    pauseUntil: (instant: DateTime.DateTime.Input, options?: PauseOptions) =>
      tag.use((budget) => budget.pauseUntil(instant, options)),
    tighten: (window: ProviderWindow) => tag.use((budget) => budget.tighten(window)),
    updateLimits: (limits: ReadonlyArray<Limit.Limit>) => tag.use((budget) => budget.updateLimits(limits))
  })
}

/** The constructors of limits throw; what a config makes them throw is a mistake in the config. */
const refuseNonsense = <A>(config: Config.Config<A>): Effect.Effect<A, Config.ConfigError> =>
  Effect.catchDefect(config, (defect) =>
    defect instanceof RangeError
      ? Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message: defect.message, cause: defect })))
      : Effect.die(defect)
  )
