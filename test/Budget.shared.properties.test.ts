import { describe, expect, it } from "vitest"
import { problemsOf } from "./support/programs/checker.ts"
import { run } from "./support/programs/driver.ts"
import { drawProgram, type Kind } from "./support/programs/generator.ts"
import { forEachSeed, type Random } from "./support/random.ts"

const expectNothingWrong = (name: string, runs: number, kind: Kind) =>
  forEachSeed({ name, runs }, (random: Random) => {
    const drawn = drawProgram(random, kind)
    // A store keeps what a limit has counted under its name, also while nobody names it.
    const program = { ...drawn, deeds: drawn.deeds.filter((deed) => deed.do !== "update") }
    for (const plan of program.budgets) random.note(plan.name, plan)
    for (const call of program.calls) random.note(`call ${call.id}`, call)
    for (const deed of program.deeds) random.note(deed)
    expect(problemsOf(run(program))).toEqual([])
  })

describe("random programs", () => {
  it("keep every guarantee where all budgets are in a store", () =>
    expectNothingWrong("all shared", 3_000, { callsMax: 30, shared: 1 }))

  it("keep every guarantee where some budgets are in a store", () =>
    expectNothingWrong("some shared", 3_000, { callsMax: 30, shared: 0.5 }))

  it("keep every guarantee where fibers yield anywhere", () =>
    expectNothingWrong("shared, yields", 700, { callsMax: 30, shared: 0.5, yields: 0.15 }))

  it("keep every guarantee where calls are elastic and have a ceiling", () =>
    expectNothingWrong("shared, elastic", 1_500, {
      callsMax: 30,
      shared: 0.6,
      hasElastic: true,
      limitKinds: ["Cap", "SlidingWindow", "SlidingWindow", "FixedWindow", "TokenBucket", "Concurrency", "PerCall"]
    }))

  it("keep every guarantee where tasks have deadlines", () =>
    expectNothingWrong("shared, deadlines", 700, {
      callsMax: 30,
      shared: 0.6,
      hasDeadlines: true,
      hasSetBacks: false
    }))

  it("keep every guarantee where some budgets are only tried out", () =>
    expectNothingWrong("shared, shadows", 700, { callsMax: 30, shared: 0.6, shadows: 0.4 }))
})
