import { describe, expect, it } from "vitest"
import { PauseState } from "../../../src/internal/limit/pause.ts"
import { forEachSeed } from "../../support/random.ts"

const pausedUntil = (until: number, isGradual = false) => {
  const pause = new PauseState()
  pause.pause(until, isGradual, 0)
  return pause
}

/** When each of so many who have waited for the end of a pause is admitted. */
const admissions = (pause: PauseState, count: number): ReadonlyArray<number> => {
  let now = 0
  return Array.from({ length: count }, () => {
    now = pause.readyAt(1, now)
    pause.take(1, now)
    return now
  })
}

describe("pause", () => {
  it("is no hindrance until it begins", () => {
    const pause = new PauseState()
    expect(pause.readyAt(1, 5)).toBe(5)
    expect(pause.isUnused(5)).toBe(true)
  })

  it("admits nothing before its end, and everything from then on", () => {
    const pause = pausedUntil(100)
    expect(pause.readyAt(1, 99)).toBe(100)
    expect(pause.isUnused(99)).toBe(false)
    pause.take(1, 100)
    expect(pause.readyAt(1e15, 100)).toBe(100)
    expect(pause.readyAt(1, 100, 1)).toBe(100)
    expect(pause.isUnused(100)).toBe(true)
  })

  it("counts nothing", () => {
    const pause = pausedUntil(100)
    pause.take(1, 100)
    pause.charge()
    expect(pause.settle()).toBe(0)
    expect(pause.used()).toBe(0)
    expect(pause.reserved).toBe(0)
  })

  it("ends as the original does in a copy, which can be prolonged alone", () => {
    const pause = pausedUntil(100)
    const copy = pause.clone()
    copy.pause(200, false, 0)
    expect(pause.readyAt(1, 0)).toBe(100)
    expect(copy.readyAt(1, 0)).toBe(200)
  })
})

describe("a pause that is resumed gradually", () => {
  it("admits one in the first second after it, then two, four and so on, evenly spaced", () => {
    expect(admissions(pausedUntil(100, true), 8)).toEqual([100, 1_100, 1_600, 2_100, 2_350, 2_600, 2_850, 3_100])
    // Slots of 62.5 milliseconds begin on the next whole one.
    expect(admissions(pausedUntil(0, true), 19).slice(15)).toEqual([4_000, 4_063, 4_125, 4_188])
  })

  it("admits 2^n in the n-th second after it, and everything after ten", () => {
    const instants = admissions(pausedUntil(0, true), 3_000)
    const inSecond = (second: number) => instants.filter((at) => Math.floor(at / 1_000) === second).length
    expect(Array.from({ length: 10 }, (_, second) => inSecond(second))).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
    expect(instants.slice(1_023).every((at) => at === 10_000)).toBe(true)
  })

  it("lets nobody catch up on what was not asked for", () => {
    const pause = pausedUntil(0, true)
    expect(pause.readyAt(1, 2_600)).toBe(2_600)
    pause.take(1, 2_600)
    expect(pause.readyAt(1, 2_600)).toBe(2_750)
  })

  it("is remembered until its bounds are over", () => {
    const pause = pausedUntil(100, true)
    expect(pause.isUnused(10_099)).toBe(false)
    expect(pause.isUnused(10_100)).toBe(true)
  })

  it("goes on in a copy, of which the original knows nothing", () => {
    const pause = pausedUntil(100, true)
    pause.take(1, 100)
    const copy = pause.clone()
    expect(copy.readyAt(1, 100)).toBe(1_100)
    copy.take(1, 1_100)
    expect(copy.readyAt(1, 1_100)).toBe(1_600)
    expect(pause.readyAt(1, 1_100)).toBe(1_100)
  })

  it("is replaced by a later pause, and by one that is over", () => {
    const pause = pausedUntil(100, true)
    pause.take(1, 100)
    pause.pause(500, true, 200)
    expect(admissions(pause, 3)).toEqual([500, 1_500, 2_000])
    pause.pause(3_000, false, 2_000)
    expect(admissions(pause, 3)).toEqual([3_000, 3_000, 3_000])
    pause.pause(9_000, true, 3_000)
    pause.pause(0, false, 3_100)
    expect(pause.readyAt(1, 3_100)).toBe(3_100)
  })

  it("is not replaced by one that ends earlier", () => {
    const pause = pausedUntil(500, true)
    pause.pause(400, false, 0)
    expect(admissions(pause, 2)).toEqual([500, 1_500])
  })

  it("answers exactly, with and without somebody beside, as one who tries every slot", () =>
    forEachSeed({ name: "gradual pause", runs: 300 }, (random) => {
      const until = random.int(0, 500)
      const pause = pausedUntil(until, true)
      const taken = new Set<number>()
      /** The slots are numbered through: the n-th second has those from 2^n on. */
      const slotOf = (at: number) => {
        const second = Math.floor((at - until) / 1_000)
        return 2 ** second + Math.floor((((at - until) % 1_000) * 2 ** second) / 1_000)
      }
      const isFree = (at: number, others: ReadonlySet<number>) =>
        at >= until + 10_000 || (at >= until && !others.has(slotOf(at)))
      const firstFree = (from: number, others: ReadonlySet<number> = taken) => {
        let at = from
        while (!isFree(at, others)) at++
        return at
      }
      let now = 0
      for (let step = 0; step < 60; step++) {
        now += random.pick([0, 1, 30, random.int(0, 900)])
        expect(pause.readyAt(1, now)).toBe(firstFree(now))
        if (pause.readyAt(1, now) > now) continue
        if (now < until + 10_000) {
          expect(pause.readyAt(1, now, 1)).toBe(firstFree(now, new Set([...taken, slotOf(now)])))
        }
        if (random.chance(0.7)) {
          pause.take(1, now)
          if (now < until + 10_000) taken.add(slotOf(now))
        }
      }
    }))
})
