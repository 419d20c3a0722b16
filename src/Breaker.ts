/**
 * Effect's circuit breaker, with a classification for calls to models: it stops all calls while the provider fails.
 *
 * States, policies and stores are those of `effect/persistence`. What is here says which failures count against a
 * provider, and under which key.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Circuits from "effect/persistence/CircuitBreaker"
import * as CallFailure from "./CallFailure.ts"
import { traceless } from "./internal/traceless.ts"

/**
 * Effect's circuit breaker: one circuit for each key.
 *
 * @category services
 * @since 0.1.0
 */
export type CircuitBreaker = Circuits.CircuitBreaker

/**
 * The tag of Effect's circuit breaker.
 *
 * @category services
 * @since 0.1.0
 */
export const CircuitBreaker = Circuits.CircuitBreaker

/**
 * The error of a call that a circuit does not let through, with a `reason`: `CircuitOpen`, with `retryAfter`,
 * `CircuitHalfOpen`, or `CircuitBreakerStoreError`.
 *
 * @category errors
 * @since 0.1.0
 */
export type CircuitBreakerError = Circuits.CircuitBreakerError

/**
 * The class of that error.
 *
 * @category errors
 * @since 0.1.0
 */
export const CircuitBreakerError = Circuits.CircuitBreakerError

/**
 * What one call says of the health of what it called: see {@link outcomeOf}.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = Circuits.Outcome

/**
 * When an open circuit may be closed again, from now.
 *
 * @category getters
 * @since 0.1.0
 */
export const retryAfterOf = ({ reason }: CircuitBreakerError): Duration.Duration | undefined =>
  reason._tag === "CircuitOpen" ? reason.retryAfter : undefined

/**
 * When a circuit opens, and for how long.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Partial<Parameters<typeof Circuits.layer>[0]>

/**
 * The circuit of a model of a provider. Different pairs have different keys.
 *
 * **Example**
 *
 * ```ts
 * import { Breaker } from "effect-budget"
 *
 * Breaker.key({ provider: "openai", model: "gpt-4.1-mini" }) // => "openai/gpt-4.1-mini"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const key = ({ model, provider }: { readonly provider: string; readonly model: string }): string =>
  `${encodeURIComponent(provider)}/${model}`

/**
 * What the end of a call says of the provider's health.
 *
 * **Details**
 *
 * 5xx, 529, 408, connections that fail or break and time-outs count against it, a `Retry-After` included, and so does an
 * error of which nothing can be read, as in Effect's own breaker. A success counts for it. Nothing else counts: a 429 is
 * a matter of budgets, another 4xx one of the request, and an interruption, a refusal or a deadline one of the caller.
 *
 * **Example** (with Effect's breaker alone)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker } from "effect-budget"
 *
 * const call = (status: number) =>
 *   Breaker.CircuitBreaker.use((breaker) =>
 *     Effect.fail({ status }).pipe(breaker.execute({ key: "openai/gpt-4.1", classify: Breaker.outcomeOf }), Effect.ignore)
 *   )
 * const state = Breaker.CircuitBreaker.use((breaker) => breaker.state("openai/gpt-4.1"))
 *
 * const program = Effect.gen(function* () {
 *   yield* Effect.repeat(call(429), { times: 20 })
 *   const throttled = yield* state
 *   yield* Effect.repeat(call(503), { times: 20 })
 *   return [throttled._tag, (yield* state)._tag]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Breaker.layerMemory())) // => ["Closed", "Open"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const outcomeOf = (
  exit: Exit.Exit<unknown, unknown>,
  readFailure: (cause: Cause.Cause<unknown>) => CallFailure.CallFailure = CallFailure.fromCause
): Outcome => {
  if (exit._tag === "Success") return Circuits.success
  const { feedback, kind } = readFailure(exit.cause)
  return kind === "Unavailable" || kind === "Unknown"
    ? Circuits.failure({ retryAfter: feedback.retryAfterMillis })
    : Circuits.ignored
}

/**
 * Fails when a circuit would not let a call through now. It takes nothing: whoever is let through here may still be
 * refused when it calls. A store that does not answer lets through, as far as this is concerned.
 *
 * @category combinators
 * @since 0.1.0
 */
export const check = (breaker: CircuitBreaker, key: string): Effect.Effect<void, CircuitBreakerError> =>
  Effect.matchEffect(breaker.state(key), {
    onFailure: () => Effect.void,
    onSuccess: (state) => {
      if (state._tag === "Open" && Duration.isGreaterThan(state.retryAfter, Duration.zero)) {
        return refuse(new Circuits.CircuitOpen({ key, retryAfter: state.retryAfter }))
      }
      return state._tag === "HalfOpen" && state.probing ? refuse(new Circuits.CircuitHalfOpen({ key })) : Effect.void
    }
  })

/**
 * Effect's breaker over the store that is provided: `CircuitBreaker.layerStoreMemory`, or `layerStoreRedis` of
 * `effect/persistence` to share circuits among processes.
 *
 * **Details**
 *
 * By default a circuit opens when half of the last 20 calls have failed, and at least 10: a fleet has as many under way
 * at once, so that fewer say little. It stays open for 5 seconds, then twice as long each time it opens again, at most
 * 40 seconds, and at least as long as a provider's `Retry-After` says, up to an hour. Calls run unrecorded when the
 * store does not answer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<CircuitBreaker, never, Circuits.CircuitBreakerStore> =>
  Circuits.layer({
    ...options,
    tripPolicy: options.tripPolicy ?? halfFail,
    openDuration: options.openDuration ?? backOff
  })

/**
 * The same, in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<CircuitBreaker> =>
  Layer.provide(layer(options), Circuits.layerStoreMemory())

const refuse = (reason: Circuits.CircuitBreakerErrorReason): Effect.Effect<never, CircuitBreakerError> =>
  Effect.fail(traceless(() => new Circuits.CircuitBreakerError({ reason })))

const halfFail = Circuits.rate({ threshold: 0.5, size: 20, minimumCalls: 10 })

// 5, 10, 20 and 40 seconds are more than a minute spent open; the last one repeats.
const backOff = Schedule.exponential("5 seconds").pipe(Schedule.upTo({ duration: "1 minute" }))
