import type * as Response from "effect/ai/Response"
import type { Ending } from "../../Governor.ts"
import * as Usage from "../../Usage.ts"

/** The tokens of the input, and of the output, as far as the provider has said them. */
export interface Counts {
  readonly input: Pick<Usage.Usage, "inputTokens" | "cacheReadTokens" | "cacheWriteTokens"> | undefined
  readonly output: Pick<Usage.Usage, "outputTokens" | "reasoningTokens"> | undefined
}

/** Reads a usage in which every field may be absent. A total that is not said is the sum of its parts. */
export const countsOf = ({ inputTokens: input, outputTokens: output }: Response.Usage): Counts => {
  const inputTokens = input.total ?? sumOf([input.uncached, input.cacheRead, input.cacheWrite])
  const outputTokens = output.total ?? sumOf([output.text, output.reasoning])
  return {
    input:
      inputTokens === undefined
        ? undefined
        : { inputTokens, cacheReadTokens: input.cacheRead ?? 0, cacheWriteTokens: input.cacheWrite ?? 0 },
    output: outputTokens === undefined ? undefined : { outputTokens, reasoningTokens: output.reasoning ?? 0 }
  }
}

/** What was seen of an answer. */
export interface Seen {
  readonly counts: Counts
  readonly model: string | undefined
  readonly text: string
}

/** How a call ended of whose answer something was seen. Input that was not reported counts as it was estimated. */
export const endingOf = ({ counts: { input, output }, model, text }: Seen, estimatedInputTokens: number): Ending => {
  if (input === undefined && output === undefined) return { _tag: "Seen", report: undefined, text }
  const usage = Usage.make({ inputTokens: estimatedInputTokens, ...input, ...output })
  const report = { usage, model, units: {} }
  if (output === undefined) return { _tag: "Seen", report, text }
  return input === undefined ? { _tag: "Seen", report, text: "" } : { _tag: "Answered", report }
}

const sumOf = (parts: ReadonlyArray<number | undefined>): number | undefined => {
  const known = parts.filter((part) => part !== undefined)
  return known.length === 0 ? undefined : known.reduce((sum, part) => sum + part, 0)
}
