/**
 * `npm run bench:redis`: what a reservation costs that processes share through Redis, beside the bare pair of scripts and
 * other libraries. It prints tables and writes `bench/results/redis.json`.
 *
 * ```sh
 * npm run bench:redis                   # everything, in about two minutes, on a redis-server from the PATH
 * npm run bench:redis -- --only llm     # the bare pair and the libraries with this in their names; nothing is written
 * npm run bench:redis -- --smoke        # everything once and small; without a redis-server, on the embedded Valkey
 * ```
 */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { type Effort, measure } from "./harness.ts"
import { BARE } from "./redis/barePair.ts"
import { peers } from "./redis/contenders.ts"
import { type Footprint, footprintOf, type Weighed } from "./redis/memory.ts"
import * as Report from "./redis/report.ts"
import { hasNative, start } from "./redis/server.ts"

interface Extent {
  readonly effort: Effort
  readonly weighed: Weighed
}

const full: Extent = {
  effort: { warmUpRounds: 3, rounds: 11, roundMillis: 300 },
  weighed: { budgets: 1_000, reservations: 1_000 }
}

const smoke: Extent = {
  effort: { warmUpRounds: 1, rounds: 1, roundMillis: 1 },
  weighed: { budgets: 20, reservations: 20 }
}

const IN_FLIGHT = [1, 50, 1_000]

const { values: args } = parseArgs({
  options: { smoke: { type: "boolean", default: false }, only: { type: "string", default: "" } }
})

const program = Effect.gen(function* () {
  const { effort, weighed } = args.smoke ? smoke : full
  if (!hasNative && !args.smoke) throw new Error("There is no redis-server on the PATH. Only --smoke runs without.")
  const measured = peers.filter(({ library }) => library === BARE || library.includes(args.only))
  const server = yield* start
  const environment = Report.environment(server.name, effort)
  console.log(Report.header(environment))
  if (!hasNative)
    console.log("There is no redis-server on the PATH: these are numbers of the embedded Valkey, which mean nothing.")

  const placeOf = (name: string) => ({ server, prefix: `${server.keyPrefix}${name}:` })
  const rows: Array<Report.Row> = []
  for (const inFlight of IN_FLIGHT) {
    const contenders = Effect.forEach(measured, ({ contender, library }) =>
      contender(placeOf(`${library}, ${inFlight}`), inFlight)
    )
    const scenario = { name: `${inFlight} in flight`, work: "reserve + settle", contenders, targets: [] }
    const found = Report.rowsOf(inFlight, yield* measure(scenario, effort))
    console.log(Report.table(inFlight, found))
    rows.push(...found)
  }

  const memory: Array<Footprint> = []
  for (const peer of measured) {
    const footprint = yield* footprintOf(peer, placeOf(`${peer.library}, memory`), weighed)
    if (footprint !== undefined) memory.push(footprint)
  }
  console.log(Report.memoryTable(memory))
  console.log(Report.remarks(measured))

  if (args.smoke || args.only !== "") return
  Report.write(new URL("results/redis.json", import.meta.url), { environment, rows, memory, peers })
})

await Effect.runPromise(Effect.scoped(program))
