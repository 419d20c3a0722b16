/**
 * Doing less instead of failing: another answer when a call is refused, a cheaper model when a budget fills up.
 *
 * The other ways to do less are with what they belong to: shorter answers with elastic reservations (`least` of
 * `Budget.ReserveOptions`), limits that only report with `Budget.Options.shadow`, soft limits with
 * `Budget.Options.thresholds`, and other limits while a program runs with `Budget.updateLimits`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { CircuitBreakerError, retryAfterOf } from "./Breaker.ts"
import * as Budget from "./Budget.ts"
import { BudgetError } from "./BudgetError.ts"
import { DeadlineExceeded } from "./Deadline.ts"
import type { Refusal } from "./Guard.ts"

/**
 * Why a call was refused, and when to ask again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refused {
  /** What the budget, the circuit or the deadline says. Its `message` is for people. */
  readonly reason: BudgetError["reason"] | CircuitBreakerError["reason"] | DeadlineExceeded
  /** How long to wait before asking again, where that is known. */
  readonly retryAfter: Duration.Duration | undefined
}

/**
 * Does something else when a call is refused: by a budget, an open circuit or a deadline. Whatever the call itself fails
 * with is left alone.
 *
 * **Example**
 *
 * ```ts
 * import { Duration, Effect } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Budget, Degradation, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const chat = yield* Budget.make({ name: "chat", limits: [Limit.slidingWindow("tokens", 1_000, "1 minute")] })
 *   const answer = Effect.succeed("a long and thoughtful answer").pipe(
 *     chat.spend({ estimate: Usage.make({ outputTokens: 800 }), maxWait: 0 }),
 *     Degradation.orElse(({ reason, retryAfter }) =>
 *       Effect.succeed(`${reason._tag}: ask me again in ${retryAfter === undefined ? "a while" : Duration.format(retryAfter)}`)
 *     )
 *   )
 *   return yield* Effect.all([answer, answer])
 * })
 *
 * // On the clock of tests, which stands still.
 * const run = program.pipe(Effect.scoped, Effect.provide(TestClock.layer()))
 *
 * await Effect.runPromise(run) // => ["a long and thoughtful answer", "WindowExceeded: ask me again in 1m"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export function orElse<B, E2, R2>(
  otherwise: (refused: Refused) => Effect.Effect<B, E2, R2>
): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A | B, Exclude<E, Refusal> | E2, R | R2>
export function orElse<B, E2, R2>(otherwise: (refused: Refused) => Effect.Effect<B, E2, R2>) {
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A | B, E | E2, R | R2> =>
    self.pipe(
      Effect.catch((error): Effect.Effect<B, E | E2, R2> =>
        isRefusal(error) ? Effect.suspend(() => otherwise(refusedBy(error))) : Effect.fail(error)
      )
    )
}

/**
 * What to use from a share of a budget on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stage<A> {
  /** A fraction of the fullest limit's maximum: see `Budget.utilisation`. The first stage is from 0. */
  readonly from: number
  readonly use: A
}

/**
 * Chooses by how full a budget is: the stage with the largest `from` that is reached.
 *
 * **Example** (a cheaper model when four fifths are used up)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Degradation, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const run = yield* Budget.make({ name: "run", limits: [Limit.cap("usd", 2)] })
 *   const model = Degradation.select(run, [
 *     { from: 0, use: "gpt-5.4" },
 *     { from: 0.8, use: "gpt-5.4-mini" }
 *   ])
 *   const before = yield* model
 *   yield* run.charge(Usage.make({ costUsd: 1.6 }))
 *   return [before, yield* model]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["gpt-5.4", "gpt-5.4-mini"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const select = <A>(
  budget: Budget.Budget,
  stages: readonly [Stage<A>, ...ReadonlyArray<Stage<A>>]
): Effect.Effect<A> => {
  const [first] = stages
  if (first.from !== 0) throw new RangeError(`Degradation.select: the first stage must be from 0, got ${first.from}`)
  return Effect.map(Budget.utilisation(budget), (utilisation) => {
    let chosen: Stage<A> = first
    for (const stage of stages) if (stage.from <= utilisation && stage.from >= chosen.from) chosen = stage
    return chosen.use
  })
}

const isRefusal = (error: unknown): error is Refusal =>
  error instanceof BudgetError || error instanceof CircuitBreakerError || error instanceof DeadlineExceeded

const refusedBy = (refusal: Refusal): Refused => {
  switch (refusal._tag) {
    case "BudgetError":
      return { reason: refusal.reason, retryAfter: refusal.retryAfter }
    case "CircuitBreakerError":
      return { reason: refusal.reason, retryAfter: retryAfterOf(refusal) }
    case "DeadlineExceeded":
      return { reason: refusal, retryAfter: undefined }
  }
}
