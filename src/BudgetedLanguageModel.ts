/**
 * A `LanguageModel` of `effect/ai` within a budget.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Governor from "./Governor.ts"
import { decorate } from "./internal/languageModel/decorate.ts"
import { callOf } from "./internal/languageModel/prompt.ts"
import { refusalOf } from "./internal/languageModel/refusal.ts"
import * as Usage from "./Usage.ts"

/**
 * How a language model is put into a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<Id = never> extends Governor.Options<Id> {
  /**
   * The model's name, which tells its tokens and its prices. By default it is the `ModelName` of `effect/ai/Model`: the
   * one that was there when the budgeted model was made, or else the one that is there when it is called. Without any
   * it is `"unknown"`, which has no price.
   */
  readonly model?: string | undefined
  /** The provider's id in `@pydantic/genai-prices`. By default the `ProviderName`, found as `model` is. */
  readonly provider?: string | undefined
  /** The most output tokens of an answer, as the provider's own configuration bounds them: what is reserved. */
  readonly maxOutputTokens?: number | undefined
  /**
   * Passes the bound of a shorter answer on to the provider, by changing the provider's configuration in the context of
   * a call: `effect/ai` has no common name for it. It is called only when reservations are elastic, and
   * `leastOutputTokens` needs it: an answer that is not bounded would overrun its reservation.
   */
  readonly limitOutput?:
    | ((maxOutputTokens: number, context: Context.Context<never>) => Context.Context<never>)
    | undefined
}

