import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CallFailure from "../../CallFailure.ts"
import type { Ending, GovernedCall } from "../../Governor.ts"
import { refusalOf } from "./refusal.ts"
import { endingOf } from "./usage.ts"

/** How a call ended that failed, where nothing of the answer was seen but what the error says of it. */
export const endingOfFailure = (error: unknown, estimatedInputTokens: number): Ending => {
  if (!AiError.isAiError(error)) return { _tag: "Unseen" }
  const { reason } = error
  switch (reason._tag) {
    case "InvalidOutputError":
      return endingOfOutput(reason.usage, "", estimatedInputTokens)
    case "StructuredOutputError":
      return endingOfOutput(reason.usage, reason.responseText, estimatedInputTokens)
    default:
      return { _tag: CallFailure.of(error).ending }
  }
}

/** Takes note of a provider that says that it is asked too much. */
export const hearFailure = (call: GovernedCall, error: unknown): Effect.Effect<void> => {
  if (!AiError.isAiError(error) || error.reason._tag !== "RateLimitError") return Effect.void
  if (Option.isSome(refusalOf(error))) return Effect.void
  const { retryAfter } = error.reason
  const retryAfterMillis = retryAfter === undefined ? undefined : Duration.toMillis(retryAfter)
  return call.hear({ windows: [], retryAfterMillis }, THROTTLED)
}

const endingOfOutput = (
  usage: typeof AiError.UsageInfo.Type | undefined,
  text: string,
  estimatedInputTokens: number
): Ending => {
  const { completionTokens: outputTokens, promptTokens: inputTokens } = usage ?? {}
  if (text === "" && inputTokens === undefined && outputTokens === undefined) return { _tag: "Unseen" }
  const counts = {
    input: inputTokens === undefined ? undefined : { inputTokens, cacheReadTokens: 0, cacheWriteTokens: 0 },
    output: outputTokens === undefined ? undefined : { outputTokens, reasoningTokens: 0 }
  }
  return endingOf({ counts, model: undefined, text }, estimatedInputTokens)
}

const THROTTLED = 429
