/**
 * Puts a budget in front of a model: what all adapters have in common.
 *
 * A governor turns a call into an estimate (its tokens counted, its price looked up, its output expected from
 * experience), reserves that, and settles what the call has used, however it ended. It hears what the provider says of
 * its limits and slows everyone down who shares them. With a circuit breaker it keeps calls from a provider that fails.
 * It knows no transport: for that there are `BudgetedFetch`,
 * `BudgetedHttpClient` and `BudgetedLanguageModel`, or an adapter of one's own.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Budget from "./Budget.ts"
import type * as Breaker from "./Breaker.ts"
import type { BudgetError } from "./BudgetError.ts"
import type { DeadlineExceeded } from "./Deadline.ts"
import type * as Dialect from "./Dialect.ts"
import type * as Feedback from "./Feedback.ts"
import { budgetOfCalls } from "./internal/governor/budgetOfCalls.ts"
import { makeGovernor } from "./internal/governor/governor.ts"
import type { UnknownModel } from "./Pricing.ts"
import type * as Usage from "./Usage.ts"

/**
 * How calls are put into a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Id = never> {
  /**
   * The budget of the calls: itself, or its tag. With a tag each call takes the budget that is provided where it is
   * admitted, such as a tenant's, or else the one that was there when the governor was made.
   */
  readonly budget: Budget.Budget | Budget.Tag<Id>
  /** How long a call waits for room; without end by default. */
  readonly maxWait?: Duration.Input | undefined
  /** Calls of a higher priority go first within the budget. Default 0. */
  readonly priority?: number | undefined
  /** How many output tokens are reserved for an answer when the request sets no bound. Default 4,096. */
  readonly outputTokens?: number | undefined
  /**
   * With it reservations are elastic: where there is no room for the whole answer, a shorter one of at least so many
   * output tokens is asked for, and the provider is told so. See `Budget.ReserveOptions.least`.
   */
  readonly leastOutputTokens?: number | undefined
  /**
   * Keeps calls from a provider while it fails: one circuit for each provider (by its id, or else by the host of the
   * address) and model, under `Breaker.key`. None by default.
   *
   * **Details**
   *
   * An open circuit refuses before anything is reserved. It is asked again when a call has been admitted: one that was
   * in line when it opened is not sent, and gives back what was reserved. What counts against a provider is in
   * `Breaker.outcomeOf`.
   */
  readonly breaker?: Breaker.CircuitBreaker | undefined
}

/**
 * Why a call was not sent, or was cut: the budget says no, the model has no known price, the circuit is open, the task
 * has no time left.
 *
 * A deadline that is met in the budget's line is the reason of a `BudgetError`, and such a call was never sent. A
 * `DeadlineExceeded` has cut a call that was under way: what it has cost is charged.
 *
 * @category errors
 * @since 0.1.0
 */
export type Refusal = BudgetError | UnknownModel | Breaker.CircuitBreakerError | DeadlineExceeded

/**
 * Where a call goes, which decides its price.
 *
 * @category models
 * @since 0.1.0
 */
export interface Destination {
  /** The address of the API, which tells the provider. */
  readonly url?: string | undefined
  /** The provider's id in `@pydantic/genai-prices`, where the address does not tell. */
  readonly provider?: string | undefined
}

/**
 * How a call ended, as far as its adapter can tell.
 *
 * | ending | what is charged |
 * | --- | --- |
 * | `Answered` | what the provider has reported |
 * | `Seen`: the answer broke off, or has no report of its usage | what was reported before; else the estimated input, and the output that was seen, counted |
 * | `Unseen`: sent, but nothing of the answer can be read | the estimate |
 * | `Rejected`: answered with an error | a request and no tokens |
 * | `Unsent`: it has not reached the provider | nothing |
 *
 * @category models
 * @since 0.1.0
 */
export type Ending =
  | { readonly _tag: "Answered"; readonly report: Dialect.Report }
  | { readonly _tag: "Seen"; readonly report: Dialect.Report | undefined; readonly text: string }
  | { readonly _tag: "Unseen" }
  | { readonly _tag: "Rejected" }
  | { readonly _tag: "Unsent" }

/**
 * A call that has been admitted.
 *
 * @category models
 * @since 0.1.0
 */
export interface GovernedCall {
  /** What is reserved. */
  readonly granted: Usage.Usage
  /** The most that each answer may have, when that is less than what the request allows: to be passed on to the provider. */
  readonly maxOutputTokens: number | undefined
  /**
   * Makes the call, if its circuit still lets it through, for as long as the deadline of the task allows, and records
   * its end in the circuit. `isFailure` says which answers are errors, to be read by `CallFailure.of`, such as a
   * response of status 503. What was not begun is to be settled as `Unsent`.
   */
  send<A, E, R>(call: Effect.Effect<A, E, R>, isFailure?: (answer: A) => boolean): Effect.Effect<A, E | Refusal, R>
  /** Settles the call. Only the first ending counts. */
  settle(ending: Ending): Effect.Effect<void>
  /**
   * Takes note of what the provider says of its limits. Windows that it sees fuller than the budget does are tightened,
   * and with `status` 429 (or any error that says when to come back) nothing is admitted until then, to nobody whose
   * calls count in the same outermost budget. They resume gradually.
   */
  hear(feedback: Feedback.Feedback, status: number): Effect.Effect<void>
}

/**
 * Puts a budget in front of a model.
 *
 * @category models
 * @since 0.1.0
 */
export interface Governor {
  /**
   * Reserves a call for as long as the scope is open, waiting for room if there is none. A call that is not settled when
   * the scope closes is charged as it was estimated, or not at all when the scope closes with a failure.
   */
  admit(call: Dialect.Call, destination?: Destination): Effect.Effect<GovernedCall, Refusal, Scope.Scope>
}

/**
 * Makes a governor.
 *
 * **Details**
 *
 * It counts with `TokenCounter.ByModel`, prices with `Pricing.Pricing` and learns with `OutputHistory.OutputHistory`, as
 * they are where a call is made. A model without a known price is an error when a limit counts money; otherwise its
 * cost is left out and a warning says so, once for each model.
 *
 * **Example** (an adapter of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Governor, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
 *   const governor = yield* Governor.make({ budget })
 *
 *   const call = yield* governor.admit({
 *     operation: "chat",
 *     model: "gpt-4o-mini",
 *     texts: ["Hello, world!"],
 *     otherInputTokens: 6,
 *     maxOutputTokens: 200,
 *     answers: 1,
 *     isStreamed: false
 *   })
 *   const usage = yield* call.send(Effect.succeed(Usage.make({ inputTokens: 10, outputTokens: 20 })))
 *   yield* call.settle({ _tag: "Answered", report: { usage, model: undefined, units: {} } })
 *   return [call.granted.outputTokens, (yield* budget.snapshot).limits[0]?.used]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => [200, 30]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Id = never>(options: Options<Id>): Effect.Effect<Governor, never, Id> =>
  Effect.map(budgetOfCalls(options.budget), (budget) => makeGovernor(options, budget))
