import { describe, expect, it } from "vitest"
import { fullness } from "../../../src/internal/limit/fullness.ts"
import { Thresholds } from "../../../src/internal/limit/thresholds.ts"
import { forEachSeed, type Random } from "../../support/random.ts"

describe("thresholds", () => {
  it("are reached at exactly the fraction that is written, however it is rounded", () => {
    for (let percent = 1; percent <= 100; percent++) {
      const fraction = Number(`${percent / 100}`)
      expect(new Thresholds([fraction], "afterUse", 100).reached(percent, 100)).toEqual([fraction])
      expect(new Thresholds([fraction], "afterUse", 100).reached(percent - 1, 100)).toEqual([])
    }
  })

  it("are told again after exactly a tenth less, however it is rounded", () => {
    for (let percent = 11; percent <= 100; percent++) {
      const again = (least: number) => {
        const thresholds = new Thresholds([Number(`${percent / 100}`)], "afterUse", 100)
        thresholds.reached(percent, 100)
        thresholds.see(least, 100)
        return thresholds.reached(percent, 100).length
      }
      expect([again(percent - 9), again(percent - 10)]).toEqual([0, 1])
    }
  })

  it("below a tenth are told again after nothing counted", () => {
    const thresholds = new Thresholds([0.05], "afterUse", 100)
    const again = (least: number) => {
      thresholds.see(least, 100)
      return thresholds.reached(5, 100)
    }
    expect([again(0), again(1), again(0)]).toEqual([[0.05], [], [0.05]])
  })

  it("are told lowest first, each once, however they are given", () => {
    const thresholds = new Thresholds([1, 0.5, 0.8, 0.5], "afterUse", 100)
    expect(thresholds.reached(90, 100)).toEqual([0.5, 0.8])
    expect(thresholds.reached(250, 100)).toEqual([1])
  })

  it("that stay when others are watched have been told", () => {
    const thresholds = new Thresholds([0.5, 0.8], "afterUse", 100)
    thresholds.reached(100, 100)
    thresholds.watch([0.8, 0.9])
    expect(thresholds.reached(100, 100)).toEqual([0.9])
    thresholds.watch([0.5])
    expect(thresholds.reached(100, 100)).toEqual([0.5])
  })

  it("of a window are told as an oracle says that remembers all use there ever was", () =>
    forEachSeed({ name: "thresholds of windows", runs: 2_000 }, (random) =>
      compare(random, "afterUse", (history, told, percent) =>
        history.slice(told).some(({ max, used }) => used === 0 || 100 * used <= (percent - 10) * max)
      )
    ))

  it("of a cap are told as an oracle says that remembers all maxima there ever were", () =>
    forEachSeed({ name: "thresholds of caps", runs: 2_000 }, (random) =>
      compare(random, "afterRaise", (history, told, percent) =>
        history.some(
          ({ max, used }, index) => index >= told && max > history[index - 1]!.max && 100 * used < percent * max
        )
      )
    ))
})

interface Moment {
  readonly used: number
  readonly max: number
}

/**
 * Runs a random history. The oracle keeps every moment, and when each threshold was told last. It is due when it is
 * reached, and was never told or may be told again, given where in the history it was told.
 */
const compare = (
  random: Random,
  recurrence: "afterUse" | "afterRaise",
  mayBeToldAgain: (history: ReadonlyArray<Moment>, told: number, percent: number) => boolean
): void => {
  const percents = [...new Set(Array.from({ length: random.int(1, 3) }, () => random.int(1, 130)))].sort(
    (a, b) => a - b
  )
  let max = random.int(1, 30)
  let used = 0
  const thresholds = new Thresholds(
    percents.map((percent) => percent / 100),
    recurrence,
    max
  )
  const history: Array<Moment> = [{ used, max }]
  const toldAt = new Map<number, number>()
  for (let step = 0; step < 40; step++) {
    // Use becomes less, or the maximum another one, and then more is used, or nothing.
    if (random.chance(0.15)) max = random.int(1, 30)
    else used = random.int(0, used)
    history.push({ used, max })
    thresholds.see(used, max)
    used += random.int(0, 12)
    history.push({ used, max })
    random.note({ used, max })
    const due = percents.filter((percent) => {
      const told = toldAt.get(percent)
      const isFree = told === undefined || mayBeToldAgain(history, told, percent)
      return 100 * used >= percent * max && isFree
    })
    for (const percent of due) toldAt.set(percent, history.length)
    expect(thresholds.reached(used, max)).toEqual(due.map((percent) => percent / 100))
  }
}

describe("fullness", () => {
  it("is the fraction of the maximum, above one in debt, and one of a maximum of zero", () => {
    expect([fullness(0, 10), fullness(5, 10), fullness(15, 10), fullness(0, 0), fullness(5, 0)]).toEqual([
      0, 0.5, 1.5, 1, 1
    ])
  })
})
