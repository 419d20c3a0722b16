import * as Usage from "../../Usage.ts"
import type { Amount, Call, Shape } from "../../Workload.ts"
import { demand, drawing } from "./amount.ts"
import type { Random } from "./random.ts"

/** Draws a call, apart from when it comes. */
export type Draft = (random: Random) => Omit<Call, "at">

/** How to draw calls of a shape. Throws a `RangeError` when the shape makes no sense. */
export const drafting = (where: string, shape: Shape = {}): Draft => {
  const inputTokens = drawing(`${where}: inputTokens`, shape.inputTokens ?? CHAT_INPUT)
  const outputTokens = drawing(`${where}: outputTokens`, shape.outputTokens ?? CHAT_OUTPUT)
  const { maxOutputTokens } = shape
  const bound = maxOutputTokens === undefined ? undefined : drawing(`${where}: maxOutputTokens`, maxOutputTokens)
  const millis = shape.millis === undefined ? undefined : drawing(`${where}: millis`, shape.millis)
  const cost = costing(where, shape)
  const tenantOf = choosing(where, shape.tenants)
  return (random) => {
    const tenant = tenantOf(random)
    const input = inputTokens(random)
    const drawn = outputTokens(random)
    const reserved = bound?.(random) ?? drawn
    // What a call may write is also the most that it writes.
    const output = Math.min(drawn, reserved)
    return {
      tenant,
      estimate: cost(input, reserved),
      actual: cost(input, output),
      millis: millis?.(random) ?? millisOf(output)
    }
  }
}

/** How long a call runs that writes so much: a typical time to the first token, and from one to the next. */
export const millisOf = (outputTokens: number): number => 300 + 20 * outputTokens

/** How usages are priced. */
export const costing = (where: string, { pricePerMillion }: Pick<Shape, "pricePerMillion">) => {
  const { inputUsd = 0, outputUsd = 0 } = pricePerMillion ?? {}
  for (const [name, price] of Object.entries({ inputUsd, outputUsd })) {
    demand(price >= 0 && Number.isFinite(price), `${where}: ${name} must be a number of zero or more, got ${price}`)
  }
  return (inputTokens: number, outputTokens: number): Usage.Usage =>
    Usage.make({
      inputTokens,
      outputTokens,
      costUsd: (inputTokens * inputUsd + outputTokens * outputUsd) / 1_000_000
    })
}

const choosing = (where: string, tenants: Shape["tenants"]): ((random: Random) => string | undefined) => {
  if (tenants === undefined) return () => undefined
  const names = Object.keys(tenants)
  const shares = Object.values(tenants)
  for (const [index, share] of shares.entries()) {
    const isShare = share >= 0 && Number.isFinite(share)
    demand(isShare, `${where}: the share of tenant "${names[index]}" must be a number of zero or more, got ${share}`)
  }
  const sum = shares.reduce((sum, share) => sum + share, 0)
  demand(sum > 0, `${where}: tenants must name at least one with a share above zero`)
  return (random) => {
    let rest = random.fraction() * sum
    return names.find((_, index) => (rest -= shares[index]!) < 0) ?? names.at(-1)
  }
}

// About what public traces of chats look like.
const CHAT_INPUT: Amount = { median: 1_000, p95: 4_000 }
const CHAT_OUTPUT: Amount = { median: 130, p95: 500 }
