/**
 * What one call consumes: requests, tokens and money.
 *
 * A `Usage` is plain data. The same shape serves as the estimate that is reserved before a call and as the actual
 * usage that is settled after it. Token counts are whole tokens; money is whole nano-dollars (1 USD = 1,000,000,000).
 *
 * @since 0.1.0
 */
import { scaleUp } from "./internal/scaleUp.ts"

/**
 * What one call consumes.
 *
 * **Details**
 *
 * - `inputTokens` is the total and includes `cacheReadTokens` and `cacheWriteTokens`.
 * - `outputTokens` is the total and includes `reasoningTokens`.
 * - `costNanoUsd` is the price of the whole call in nano-dollars.
 *
 * @category models
 * @since 0.1.0
 */
export interface Usage {
  readonly requests: number
  readonly inputTokens: number
  readonly cacheReadTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
  readonly reasoningTokens: number
  readonly costNanoUsd: number
}

/**
 * The fields that {@link make} takes. `requests` defaults to 1, everything else to 0. A field that is there without a
 * value, as where a provider leaves it out, is no zero: it makes no sense, and the usage is refused.
 *
 * @category models
 * @since 0.1.0
 */
export interface Input {
  readonly requests?: number | undefined
  readonly inputTokens?: number | undefined
  readonly cacheReadTokens?: number | undefined
  readonly cacheWriteTokens?: number | undefined
  readonly outputTokens?: number | undefined
  readonly reasoningTokens?: number | undefined
  /** The price of the call in dollars, rounded up once to whole nano-dollars. */
  readonly costUsd?: number | undefined
}

/**
 * Nano-dollars in one dollar.
 *
 * @category constants
 * @since 0.1.0
 */
export const nanoUsdPerUsd = 1_000_000_000

/**
 * Converts dollars to nano-dollars, rounding up.
 *
 * **Details**
 *
 * A product that differs from a whole number only by the error of the multiplication counts as that number, so that
 * `0.07` is 70,000,000 and not 70,000,001.
 *
 * **Example**
 *
 * ```ts
 * import { Usage } from "effect-budget"
 *
 * Usage.nanoUsd(0.07) // => 70_000_000
 * Usage.nanoUsd(0.000_000_000_4) // => 1
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const nanoUsd = (usd: number): number => scaleUp(usd, nanoUsdPerUsd)

/**
 * Makes a `Usage` of one request from the fields that are known.
 *
 * **Details**
 *
 * It never throws: a nonsensical value (NaN, a fraction, a negative number, a field that is present but undefined)
 * is kept as it is and refused where it enters a budget, so that what a provider reports cannot crash a call that is
 * already paid for. See {@link problem}.
 *
 * **Example**
 *
 * ```ts
 * import { Usage } from "effect-budget"
 *
 * const usage = Usage.make({ inputTokens: 1_200, outputTokens: 500 })
 *
 * usage.requests // => 1
 * usage.inputTokens // => 1_200
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (input: Input): Usage => ({
  requests: field(input, "requests", 1),
  inputTokens: field(input, "inputTokens", 0),
  cacheReadTokens: field(input, "cacheReadTokens", 0),
  cacheWriteTokens: field(input, "cacheWriteTokens", 0),
  outputTokens: field(input, "outputTokens", 0),
  reasoningTokens: field(input, "reasoningTokens", 0),
  costNanoUsd: nanoUsd(field(input, "costUsd", 0))
})

// A field that is present but undefined is a report that lacks it: reading it as zero would lose what was spent.
const field = (input: Input, name: keyof Input, absent: number): number =>
  input[name] ?? (name in input ? Number.NaN : absent)

/**
 * The usage of nothing at all, not even a request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const zero: Usage = make({ requests: 0 })

/**
 * Adds two usages field by field.
 *
 * @category combining
 * @since 0.1.0
 */
export const add = (self: Usage, that: Usage): Usage => ({
  requests: self.requests + that.requests,
  inputTokens: self.inputTokens + that.inputTokens,
  cacheReadTokens: self.cacheReadTokens + that.cacheReadTokens,
  cacheWriteTokens: self.cacheWriteTokens + that.cacheWriteTokens,
  outputTokens: self.outputTokens + that.outputTokens,
  reasoningTokens: self.reasoningTokens + that.reasoningTokens,
  costNanoUsd: self.costNanoUsd + that.costNanoUsd
})

/**
 * Whether every field and the sum of all tokens are non-negative safe integers, and no part exceeds its total.
 *
 * @category validation
 * @since 0.1.0
 */
export const isValid = (usage: Usage): boolean =>
  isAmount(usage.requests) &&
  isAmount(usage.inputTokens) &&
  isAmount(usage.cacheReadTokens) &&
  isAmount(usage.cacheWriteTokens) &&
  isAmount(usage.outputTokens) &&
  isAmount(usage.reasoningTokens) &&
  isAmount(usage.costNanoUsd) &&
  isAmount(usage.inputTokens + usage.outputTokens) &&
  usage.cacheReadTokens + usage.cacheWriteTokens <= usage.inputTokens &&
  usage.reasoningTokens <= usage.outputTokens

/**
 * Says in one sentence what is wrong with a usage, naming the field, or returns `undefined` when it is valid.
 *
 * **Example**
 *
 * ```ts
 * import { Usage } from "effect-budget"
 *
 * Usage.problem(Usage.make({ inputTokens: -1 })) // => "inputTokens must be a non-negative safe integer, got -1"
 * ```
 *
 * @category validation
 * @since 0.1.0
 */
export const problem = (usage: Usage): string | undefined => {
  if (isValid(usage)) return undefined
  for (const name of fields) {
    if (!isAmount(usage[name])) return `${name} must be a non-negative safe integer, got ${String(usage[name])}`
  }
  if (usage.reasoningTokens > usage.outputTokens) {
    return `reasoningTokens (${usage.reasoningTokens}) must not exceed outputTokens (${usage.outputTokens})`
  }
  const tokens = usage.inputTokens + usage.outputTokens
  if (!isAmount(tokens)) return `inputTokens + outputTokens must be a safe integer, got ${tokens}`
  const cached = usage.cacheReadTokens + usage.cacheWriteTokens
  return `cacheReadTokens + cacheWriteTokens (${cached}) must not exceed inputTokens (${usage.inputTokens})`
}

/**
 * Whether a number can stand for an amount: a safe integer of zero or more.
 *
 * @category validation
 * @since 0.1.0
 */
export const isAmount = (amount: number): boolean => Number.isSafeInteger(amount) && amount >= 0

/**
 * The names of the fields.
 *
 * @category constants
 * @since 0.1.0
 */
export const fields = [
  "requests",
  "inputTokens",
  "cacheReadTokens",
  "cacheWriteTokens",
  "outputTokens",
  "reasoningTokens",
  "costNanoUsd"
] as const satisfies ReadonlyArray<keyof Usage>
