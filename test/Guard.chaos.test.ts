import { afterAll, describe, expect, it } from "vitest"
import { countInto, problemsOf } from "./support/chaos/checks.ts"
import { liveThrough } from "./support/chaos/fleet.ts"
import { forEachSeed } from "./support/random.ts"

const counts = new Map<string, number>()
let days = 0

afterAll(() => {
  console.log(`${days} days`, Object.fromEntries([...counts].sort()))
})

describe("two hundred agents, on days with outages, slow answers, 429s and lost answers", () => {
  it("keep every limit, deadline, open circuit and Retry-After, and lose no spend", () =>
    forEachSeed({ name: "chaos", runs: 2_000 }, (random) => {
      const log = liveThrough(random)
      days++
      countInto(counts, log)
      expect(problemsOf(log)).toEqual([])
    }))
})
