import { describe, expect, it } from "vitest"
import { Histogram } from "../../../src/internal/recording/histogram.ts"
import { forEachSeed } from "../../support/random.ts"

const FRACTIONS = [0.5, 0.9, 0.95, 0.99, 0.999]

describe("a histogram", () => {
  it("is zero while nothing was counted", () => {
    expect(new Histogram().quantiles()).toEqual({ count: 0, p50: 0, p90: 0, p95: 0, p99: 0, p999: 0, max: 0 })
  })

  it("is exact below 128, and within 1/128 of the sorted numbers above", () =>
    forEachSeed({ name: "histogram", runs: 300 }, (random) => {
      const histogram = new Histogram()
      const values = Array.from({ length: random.int(1, 500) }, () => random.magnitude(1, 2 ** random.int(1, 52)) - 1)
      for (const value of values) histogram.add(value)
      values.sort((a, b) => a - b)
      for (const fraction of FRACTIONS) {
        const exact = values[Math.max(1, Math.ceil(fraction * values.length)) - 1]!
        random.note(fraction, exact)
        const found = histogram.quantile(fraction)
        if (exact < 128) expect(found).toBe(exact)
        else expect(Math.abs(found - exact) / exact).toBeLessThanOrEqual(1 / 128)
      }
      expect(histogram.quantiles().max).toBe(values.at(-1))
    }))

  it("knows the numbers around each power of two", () => {
    for (let power = 7; power < 53; power++) {
      for (const value of [2 ** power - 1, 2 ** power, 2 ** power + 1]) {
        const histogram = new Histogram()
        histogram.add(value)
        histogram.add(Number.MAX_SAFE_INTEGER)
        expect(Math.abs(histogram.quantile(0.5) - value) / value).toBeLessThanOrEqual(1 / 128)
      }
    }
  })
})
