import * as Usage from "../../Usage.ts"

/** What was reserved, in the words of this library: conventions know no estimates. */
export const estimateAttributes = (estimate: Usage.Usage): Record<string, number> => ({
  "effect_budget.estimate.input_tokens": estimate.inputTokens,
  "effect_budget.estimate.output_tokens": estimate.outputTokens,
  ...costAttribute("effect_budget.estimate.cost_usd", estimate)
})

/** What was used, in the words of OpenTelemetry's conventions for generative AI. They have none for money. */
export const usageAttributes = (usage: Usage.Usage): Record<string, number> => ({
  "gen_ai.usage.input_tokens": usage.inputTokens,
  "gen_ai.usage.output_tokens": usage.outputTokens,
  ...(usage.cacheReadTokens === 0 ? {} : { "gen_ai.usage.cache_read.input_tokens": usage.cacheReadTokens }),
  ...(usage.cacheWriteTokens === 0 ? {} : { "gen_ai.usage.cache_creation.input_tokens": usage.cacheWriteTokens }),
  ...(usage.reasoningTokens === 0 ? {} : { "gen_ai.usage.reasoning.output_tokens": usage.reasoningTokens }),
  ...costAttribute("effect_budget.usage.cost_usd", usage)
})

const costAttribute = (name: string, { costNanoUsd }: Usage.Usage): Record<string, number> =>
  costNanoUsd === 0 ? {} : { [name]: costNanoUsd / Usage.nanoUsdPerUsd }
