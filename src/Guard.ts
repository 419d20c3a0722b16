/**
 * The whole guard around a call: deadline, circuit breaker, budget and retries, in the order in which nothing is held
 * while it waits and nothing is charged that was not sent.
 *
 * Each of the four is a small thing of its own: `Deadline`, `Breaker`, `Budget` and a `Schedule`. A guard only composes
 * them.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schedule from "effect/Schedule"
import * as Breaker from "./Breaker.ts"
import type * as Budget from "./Budget.ts"
import type { BudgetError } from "./BudgetError.ts"
import type { CallFailure } from "./CallFailure.ts"
import type { DeadlineExceeded } from "./Deadline.ts"
import { budgetOfCalls } from "./internal/governor/budgetOfCalls.ts"
import { GuardImpl } from "./internal/guard/guard.ts"
import type { Reservation } from "./Reservation.ts"
import type * as Usage from "./Usage.ts"

/**
 * Puts deadline, breaker, budget and retries around a call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guard {
  /** Runs an effect within the guard: the everyday case. See `Budget.spend`. */
  spend(
    options: Budget.SpendOptions
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R>
  spend<A>(
    options: Budget.SpendActualOptions<NoInfer<A>>
  ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R>
  spend<Readable>(
    options: Budget.SpendActualOptions<Readable>
  ): <A extends Readable, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R>

  /** Runs a body with a reservation of its own for each attempt. See `Budget.withReservation`. */
  withReservation<A, E, R>(
    estimate: Usage.Usage,
    body: (reservation: Reservation) => Effect.Effect<A, E, R>,
    options?: Budget.ReserveOptions
  ): Effect.Effect<A, E | Refusal | Cause.TimeoutError, R>
}

/**
 * Why a call was not made, or was cut: the budget said no, the circuit is open, the task has no time left.
 *
 * @category errors
 * @since 0.1.0
 */
export type Refusal = BudgetError | Breaker.CircuitBreakerError | DeadlineExceeded

/**
 * What a guard is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Id = never> {
  /**
   * The budget of the calls: itself, or its tag. With a tag each call takes the budget that is provided where it is
   * made, such as a tenant's, or else the one that was there when the guard was made.
   */
  readonly budget: Budget.Budget | Budget.Tag<Id>
  /** The circuit of the calls, one for each provider and model: see `Breaker.key`. */
  readonly key: string
  /** How long one attempt may take from when it is sent. By default only the deadline bounds it. */
  readonly timeout?: Duration.Input | undefined
  /** How often a call that has failed is made again. Default 2. */
  readonly retries?: number | undefined
  /**
   * How long to wait before it is made again, where the provider does not say. By default half a second, then twice as
   * long each time, at most half a minute, with jitter. When it ends, nothing is retried any more.
   */
  readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined
  /**
   * Whether a call fails at once when its circuit is open (the default), or waits until it may be closed again, for as
   * long as its deadline allows: for agents that nobody waits for. While somebody else finds out whether it may, the call
   * asks now and then, about once a second at most.
   */
  readonly whenOpen?: "fail" | "wait" | undefined
  /** Reads the errors of a client that `CallFailure.of` does not know, and leaves the others to that. */
  readonly failureOf?: ((error: unknown) => CallFailure | undefined) | undefined
}

/**
 * Makes a guard.
 *
 * **Details**
 *
 * The order of an attempt:
 *
 * 1. A deadline that is over, or an open circuit, refuses before anything is reserved.
 * 2. The budget is asked, and waited for, but never past the deadline. No slot of the circuit is held meanwhile.
 * 3. The circuit is asked again: it may have opened while the call was in line. Then the reservation is given back.
 * 4. The call runs, for as long as `timeout` and the deadline allow, and its end is recorded in the circuit.
 * 5. The reservation is settled.
 *
 * | how the attempt ends | charged | circuit | made again |
 * | --- | --- | --- | --- |
 * | success | what `actual` says, or the estimate | success | |
 * | no connection | nothing | failure | yes |
 * | 5xx, 408 | the requests of the estimate, no tokens | failure | yes |
 * | 429 | the requests of the estimate, no tokens | – | yes: everyone who shares the key is paused |
 * | any other 4xx | the requests of the estimate, no tokens | – | no |
 * | `timeout`, connection lost | the estimate | failure | yes |
 * | deadline, interruption | the estimate | – | no |
 * | an error that says nothing of the kind | the estimate | failure | no |
 *
 * Whatever was recorded before (`reservation.record`) is charged instead of the last three, and `onFailure` of a call
 * overrides what failures cost.
 *
 * Before it is made again a call holds nothing. It reserves anew for each attempt. Where the provider has said when to
 * come back, it waits in the budget's line with everyone else; otherwise as long as `schedule` says. What keeps it from
 * being made again (the budget says no, the circuit has opened, the deadline is too close) is what it fails with.
 *
 * It dies with a `RangeError` when `retries` is no whole number of zero or more.
 *
 * **Example** (the whole guard in one line each)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker, Budget, Deadline, Guard, Limit, Usage } from "effect-budget"
 *
 * class AgentRun extends Budget.Service<AgentRun>()("app/AgentRun", {
 *   limits: [Limit.cap("tokens", 50_000), Limit.slidingWindow("tokens", 8_000, "1 minute"), Limit.cap("usd", 2)]
 * }) {}
 *
 * let attempts = 0
 * const callModel = Effect.suspend(() =>
 *   ++attempts < 3 ? Effect.fail({ status: 503 }) : Effect.succeed({ text: "an answer", tokens: 420 })
 * )
 *
 * const program = Effect.gen(function* () {
 *   const guard = yield* Guard.make({
 *     budget: AgentRun,
 *     key: Breaker.key({ provider: "openai", model: "gpt-4.1-mini" }),
 *     timeout: "30 seconds"
 *   })
 *   const answer = yield* callModel.pipe(
 *     guard.spend({
 *       estimate: Usage.make({ inputTokens: 400, outputTokens: 500 }),
 *       actual: ({ tokens }) => Usage.make({ outputTokens: tokens }),
 *       maxWait: "10 seconds"
 *     }),
 *     Deadline.within("1 minute", { task: "summarise" })
 *   )
 *   const { spent } = yield* AgentRun.snapshot
 *   return [answer.text, spent.requests, spent.outputTokens]
 * }).pipe(Effect.provide(AgentRun.layer), Effect.provide(Breaker.layerMemory()))
 *
 * await Effect.runPromise(program) // => ["an answer", 3, 420]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Id = never>(options: Options<Id>): Effect.Effect<Guard, never, Id | Breaker.CircuitBreaker> =>
  Effect.gen(function* () {
    const budget = yield* budgetOfCalls(options.budget)
    return new GuardImpl(options, yield* Breaker.CircuitBreaker, budget, yield* Clock.Clock)
  })

/**
 * The class that {@link Service} makes: a tag with the operations of its guard, and its layer.
 *
 * @category services
 * @since 0.1.0
 */
