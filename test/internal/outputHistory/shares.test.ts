import { describe, expect, it } from "vitest"
import { Shares } from "../../../src/internal/outputHistory/shares.ts"
import { forEachSeed, type Random } from "../../support/random.ts"

const RESOLUTION = 2 ** (1 / 16)
const SHARE_MIN = 2 ** -17

const randomShare = (random: Random): number => {
  if (random.chance(0.1)) return 2 ** (random.int(-17 * 16, 16) / 16)
  return random.chance(0.1) ? 0 : random.magnitude(1, 2_000_000) / 1_000_000
}

/** The share at a place, from all shares in order. */
const naiveQuantile = (shares: ReadonlyArray<number>, quantile: number): number =>
  shares.toSorted((one, other) => one - other)[Math.ceil(quantile * (shares.length + 1)) - 1] ?? 1

describe("the shares of the output that calls have written", () => {
  it("give quantiles that are never too low, and at most 4.4 % too high", () =>
    forEachSeed({ name: "quantiles of shares", runs: 2_000 }, (random) => {
      const shares = new Shares(1_000)
      const all = Array.from({ length: random.magnitude(1, 999) }, () => randomShare(random))
      for (const share of all) shares.add(share)
      const quantile = random.pick([0.5, 0.9, 0.95, 0.99, random.fraction()])
      const exact = Math.min(1, naiveQuantile(all, quantile))
      random.note(quantile, all)
      const learnt = shares.quantile(quantile)
      expect(learnt).toBeGreaterThanOrEqual(exact)
      expect(learnt).toBeLessThanOrEqual(Math.max(SHARE_MIN, exact * RESOLUTION * (1 + 1e-12)))
      expect(learnt).toBeLessThanOrEqual(1)
    }))

  it("give no quantile below a share that lies just above the end of a bucket", () => {
    for (let end = -17 * 16; end < 0; end++) {
      const shares = new Shares(1_000)
      const share = 2 ** (end / 16) * (1 + Number.EPSILON)
      shares.add(share)
      expect(shares.quantile(0.5)).toBeGreaterThanOrEqual(share)
    }
  })

  it("give everything while even the largest of them may be too low", () => {
    const shares = new Shares(1_000)
    for (let call = 1; call < 19; call++) shares.add(0.5)
    expect(shares.quantile(0.95)).toBe(1)
    shares.add(0.5)
    expect(shares.quantile(0.95)).toBe(0.5)
  })

  it("fade to a half in a way that no quantile falls", () =>
    forEachSeed({ name: "fading shares", runs: 1_000 }, (random) => {
      const fadeAt = 2 * random.int(10, 200)
      const all = Array.from({ length: fadeAt }, () => randomShare(random))
      const faded = new Shares(fadeAt)
      const kept = new Shares(2 * fadeAt)
      for (const share of all) {
        faded.add(share)
        kept.add(share)
      }
      random.note(all)
      expect(faded.total).toBe(fadeAt / 2)
      const quantile = random.pick([0.5, 0.9, 0.95, 0.99])
      expect(faded.quantile(quantile)).toBeGreaterThanOrEqual(kept.quantile(quantile))
    }))

  it("fade without losing a tail of single calls", () => {
    const shares = new Shares(1_000)
    for (let call = 0; call < 900; call++) shares.add(0.01)
    for (let call = 0; call < 100; call++) shares.add(0.2 + call / 200)
    expect(shares.total).toBe(500)
    expect(shares.quantile(0.95)).toBeGreaterThan(0.4)
    expect(shares.quantile(0.95)).toBeLessThan(0.5)
  })
})
