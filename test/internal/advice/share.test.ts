import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { certaintyOf } from "../../../src/internal/advice/share.ts"
import type { Recording } from "../../../src/Recording.ts"
import * as Simulation from "../../../src/Simulation.ts"
import * as Workload from "../../../src/Workload.ts"

/** A recording in whose every step a hundred calls came, so many of which had to wait. */
const withWaits = (waited: ReadonlyArray<number>): Effect.Effect<Recording, Workload.WorkloadError> =>
  Effect.map(
    Simulation.run({ limits: [], workload: Workload.poisson({ perMinute: 600, duration: "1 minute" }) }),
    ({ recording }) => {
      const [budget] = recording.budgets
      const zeros = waited.map(() => 0)
      const series = { ...budget!.series, admitted: waited.map(() => 100), waited, refused: zeros }
      const asked = 100 * waited.length
      const sum = waited.reduce((sum, calls) => sum + calls, 0)
      const calls = { ...recording.calls, asked, admitted: asked, waited: sum, refused: 0 }
      return { ...recording, calls, budgets: [{ ...budget!, calls, series }] }
    }
  )

const widthOf = (waited: ReadonlyArray<number>) =>
  Effect.map(withWaits(waited), (recording) => {
    const { high, low } = certaintyOf(recording)
    return high - low
  })

describe("the certainty of a share", () => {
  it.effect("is that of the blocks, by Student's distribution", () =>
    Effect.gen(function* () {
      // Twenty blocks of 10 and 30 in a hundred, in turn: a deviation of 10 * sqrt(20 / 19), 2.093 times its twentieth's root.
      const waited = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 10 : 30))
      const { blocks, calls, high, isEnough, low } = certaintyOf(yield* withWaits(waited))
      const margin = (2.093 * 0.1 * Math.sqrt(20 / 19)) / Math.sqrt(20)
      expect({ blocks, calls, isEnough }).toEqual({ blocks: 20, calls: 2_000, isEnough: true })
      expect(low).toBeCloseTo(0.2 - margin, 3)
      expect(high).toBeCloseTo(0.2 + margin, 3)
    })
  )

  it.effect("puts steps together where there are many, so that the same blocks make the same bounds", () =>
    Effect.gen(function* () {
      const waited = Array.from({ length: 200 }, (_, index) => (Math.floor(index / 10) % 2 === 0 ? 10 : 30))
      const recording = yield* withWaits(waited)
      expect(certaintyOf(recording)).toMatchObject({ blocks: 20, calls: 20_000 })
      expect(yield* widthOf(waited)).toBeCloseTo(
        yield* widthOf(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 10 : 30))),
        10
      )
    })
  )

  it.effect("is less where blocks are like their neighbours", () =>
    Effect.gen(function* () {
      const inTurn = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 10 : 30))
      const halves = Array.from({ length: 20 }, (_, index) => (index < 10 ? 10 : 30))
      expect(yield* widthOf(halves)).toBeGreaterThan(2 * (yield* widthOf(inTurn)))
    })
  )

  it.effect("is not enough of few blocks, however many calls they have", () =>
    Effect.gen(function* () {
      expect(certaintyOf(yield* withWaits([1, 2, 3, 4, 5, 6, 7, 8, 9])).isEnough).toBe(false)
      expect(certaintyOf(yield* withWaits([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).isEnough).toBe(true)
      expect(certaintyOf(yield* withWaits([1]))).toMatchObject({ low: 0, high: 1, isEnough: false })
    })
  )
})