/**
 * Makes a language model within a budget around another.
 *
 * **Details**
 *
 * Each round of the provider is admitted before it begins, waiting for room if there is none, and settled when its
 * answer is complete. The tools are called after that: what they ask of the same budget does not wait for their own
 * call, and what they fail with changes nothing of what it has cost. A stream is settled with its `finish` part.
 *
 * | how it ends | what is charged |
 * | --- | --- |
 * | with a `finish` part that says what was used | that |
 * | without, cut, failed or abandoned (`Stream.take`) after something came | the estimated input, and the output that came, counted |
 * | with an object that cannot be decoded | what was used |
 * | rejected by the provider: rate limit, authentication, 4xx, 5xx | a request and no tokens |
 * | without a connection, or before anything was sent | nothing |
 * | interrupted, or failed otherwise, before anything came | the estimate |
 *
 * Whoever shares the outermost budget waits out the `retryAfter` of a `RateLimitError`, and then resumes gradually.
 *
 * A call that the budget refuses fails with an `AiError`: a `RateLimitError` where it may come back later, with
 * `retryAfter` where that is known, a `QuotaExhaustedError` where it is in vain, an `InvalidRequestError` for a model
 * without a known price. With a `breaker`, a call that finds the circuit open fails with an `InternalProviderError`,
 * which is retryable. Details are in its `metadata.budget`, and {@link budgetErrorOf} finds the original error.
 *
 * The end of a round is its outcome in the circuit, and with streams the first parts are: what breaks after that does
 * not count, and a reader who is slow holds up no probe.
 *
 * Under a `Deadline` a round does not wait past it, and has what is left of it as its time: each pull, when it is a
 * stream. One that is cut fails with an `UnknownError` that says so, and is charged as if it were interrupted.
 *
 * The input is estimated from the texts of the messages, the definitions of the tools and the schema of the object as
 * `TokenCounter.countMessages` says; a file counts `TokenCounter.tokensPerOtherPart`.
 *
 * **Gotchas**
 *
 * Spans of a call are there twice, the budgeted model's around the model's own. A `ResponseIdTracker` is not seen by
 * the handlers of tools, and its second try with the whole prompt is within the reservation of the first.
 *
 * @throws RangeError where `leastOutputTokens` is set without `limitOutput`, or an option is no amount.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Id = never>(
  model: LanguageModel.LanguageModel,
  options: Options<Id>
): Effect.Effect<LanguageModel.LanguageModel, never, Id> => {
  const { limitOutput, maxOutputTokens } = options
  if (options.leastOutputTokens !== undefined && limitOutput === undefined) {
    throw new RangeError("BudgetedLanguageModel.make: leastOutputTokens needs limitOutput, to bound the answer")
  }
  if (maxOutputTokens !== undefined && !Usage.isAmount(maxOutputTokens)) {
    const shown = String(maxOutputTokens)
    throw new RangeError(
      `BudgetedLanguageModel.make: maxOutputTokens must be a non-negative safe integer, got ${shown}`
    )
  }
  return Effect.gen(function* () {
    const governor = yield* Governor.make(options)
    const here = yield* Effect.context<never>()
    const found = <Name>(key: Context.Key<Name, string>) => {
      const isHere = Context.getOption(here, key)
      return (context: Context.Context<never>): string | undefined =>
        Option.getOrUndefined(Option.orElse(isHere, () => Context.getOption(context, key)))
    }
    const modelIn = found(Model.ModelName)
    const providerIn = found(Model.ProviderName)
    return yield* decorate(model, {
      asking: (asked, method, context) => ({
        governor,
        call: callOf(asked, {
          model: options.model ?? modelIn(context) ?? "unknown",
          maxOutputTokens,
          isStreamed: method === "streamText"
        }),
        destination: { provider: options.provider ?? providerIn(context) },
        method
      }),
      limitOutput: limitOutput ?? ((_, context) => context)
    })
  })
}

/**
 * Puts the language model that is there into a budget. See {@link make}.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { LanguageModel } from "effect/ai"
 * import { Budget, BudgetedLanguageModel, Limit } from "effect-budget"
 *
 * class Run extends Budget.Service<Run>()("app/Run", { limits: [Limit.cap("tokens", 10_000)] }) {}
 *
 * // OpenAiLanguageModel.layer({ model: "gpt-4o-mini" }), or any other
 * const Provider = Layer.effect(
 *   LanguageModel.LanguageModel,
 *   LanguageModel.make({
 *     generateText: () =>
 *       Effect.succeed([
 *         { type: "text", text: "Hello!" },
 *         { type: "finish", reason: "stop", usage: { inputTokens: { total: 9 }, outputTokens: { total: 20 } } }
 *       ]),
 *     streamText: () => Stream.empty
 *   })
 * )
 *
 * const Budgeted = BudgetedLanguageModel.layer({ budget: Run, model: "gpt-4o-mini", maxOutputTokens: 500 }).pipe(
 *   Layer.provide(Provider)
 * )
 *
 * const program = Effect.gen(function* () {
 *   const { text } = yield* LanguageModel.generateText({ prompt: "Say hello." })
 *   const { limits } = yield* (yield* Run).snapshot
 *   return [text, limits[0]?.used]
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(Budgeted), Effect.provide(Run.layer))) // => ["Hello!", 29]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Id = never>(
  options: Options<Id>
): Layer.Layer<LanguageModel.LanguageModel, never, LanguageModel.LanguageModel | Id> =>
  Layer.effect(
    LanguageModel.LanguageModel,
    Effect.flatMap(LanguageModel.LanguageModel, (model) => make(model, options))
  )

/**
 * The error of the budget, the circuit or the deadline, where an error of a language model is one.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Option } from "effect"
 * import { AiError, type LanguageModel } from "effect/ai"
 * import { BudgetedLanguageModel } from "effect-budget"
 *
 * const orShort = <A>(answer: Effect.Effect<A, AiError.AiError, LanguageModel.LanguageModel>, instead: A) =>
 *   Effect.catch(answer, (error) =>
 *     Option.isSome(BudgetedLanguageModel.budgetErrorOf(error)) ? Effect.succeed(instead) : Effect.fail(error)
 *   )
 *
 * const ofProvider = AiError.make({ module: "Any", method: "any", reason: new AiError.RateLimitError({}) })
 * Option.isNone(BudgetedLanguageModel.budgetErrorOf(ofProvider)) // => true
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export const budgetErrorOf = (error: AiError.AiError): Option.Option<Governor.Refusal> => refusalOf(error)
