import { describe, expect, it } from "vitest"
import * as Usage from "../src/Usage.ts"
import { forEachSeed } from "./support/random.ts"

const fields = [
  "inputTokens",
  "cacheReadTokens",
  "cacheWriteTokens",
  "outputTokens",
  "reasoningTokens",
  "requests"
] as const

const nonsense = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 0.5, Number.MAX_SAFE_INTEGER + 1]

describe("Usage.make", () => {
  it("makes one request that consumes nothing else", () => {
    expect(Usage.make({})).toEqual({
      requests: 1,
      inputTokens: 0,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: 0,
      reasoningTokens: 0,
      costNanoUsd: 0
    })
  })

  it("keeps the fields that are known and converts dollars", () => {
    const input = {
      requests: 2,
      inputTokens: 3,
      cacheReadTokens: 1,
      cacheWriteTokens: 1,
      outputTokens: 5,
      reasoningTokens: 4
    }
    expect(Usage.make({ ...input, costUsd: 0.5 })).toEqual({ ...input, costNanoUsd: 500_000_000 })
  })

  it("never throws: what makes no sense is kept, to be refused where it enters a budget", () => {
    for (const field of fields) for (const value of nonsense) expect(Usage.make({ [field]: value })[field]).toBe(value)
  })

  it("reads a field that is present but undefined as unknown, not as zero", () => {
    for (const field of fields) {
      const reported: Record<string, number | undefined> = { [field]: undefined }
      expect(Usage.make(reported as Usage.Input)[field]).toBeNaN()
    }
    const unpriced: Record<string, number | undefined> = { costUsd: undefined }
    expect(Usage.make(unpriced as Usage.Input).costNanoUsd).toBeNaN()
  })

  it("reads a null, which JSON has where a provider reports nothing, as unknown", () => {
    for (const field of fields) expect(Usage.make(JSON.parse(`{"${field}":null}`))[field]).toBeNaN()
  })

  it("reads a price of null as unknown, not as free of charge", () => {
    expect(Usage.make(JSON.parse(`{"costUsd":null}`)).costNanoUsd).toBeNaN()
  })
})

describe("Usage.zero and Usage.add", () => {
  it("zero is nothing at all, not even a request, and adds nothing", () => {
    const usage = Usage.make({ inputTokens: 7, costUsd: 1 })
    expect(Usage.add(usage, Usage.zero)).toEqual(usage)
    expect(Usage.zero.requests).toBe(0)
  })

  it("adds every field", () => {
    const usage = Usage.make({
      inputTokens: 3,
      cacheReadTokens: 1,
      cacheWriteTokens: 1,
      outputTokens: 5,
      reasoningTokens: 4,
      costUsd: 1
    })
    for (const [field, amount] of Object.entries(Usage.add(usage, usage))) {
      expect(amount, field).toBe(2 * usage[field as keyof Usage.Usage])
    }
  })
})

describe("Usage.problem", () => {
  it("finds none in a usage that makes sense", () => {
    expect(Usage.problem(Usage.make({ inputTokens: 5, cacheReadTokens: 2, cacheWriteTokens: 3 }))).toBeUndefined()
    expect(Usage.problem(Usage.zero)).toBeUndefined()
    expect(Usage.isValid(Usage.make({ outputTokens: Number.MAX_SAFE_INTEGER }))).toBe(true)
  })

  it("names the field that is NaN, infinite, negative, a fraction or not a safe integer, and says its value", () => {
    for (const field of fields) {
      for (const value of nonsense) {
        const usage = Usage.make({ [field]: value })
        expect(Usage.isValid(usage)).toBe(false)
        expect(Usage.problem(usage)).toBe(`${field} must be a non-negative safe integer, got ${value}`)
      }
    }
  })

  it("names the cost that is NaN, infinite, negative or too large", () => {
    for (const costUsd of [Number.NaN, Number.POSITIVE_INFINITY, -1, 9_007_200]) {
      const usage = Usage.make({ costUsd })
      expect(Usage.isValid(usage)).toBe(false)
      expect(Usage.problem(usage)).toMatch(/^costNanoUsd must be a non-negative safe integer, got /)
    }
  })

  it("names a cost that is negative by less than a nano-dollar", () => {
    expect(Usage.isValid(Usage.make({ costUsd: -0.000_000_000_4 }))).toBe(false)
  })

  it("says which part is larger than its total", () => {
    expect(Usage.problem(Usage.make({ outputTokens: 4, reasoningTokens: 5 }))).toBe(
      "reasoningTokens (5) must not exceed outputTokens (4)"
    )
    expect(Usage.problem(Usage.make({ inputTokens: 4, cacheReadTokens: 3, cacheWriteTokens: 2 }))).toBe(
      "cacheReadTokens + cacheWriteTokens (5) must not exceed inputTokens (4)"
    )
  })

  it("says when all tokens together are no safe integer, though input and output are", () => {
    const most = Number.MAX_SAFE_INTEGER
    expect(Usage.problem(Usage.make({ inputTokens: most, outputTokens: 0 }))).toBeUndefined()
    expect(Usage.problem(Usage.make({ inputTokens: most, outputTokens: 1 }))).toBe(
      `inputTokens + outputTokens must be a safe integer, got ${most + 1}`
    )
  })

  it("agrees with isValid", () =>
    forEachSeed({ name: "problem and isValid", runs: 500 }, (random) => {
      const usage = Usage.make(
        Object.fromEntries(
          fields.map((field) => [field, random.chance(0.05) ? random.pick(nonsense) : random.int(0, 5)])
        )
      )
      expect(Usage.problem(usage) === undefined).toBe(Usage.isValid(usage))
    }))
})

