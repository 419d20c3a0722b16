/**
 * A named projection of a `Usage` to one non-negative integer: what a limit counts.
 *
 * @since 0.1.0
 */
import { scaleUp } from "./internal/scaleUp.ts"
import * as Usage from "./Usage.ts"

/**
 * A named projection of a `Usage` to one non-negative integer.
 *
 * **Details**
 *
 * `scale` is how many of the counted integers make one of the units in which people write and read limits: 1 for
 * tokens, one billion for dollars, because money is counted in nano-dollars.
 *
 * @category models
 * @since 0.1.0
 */
export interface Meter {
  readonly name: string
  readonly scale: number
  readonly measure: (usage: Usage.Usage) => number
}

/**
 * The names of the built-in meters.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = "requests" | "tokens" | "inputTokens" | "uncachedInputTokens" | "outputTokens" | "usd"

/**
 * A built-in meter by its name, or a meter of one's own.
 *
 * @category models
 * @since 0.1.0
 */
export type Input = Name | Meter

/**
 * Makes a meter of one's own.
 *
 * **Details**
 *
 * `measure` must return a non-negative safe integer for every valid usage. What it returns for an estimate is checked
 * where the estimate enters a budget.
 *
 * **Example** (Amazon Bedrock counts output five times)
 *
 * ```ts
 * import { Meter, Usage } from "effect-budget"
 *
 * const bedrockTokens = Meter.make("bedrockTokens", (usage) => usage.inputTokens + 5 * usage.outputTokens)
 *
 * bedrockTokens.measure(Usage.make({ inputTokens: 100, outputTokens: 10 })) // => 150
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string, measure: (usage: Usage.Usage) => number): Meter => ({ name, scale: 1, measure })

/**
 * Counts requests.
 *
 * @category meters
 * @since 0.1.0
 */
export const requests: Meter = make("requests", (usage) => usage.requests)

/**
 * Counts input and output tokens together.
 *
 * @category meters
 * @since 0.1.0
 */
export const tokens: Meter = make("tokens", (usage) => usage.inputTokens + usage.outputTokens)

/**
 * Counts all input tokens, cached or not.
 *
 * @category meters
 * @since 0.1.0
 */
export const inputTokens: Meter = make("inputTokens", (usage) => usage.inputTokens)

/**
 * Counts input tokens that were not read from a cache. Cache writes count, as in Anthropic's input tokens per minute.
 *
 * @category meters
 * @since 0.1.0
 */
export const uncachedInputTokens: Meter = make(
  "uncachedInputTokens",
  (usage) => usage.inputTokens - usage.cacheReadTokens
)

/**
 * Counts output tokens, reasoning included.
 *
 * @category meters
 * @since 0.1.0
 */
export const outputTokens: Meter = make("outputTokens", (usage) => usage.outputTokens)

/**
 * Counts money. Limits are written in dollars and counted in nano-dollars.
 *
 * @category meters
 * @since 0.1.0
 */
export const usd: Meter = { name: "usd", scale: Usage.nanoUsdPerUsd, measure: (usage) => usage.costNanoUsd }

/**
 * Counts every reservation as one, whatever it uses: what `Limit.concurrency` counts.
 *
 * @category meters
 * @since 0.1.0
 */
export const reservations: Meter = make("reservations", () => 1)

const named: Readonly<Record<Name, Meter>> = {
  requests,
  tokens,
  inputTokens,
  uncachedInputTokens,
  outputTokens,
  usd
}

/**
 * Whether a meter is one of those of this module. They measure an amount of every valid usage.
 *
 * @category validation
 * @since 0.1.0
 */
export const isBuiltIn = (meter: Meter): boolean => meter === reservations || Object.values(named).includes(meter)

/**
 * Resolves a built-in meter by its name; a meter of one's own is returned as it is.
 *
 * Throws a `RangeError` when the name is unknown.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromInput = (input: Input): Meter => {
  if (typeof input !== "string") return input
  if (Object.hasOwn(named, input)) return named[input]
  throw new RangeError(`Meter: unknown meter "${String(input)}", expected one of ${Object.keys(named).join(", ")}`)
}

/**
 * Converts what people write for a meter to its integers, rounding up: `$2` to 2,000,000,000, 2 tokens to 2.
 *
 * @category conversions
 * @since 0.1.0
 */
export const amount = (meter: Meter, units: number): number => (meter.scale === 1 ? units : scaleUp(units, meter.scale))

/**
 * Writes an amount of a meter for people: `1,200 tokens`, `$0.07`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const format = (meter: Meter, measured: number): string =>
  meter === usd
    ? `$${(measured / meter.scale).toLocaleString("en-US", { maximumFractionDigits: 9 })}`
    : `${(measured / meter.scale).toLocaleString("en-US")} ${meter.name}`
