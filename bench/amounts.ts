/** What every call asks for and uses, here and in the libraries beside us. */
import { Usage } from "effect-budget"

/** What is reserved: 900 tokens. */
export const estimate = Usage.make({ inputTokens: 400, outputTokens: 500 })

/** What is settled: less, so that something is given back, as after nearly every call to a model. */
export const actual = Usage.make({ inputTokens: 400, outputTokens: 120 })

export const estimateTokens = estimate.inputTokens + estimate.outputTokens
export const actualTokens = actual.inputTokens + actual.outputTokens

/** A limit that is never reached. */
export const plenty = 1e15

/** Where a limit is full for an hour: half of it is used, and the estimate is more than the other half. */
export const fullTokensMax = 1_000
export const fullTokensUsed = 500
