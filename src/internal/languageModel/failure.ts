import * as Clock from "effect/Clock"
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as CallFailure from "../../CallFailure.ts"
import type { Ending, GovernedCall } from "../../Governor.ts"
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

/** Takes note of what a provider that has failed says of its limits. */
export const hearFailure = (call: GovernedCall, error: unknown): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { feedback, status } = CallFailure.of(error, now)
    return status === undefined ? Effect.void : call.hear(feedback, status)
  })

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
