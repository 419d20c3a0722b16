/**
 * `npm run bench`: what budgets cost, beside their peers. It prints tables and writes `bench/results/core.json`.
 *
 * ```sh
 * npm run bench                       # everything, in about two minutes: on a machine that is otherwise quiet
 * npm run bench -- --only refusal     # the scenarios with this in their names; nothing is written
 * npm run bench -- --smoke            # everything once and small, to see that it runs; nothing is written
 * ```
 *
 * A target that is missed is a result and no failure. An error is one.
 */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { type Effort, measure } from "./harness.ts"
import { footprints } from "./memory.ts"
import * as Report from "./report.ts"
import { scenarios, type Sizes } from "./scenarios/all.ts"

interface Extent {
  readonly effort: Effort
  readonly sizes: Sizes
  /** How many of each thing are weighed, and how often. */
  readonly weighed: number
  readonly weighings: number
}

const full: Extent = {
  effort: { warmUpRounds: 4, rounds: 11, roundMillis: 30 },
  sizes: { live: 100_000, waitingFew: 1_000, waitingMany: 10_000, tenantsFew: 10, tenantsMany: 10_000 },
  weighed: 5_000,
  weighings: 7
}

const smoke: Extent = {
  effort: { warmUpRounds: 1, rounds: 1, roundMillis: 1 },
  sizes: { live: 100, waitingFew: 20, waitingMany: 100, tenantsFew: 10, tenantsMany: 100 },
  weighed: 100,
  weighings: 1
}

const { values: args } = parseArgs({
  options: { smoke: { type: "boolean", default: false }, only: { type: "string", default: "" } }
})

const program = Effect.gen(function* () {
  const { effort, sizes, weighed, weighings } = args.smoke ? smoke : full
  const isWanted = (name: string): boolean => name.includes(args.only)
  const environment = Report.environment(effort)
  console.log(Report.header(environment))

  const results: Array<Report.Result> = []
  for (const scenario of scenarios(sizes)) {
    if (!isWanted(scenario.name)) continue
    const result = Report.resultOf(scenario, yield* measure(scenario, effort))
    console.log(Report.table(result))
    results.push(result)
  }
  const memory = isWanted("memory") ? yield* footprints(weighed, weighings) : []
  if (memory.length > 0) console.log(Report.memoryTable(memory))
  console.log(Report.remarks)

  if (args.smoke || args.only !== "") return
  Report.write(new URL("results/core.json", import.meta.url), { environment, results, memory })
})

await Effect.runPromise(program)
