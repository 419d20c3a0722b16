import * as Effect from "effect/Effect"
import { afterEach, describe, expect, it, vi } from "vitest"
import { forEachSeed, Random } from "./random.ts"

describe("Random", () => {
  it("draws the same from the same seed and something else from another", () => {
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })

  it("draws every whole number of a range, both ends included, about equally often", () => {
    const random = new Random(7)
    const counts = [0, 0, 0, 0]
    for (let draw = 0; draw < 4_000; draw++) counts[random.int(2, 5) - 2]!++
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(120)
  })

  it("draws from ranges beyond 32 bits", () => {
    const random = new Random(7)
    const draws = Array.from({ length: 100 }, () => random.int(0, Number.MAX_SAFE_INTEGER - 1))
    expect(draws.every(Number.isSafeInteger)).toBe(true)
    expect(new Set(draws.map((draw) => draw % 2)).size).toBe(2)
    expect(Math.max(...draws)).toBeGreaterThan(2 ** 52)
  })

  it("draws in proportion to weights, and never what weighs nothing", () => {
    const random = new Random(7)
    const draws = Array.from({ length: 1_000 }, () => random.weighted({ often: 9, seldom: 1, never: 0 }))
    expect(draws.filter((draw) => draw === "seldom").length).toBeGreaterThan(60)
    expect(draws).not.toContain("never")
  })

  it("shuffles a copy", () => {
    const values = [1, 2, 3, 4, 5]
    expect(new Random(3).shuffle(values).sort()).toEqual(values)
    expect(values).toEqual([1, 2, 3, 4, 5])
  })
})

describe("forEachSeed", () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })

  it("runs the seeds that follow from the name, and more of them with RUNS", async () => {
    vi.stubEnv("SEED", "")
    vi.stubEnv("RUNS", "")
    const seeds = await seedsOf({ name: "a", runs: 5 })
    expect(new Set(seeds).size).toBe(5)
    expect(await seedsOf({ name: "b", runs: 5 })).not.toEqual(seeds)
    vi.stubEnv("RUNS", "2")
    expect((await seedsOf({ name: "a", runs: 5 })).slice(0, 5)).toEqual(seeds)
    expect(await seedsOf({ name: "a", runs: 5 })).toHaveLength(10)
  })

  it("runs only SEED when it is set", async () => {
    vi.spyOn(console, "log").mockImplementation(() => {})
    vi.stubEnv("SEED", "42")
    expect(await seedsOf({ name: "a", runs: 5 })).toEqual([42])
  })

  it("says of a failure, also of a later one in an Effect, which seed replays it and what led there", async () => {
    vi.stubEnv("SEED", "")
    const failing = forEachSeed({ name: "a", runs: 5 }, (random) =>
      Effect.runPromise(
        Effect.sync(() => {
          random.note("take", { amount: 5 })
          if (random.seed % 2 === 0) throw new Error("lost")
        })
      )
    )
    await expect(failing).rejects.toThrow(
      /lost\n\nseed \d+ of "a" fails\. Replay: SEED=\d+ npm test -- test\/support\/random\.test\.ts -t "says of .*"\n {2}take {"amount":5}/
    )
  })
})

const draw = (seed: number) => {
  const random = new Random(seed)
  return [random.int(0, 1e9), random.fraction(), random.shuffle([1, 2, 3, 4, 5, 6]), random.fork().int(0, 1e9)]
}

const seedsOf = async (options: { name: string; runs: number }) => {
  const seeds: Array<number> = []
  await forEachSeed(options, (_, seed) => void seeds.push(seed))
  return seeds
}
