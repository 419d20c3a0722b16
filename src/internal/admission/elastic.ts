import * as Usage from "../../Usage.ts"

/** What an elastic reservation may be granted: the least that is acceptable, and the most that is of use. */
export interface Range {
  readonly least: Usage.Usage
  readonly most: Usage.Usage
}

/** Which field of the least is larger than that of the most. Both are valid. */
export const problemOfRange = ({ least, most }: Range): string | undefined => {
  const field = Usage.fields.find((name) => least[name] > most[name])
  return field === undefined
    ? undefined
    : `${field} of least (${least[field]}) must not exceed that of the estimate (${most[field]})`
}

/**
 * The largest usage of a range that passes, by its output tokens. The least one passes.
 *
 * With one output token more it would not pass. Where a larger one is never easier to let in, it is the largest of all.
 */
export const largestPassing = (range: Range, passes: (usage: Usage.Usage) => boolean): Usage.Usage => {
  if (passes(range.most)) return range.most
  let low = range.least.outputTokens
  let high = range.most.outputTokens
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    if (passes(between(range, middle))) low = middle
    else high = middle
  }
  return low === range.least.outputTokens ? range.least : between(range, low)
}

/**
 * The usage of a range with so many output tokens; everything else lies as far between the least and the most.
 *
 * Rounded up, so that nobody who asks for the whole has reserved too little, but for what input tokens were read from or
 * written to a cache: those are a discount, and parts that are rounded up could exceed their total.
 */
export const between = ({ least, most }: Range, outputTokens: number): Usage.Usage => {
  const part = outputTokens - least.outputTokens
  const whole = most.outputTokens - least.outputTokens
  const up = (from: number, to: number): number => from + divideUp(to - from, part, whole)
  const down = (from: number, to: number): number => to - divideUp(to - from, whole - part, whole)
  return {
    requests: up(least.requests, most.requests),
    inputTokens: up(least.inputTokens, most.inputTokens),
    cacheReadTokens: down(least.cacheReadTokens, most.cacheReadTokens),
    cacheWriteTokens: down(least.cacheWriteTokens, most.cacheWriteTokens),
    outputTokens,
    reasoningTokens: up(least.reasoningTokens, most.reasoningTokens),
    costNanoUsd: up(least.costNanoUsd, most.costNanoUsd)
  }
}

/** `amount × part / whole`, rounded up, exact also where the product exceeds 2^53. */
const divideUp = (amount: number, part: number, whole: number): number => {
  const product = amount * part
  if (Number.isSafeInteger(product)) return (product + ((whole - (product % whole)) % whole)) / whole
  const [dividend, divisor] = [BigInt(amount) * BigInt(part), BigInt(whole)]
  return Number((dividend + divisor - 1n) / divisor)
}
