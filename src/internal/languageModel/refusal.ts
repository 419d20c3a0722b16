/**
 * What a budget, a circuit or a deadline says, in the closed error type of `effect/ai`.
 */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Breaker from "../../Breaker.ts"
import type { BudgetError } from "../../BudgetError.ts"
import type { Refusal } from "../../Governor.ts"

/** An error of `effect/ai` for a call that was refused, or cut. */
export const refusalError = (refusal: Refusal, method: string): AiError.AiError => {
  const reason = reasonOf(refusal)
  refusals.set(reason, refusal)
  return AiError.make({ module: "BudgetedLanguageModel", method, reason })
}

/** The refusal that an error was made from. It is found by the reason, which stays when errors are wrapped anew. */
export const refusalOf = ({ reason }: AiError.AiError): Option.Option<Refusal> =>
  Option.fromUndefinedOr(refusals.get(reason))

// Errors of `effect/ai` have no place for others in them.
const refusals = new WeakMap<AiError.AiErrorReason, Refusal>()

const reasonOf = (refusal: Refusal): AiError.AiErrorReason => {
  const { message: description } = refusal
  switch (refusal._tag) {
    case "BudgetError":
      return reasonOfBudget(refusal)
    case "UnknownModel": {
      const metadata = { budget: { reason: refusal._tag, model: refusal.model, message: description } }
      return new AiError.InvalidRequestError({ parameter: "model", description, metadata })
    }
    case "CircuitBreakerError": {
      const retryAfter = Breaker.retryAfterOf(refusal)
      const metadata = {
        budget: {
          reason: refusal.reason._tag,
          message: description,
          ...(retryAfter === undefined ? {} : { retryAfterMillis: Duration.toMillis(retryAfter) })
        }
      }
      return new AiError.InternalProviderError({ description, metadata })
    }
    case "DeadlineExceeded": {
      // It was under way: `CallFailure.of` tells it from what was refused in line.
      const metadata = { budget: { reason: refusal._tag, task: refusal.task, message: description, isSent: true } }
      return new AiError.UnknownError({ description, metadata })
    }
  }
}

const reasonOfBudget = (refusal: BudgetError): AiError.AiErrorReason => {
  const { message: description } = refusal
  const { limitName: limit, reason, retryAfter } = refusal
  const metadata = {
    budget: {
      reason: reason._tag,
      budget: reason.budget,
      message: description,
      ...(limit === undefined ? {} : { limit }),
      ...("requested" in reason ? { requested: reason.requested } : {})
    }
  }
  switch (reason._tag) {
    case "BudgetExceeded":
    case "RequestTooLarge":
      return new AiError.QuotaExhaustedError({ metadata })
    case "WindowExceeded":
    case "Paused":
    case "ConcurrencyExceeded":
      return new AiError.RateLimitError(retryAfter === undefined ? { metadata } : { retryAfter, metadata })
    case "InvalidUsage":
      return new AiError.InvalidRequestError({ description, metadata })
    case "DeadlineExceeded":
    case "BudgetStoreError":
      return new AiError.UnknownError({ description, metadata })
  }
}
