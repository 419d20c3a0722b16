import { describe, expect, it } from "vitest"
import { between, largestPassing, type Range } from "../../src/internal/admission/elastic.ts"
import * as Usage from "../../src/Usage.ts"
import { forEachSeed, type Random } from "../support/random.ts"

const range = (least: Usage.Input, most: Usage.Input): Range => ({ least: Usage.make(least), most: Usage.make(most) })

/** Any two valid usages of which one is nowhere larger. */
const drawRange = (random: Random): Range => {
  const scale = random.pick([5, 100, 1e6])
  const draw = (max: Usage.Usage | undefined): Usage.Usage => {
    const upTo = (field: keyof Usage.Usage, most: number) => random.int(0, Math.min(most, max?.[field] ?? most))
    const inputTokens = upTo("inputTokens", scale)
    const cacheReadTokens = upTo("cacheReadTokens", inputTokens)
    const outputTokens = upTo("outputTokens", scale)
    return {
      requests: upTo("requests", 2),
      inputTokens,
      cacheReadTokens,
      cacheWriteTokens: upTo("cacheWriteTokens", inputTokens - cacheReadTokens),
      outputTokens,
      reasoningTokens: upTo("reasoningTokens", outputTokens),
      costNanoUsd: upTo("costNanoUsd", random.pick([9, 1e9, Number.MAX_SAFE_INTEGER]))
    }
  }
  const most = draw(undefined)
  return { least: draw(most), most }
}

describe("a usage between two others", () => {
  it("grows with its output tokens, everything in proportion, rounded up", () => {
    const few = { inputTokens: 100, outputTokens: 10, costUsd: 0.000_000_010 }
    const many = { inputTokens: 100, outputTokens: 20, reasoningTokens: 5, costUsd: 0.000_000_100 }
    expect(between(range(few, many), 13)).toEqual({
      ...Usage.make({ inputTokens: 100, outputTokens: 13, reasoningTokens: 2 }),
      costNanoUsd: 37
    })
  })

  it("rounds down what was cached, so that its parts never exceed all input", () => {
    const cached = { inputTokens: 2, cacheReadTokens: 1, cacheWriteTokens: 1, outputTokens: 2 }
    expect(between(range({}, cached), 1)).toEqual(Usage.make({ inputTokens: 1, outputTokens: 1 }))
  })

  it("is exact where products exceed 2^53", () => {
    const cost = (costNanoUsd: number, outputTokens: number) => ({ ...Usage.make({ outputTokens }), costNanoUsd })
    const most = cost(9_007_199_254_740_991, 1_000_003)
    const exact = Number((9_007_199_254_740_991n * 500_001n + 1_000_002n) / 1_000_003n)
    expect(between({ least: cost(0, 0), most }, 500_001).costNanoUsd).toBe(exact)
  })

  it("is valid, lies between the two in every field, and never falls short of what is proportional", () =>
    forEachSeed({ name: "between", runs: 3_000 }, (random) => {
      const { least, most } = drawRange(random)
      if (most.outputTokens - least.outputTokens < 2) return
      const outputTokens = random.int(least.outputTokens, most.outputTokens)
      const usage = between({ least, most }, outputTokens)
      expect(Usage.problem(usage)).toBeUndefined()
      expect(usage.outputTokens).toBe(outputTokens)
      const [part, whole] = [outputTokens - least.outputTokens, most.outputTokens - least.outputTokens]
      for (const field of Usage.fields) {
        expect(usage[field]).toBeGreaterThanOrEqual(least[field])
        expect(usage[field]).toBeLessThanOrEqual(most[field])
        if (field.startsWith("cache")) continue
        const missing =
          BigInt(most[field] - least[field]) * BigInt(part) - BigInt(usage[field] - least[field]) * BigInt(whole)
        expect(missing <= 0n && missing > -BigInt(whole)).toBe(true)
      }
    }))
})

describe("the largest usage that passes", () => {
  it("is the most, the least, or whatever lies between them, with few questions", () =>
    forEachSeed({ name: "largest passing", runs: 500 }, (random) => {
      const low = random.int(0, 1_000)
      const high = low + random.magnitude(1, 1e6)
      const bound = random.pick([low, low + 1, high - 1, high, random.int(low, high)])
      let questions = 0
      const found = largestPassing(range({ outputTokens: low }, { outputTokens: high }), ({ outputTokens }) => {
        questions++
        return outputTokens <= bound
      })
      expect(found.outputTokens).toBe(Math.max(low, bound))
      expect(questions).toBeLessThanOrEqual(22)
    }))

  it("is either of the two where both have the same output tokens", () => {
    const { least, most } = range({ inputTokens: 1 }, { inputTokens: 9 })
    expect(largestPassing({ least, most }, () => true)).toBe(most)
    expect(largestPassing({ least, most }, ({ inputTokens }) => inputTokens < 9)).toBe(least)
  })
})
