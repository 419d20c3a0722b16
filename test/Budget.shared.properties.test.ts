import { isDeepStrictEqual } from "node:util"
import { expect, it } from "vitest"
import type * as Limit from "../src/Limit.ts"
import { problemsOf } from "./support/programs/checker.ts"
import { everyIntervalHolds, everythingEnds, neverInDebtByAdmission } from "./support/programs/checks.ts"
import { run } from "./support/programs/driver.ts"
import { drawProgram, type Kind } from "./support/programs/generator.ts"
import { forEachSeed, type Random } from "./support/random.ts"
import { describeStores } from "./support/store/kinds.ts"

const namesOf = ({ limits }: { readonly limits: ReadonlyArray<Limit.Limit> }) => limits.map(({ name }) => name)

describeStores("random programs", ({ hasOurClock, make, pace }) => {
  const expectNothingWrong = (name: string, runs: number, kind: Kind, aheadMillis?: number) =>
    forEachSeed({ name, runs: runs * pace }, (random: Random) => {
      const drawn = drawProgram(random, kind)
      const isByCalendar = drawn.budgets.some(({ limits }) => limits.some(({ _tag }) => _tag === "FixedWindow"))
      const program = {
        ...drawn,
        deeds: drawn.deeds.filter(
          (deed) =>
            // A store keeps what a limit has counted under its name, also while nobody names it.
            (deed.do !== "update" || isDeepStrictEqual(namesOf(deed), namesOf(drawn.budgets[deed.budget]!))) &&
            // What day it is the clock of the store says, which is not set back.
            (deed.do !== "setBack" || hasOurClock || !isByCalendar)
        )
      }
      for (const plan of program.budgets) random.note(plan.name, plan)
      for (const call of program.calls) random.note(`call ${call.id}`, call)
      for (const deed of program.deeds) random.note(deed)
      if (aheadMillis === undefined) return expect(problemsOf(run(program, make))).toEqual([])
      // What is taken ahead counts, too, so that counters stand above what calls use, and calls wait longer.
      const which = { everyIntervalHolds, everythingEnds, neverInDebtByAdmission }
      return expect(problemsOf(run({ ...program, aheadMillis }, make), which)).toEqual([])
    })

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

  it("never exceed a limit where is taken ahead", () =>
    expectNothingWrong("shared, ahead", 3_000, { callsMax: 30, shared: 0.8, hasSetBacks: false }, 20))

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
