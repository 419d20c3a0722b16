import { describe, expect, it } from "vitest"
import { problemsOf } from "./support/programs/checker.ts"
import { run } from "./support/programs/driver.ts"
import { drawProgram, type Kind } from "./support/programs/generator.ts"
import { forEachSeed, type Random } from "./support/random.ts"

const expectNothingWrong = (name: string, runs: number, kind: Kind) =>
  forEachSeed({ name, runs }, (random: Random) => {
    const program = drawProgram(random, kind)
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
})
