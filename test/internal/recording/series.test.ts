import { describe, expect, it } from "vitest"
import { Steps, STEPS_MAX } from "../../../src/internal/recording/series.ts"
import { forEachSeed } from "../../support/random.ts"

describe("the series of a recording", () => {
  it("add up what was noted, or keep the largest, in steps that double when there would be too many", () =>
    forEachSeed({ name: "series", runs: 200 }, (random) => {
      const steps = new Steps(10)
      const sum = steps.series("sum")
      const max = steps.series("max")
      const noted: Array<{ readonly at: number; readonly value: number }> = []
      let at = 0
      for (let note = 0; note < 300; note++) {
        at += random.chance(0.02) ? random.magnitude(1, 100_000) : random.int(0, 30)
        const value = random.int(0, 9)
        noted.push({ at, value })
        const step = steps.at(at)
        sum.note(step, value)
        max.note(step, value)
      }
      const { count, stepMillis } = steps
      random.note(count, stepMillis)
      expect(count).toBeLessThanOrEqual(STEPS_MAX)
      expect(count).toBe(Math.floor(at / stepMillis) + 1)
      const inStep = (step: number) =>
        noted.filter(({ at }) => Math.floor(at / stepMillis) === step).map(({ value }) => value)
      const expected = Array.from({ length: count }, (_, step) => inStep(step))
      expect(sum.toArray(count)).toEqual(expected.map((values) => values.reduce((sum, value) => sum + value, 0)))
      expect(max.toArray(count)).toEqual(expected.map((values) => Math.max(0, ...values)))
    }))
})
