/**
 * What Gemini reports of usage.
 */
import type * as Dialect from "../../Dialect.ts"
import * as Json from "./json.ts"
import { count, makeReport, type Unit } from "./report.ts"

/**
 * Reads `usageMetadata`. Its counts leave out what is zero, except that of the prompt, which never is. Thoughts are
 * beside the candidates, and the results of Google's own tools beside the prompt.
 */
export const readUsage = (answer: unknown): Dialect.Report | undefined => {
  const usage = Json.field(answer, "usageMetadata")
  const [prompt, toolUse, candidates, thoughts] = countFields.map((name) => count(Json.field(usage, name)))
  if ([prompt, toolUse, candidates, thoughts].every((counted) => counted === undefined)) return undefined
  const inputTokens = (prompt ?? Number.NaN) + (toolUse ?? 0)
  const outputTokens = (candidates ?? 0) + (thoughts ?? 0)
  const cacheReadTokens = count(Json.field(usage, "cachedContentTokenCount")) ?? 0
  return makeReport(
    { inputTokens, cacheReadTokens, outputTokens, reasoningTokens: thoughts ?? 0 },
    Json.field(answer, "modelVersion"),
    [
      unit("input_audio_tokens", usage, ["promptTokensDetails", "toolUsePromptTokensDetails"], "AUDIO", inputTokens),
      unit("cache_audio_read_tokens", usage, ["cacheTokensDetails"], "AUDIO", cacheReadTokens),
      unit("output_audio_tokens", usage, ["candidatesTokensDetails"], "AUDIO", outputTokens),
      unit("output_image_tokens", usage, ["candidatesTokensDetails"], "IMAGE", outputTokens)
    ]
  )
}

const countFields = ["promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"]

const unit = (name: string, usage: unknown, details: ReadonlyArray<string>, modality: string, total: number): Unit => {
  const counts = details
    .flatMap((detail) => Json.list(Json.field(usage, detail)))
    .filter((entry) => Json.field(entry, "modality") === modality)
    .map((entry) => count(Json.field(entry, "tokenCount")) ?? 0)
  return { name, count: counts.reduce((sum, counted) => sum + counted, 0), total }
}