describe("Usage.nanoUsd", () => {
  it("converts what people write to what they mean", () => {
    for (const [usd, nano] of [
      [0, 0],
      [0.07, 70_000_000],
      [0.1 + 0.2, 300_000_000],
      [1.1, 1_100_000_000],
      [4.35, 4_350_000_000],
      [0.000_000_001, 1],
      [9_007_199.254_740_991, Number.MAX_SAFE_INTEGER]
    ] as const) {
      expect(Usage.nanoUsd(usd)).toBe(nano)
    }
  })

  it("rounds up what is less than a nano-dollar", () => {
    expect(Usage.nanoUsd(0.000_000_000_4)).toBe(1)
    expect(Usage.nanoUsd(0.000_000_001_000_1)).toBe(2)
    expect(Usage.nanoUsd(Number.MIN_VALUE)).toBe(1)
  })

  it("three times $0.10 is $0.30", () => {
    expect(3 * Usage.nanoUsd(0.1)).toBe(Usage.nanoUsd(0.3))
  })

  it("gives back every whole number of nano-dollars that was written as dollars, up to four million dollars", () =>
    forEachSeed({ name: "nanoUsd", runs: 5_000 }, (random) => {
      const nano = random.magnitude(1, 4_000_000 * Usage.nanoUsdPerUsd)
      expect(Usage.nanoUsd(nano / Usage.nanoUsdPerUsd)).toBe(nano)
      const digits = String(nano).padStart(10, "0")
      expect(Usage.nanoUsd(Number(`${digits.slice(0, -9)}.${digits.slice(-9)}`))).toBe(nano)
    }))

  it("never charges less than the price and less than one nano-dollar more", () =>
    forEachSeed({ name: "nanoUsd, rounding", runs: 2_000 }, (random) => {
      // A price in 2^-40 dollars is exact in binary, so that its comparison in whole numbers is, too.
      const price = random.magnitude(1, 2 ** 50)
      const nano = BigInt(Usage.nanoUsd(price / 2 ** 40))
      const exact = BigInt(price) * BigInt(Usage.nanoUsdPerUsd)
      // What differs by the error of a multiplication may count as the whole number below.
      const tolerance = BigInt(Math.ceil(Number(exact) * 2 * Number.EPSILON))
      expect((nano << 40n) + tolerance >= exact).toBe(true)
      expect((nano << 40n) - exact < 1n << 40n).toBe(true)
    }))
})

describe("Usage.isAmount", () => {
  it("is a safe integer of zero or more", () => {
    for (const amount of [0, 1, Number.MAX_SAFE_INTEGER]) expect(Usage.isAmount(amount)).toBe(true)
    for (const amount of nonsense) expect(Usage.isAmount(amount)).toBe(false)
  })
})

describe("failures of other libraries that a usage does not have", () => {
  it("NaN makes a key unlimited; a negative amount credits it", () => {
    expect(Usage.isValid(Usage.make({ inputTokens: Number.NaN }))).toBe(false)
    expect(Usage.isValid(Usage.make({ inputTokens: -5_000 }))).toBe(false)
  })

  it("cached tokens are counted twice, or not at all", () => {
    const usage = Usage.make({ inputTokens: 100, cacheReadTokens: 80, outputTokens: 10, reasoningTokens: 4 })
    expect(usage.inputTokens).toBe(100)
    expect(usage.outputTokens).toBe(10)
  })
})