export interface ServiceClass<Self, Name extends string> extends Context.ServiceClass<Self, Name, Guard> {
  /** Makes the guard. Different layers of one tag are the steps of an `ExecutionPlan`. */
  readonly layer: <Id = never>(options: Options<Id>) => Layer.Layer<Self, never, Id | Breaker.CircuitBreaker>
  /** See {@link Guard.spend}. */
  readonly spend: {
    (
      options: Budget.SpendOptions
    ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R | Self>
    <A>(
      options: Budget.SpendActualOptions<NoInfer<A>>
    ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R | Self>
    <Readable>(
      options: Budget.SpendActualOptions<Readable>
    ): <A extends Readable, E, R>(
      self: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R | Self>
  }
  /** See {@link Guard.withReservation}. */
  readonly withReservation: <A, E, R>(
    estimate: Usage.Usage,
    body: (reservation: Reservation) => Effect.Effect<A, E, R>,
    options?: Budget.ReserveOptions
  ) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R | Self>
}

/**
 * Declares a guard as a service, whose layer says which budget and which circuit it guards with.
 *
 * **Example** (falling back to another provider, each with its own budget and circuit)
 *
 * ```ts
 * import { Context, Effect, ExecutionPlan, Layer } from "effect"
 * import { Breaker, Budget, Guard, Limit, Usage } from "effect-budget"
 *
 * class Model extends Context.Service<Model, { readonly ask: Effect.Effect<string, { status: number }> }>()("app/Model") {}
 * class ModelGuard extends Guard.Service<ModelGuard>()("app/ModelGuard") {}
 *
 * class FirstKey extends Budget.Service<FirstKey>()("app/FirstKey", { limits: [Limit.cap("usd", 2)] }) {}
 * class SecondKey extends Budget.Service<SecondKey>()("app/SecondKey", { limits: [Limit.cap("usd", 1)] }) {}
 *
 * const first = Layer.merge(
 *   Layer.succeed(Model, { ask: Effect.fail({ status: 500 }) }),
 *   ModelGuard.layer({ budget: FirstKey, key: "first/large", retries: 0 })
 * )
 * const second = Layer.merge(
 *   Layer.succeed(Model, { ask: Effect.succeed("an answer of the second") }),
 *   ModelGuard.layer({ budget: SecondKey, key: "second/large", retries: 0 })
 * )
 *
 * const program = Effect.flatMap(Model, (model) => model.ask).pipe(
 *   ModelGuard.spend({ estimate: Usage.make({ costUsd: 0.1 }) }),
 *   Effect.withExecutionPlan(ExecutionPlan.make({ provide: first }, { provide: second })),
 *   Effect.provide([FirstKey.layer, SecondKey.layer, Breaker.layerMemory()])
 * )
 *
 * await Effect.runPromise(program) // => "an answer of the second"
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export const Service =
  <Self>() =>
  <const Name extends string>(name: Name): ServiceClass<Self, Name> => {
    const tag = Context.Service<Self, Guard>()(name)

    function spend(
      options: Budget.SpendOptions
    ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R | Self>
    function spend<A>(
      options: Budget.SpendActualOptions<A>
    ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R | Self>
    function spend<A>(options: Budget.SpendOptions | Budget.SpendActualOptions<A>) {
      return <E, R>(self: Effect.Effect<A, E, R>) =>
        tag.use((guard) => (options.actual === undefined ? guard.spend(options)(self) : guard.spend<A>(options)(self)))
    }

    return Object.assign(tag, {
      layer: <Id = never>(options: Options<Id>) => Layer.effect(tag, make(options)),
      spend,
      withReservation: <A, E, R>(
        estimate: Usage.Usage,
        body: (reservation: Reservation) => Effect.Effect<A, E, R>,
        options?: Budget.ReserveOptions
      ) => tag.use((guard) => guard.withReservation(estimate, body, options))
    })
  }
