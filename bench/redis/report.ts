import { writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { type Effort, type Measurement, median, medianRatio } from "../harness.ts"
import { BARE } from "./barePair.ts"
import type { Footprint } from "./memory.ts"
import type { Peer } from "./peer.ts"

/** One library with so many in flight. */
export interface Row {
  readonly inFlight: number
  readonly library: string
  readonly opsPerSecond: number
  /** How long one waits for its reservation and settlement, on average. */
  readonly microsPerOp: number
  readonly ratioToBare: number
  readonly rounds: { readonly microsMin: number; readonly microsMax: number }
}

export const environment = (server: string, { roundMillis, rounds, warmUpRounds }: Effort) => ({
  node: process.version,
  server,
  cpu: cpus()[0]?.model ?? "unknown",
  cores: availableParallelism(),
  method:
    "One operation is: reserve 900 tokens, settle 520, over a cap, a window of one minute and a concurrency limit, as " +
    "far as each library can. One client process, unless it says otherwise, one connection each, one budget, a server on the same machine without " +
    `persistence. Interleaved round by round after ${warmUpRounds} rounds of warming up: medians of ${rounds} rounds of ` +
    `about ${roundMillis} ms each (bottleneck, which timers pace, has its rounds after the others). Ratios are medians of ` +
    "the ratios within each round; more than 1 is slower than the bare pair."
})

export const rowsOf = (inFlight: number, measurements: ReadonlyArray<Measurement>): ReadonlyArray<Row> => {
  const bare = measurements.find(({ library }) => library === BARE)
  if (bare === undefined) throw new Error("bench: nothing was measured of the bare pair")
  const micros = (nsPerOp: number): number => Math.round((nsPerOp * inFlight) / 1_000)
  return measurements.map((measurement) => {
    const { library, nsPerOp } = measurement
    return {
      inFlight,
      library,
      opsPerSecond: Math.round(1e9 / median(nsPerOp)),
      microsPerOp: micros(median(nsPerOp)),
      ratioToBare: Math.round(medianRatio(measurement, bare) * 100) / 100,
      rounds: { microsMin: micros(Math.min(...nsPerOp)), microsMax: micros(Math.max(...nsPerOp)) }
    }
  })
}

export const header = ({ cores, cpu, method, node, server }: ReturnType<typeof environment>): string =>
  `Node ${node}, ${server}, ${cpu}, ${cores} cores\n${method}`

export const table = (inFlight: number, rows: ReadonlyArray<Row>): string =>
  [
    "",
    `${grouped(inFlight)} in flight`,
    line("", "ops/s", "µs/op", "× bare", "rounds, from – to"),
    ...rows.map(({ library, microsPerOp, opsPerSecond, ratioToBare, rounds }) =>
      line(
        library,
        grouped(opsPerSecond),
        grouped(microsPerOp),
        ratioToBare.toFixed(2),
        `${grouped(rounds.microsMin)} – ${grouped(rounds.microsMax)}`
      )
    )
  ].join("\n")

export const memoryTable = (footprints: ReadonlyArray<Footprint>): string =>
  [
    "",
    "memory of the server, in bytes",
    line("", "a budget", "a reservation"),
    ...footprints.map(({ bytesPerBudget, bytesPerReservation, library }) =>
      line(library, grouped(bytesPerBudget), grouped(bytesPerReservation))
    )
  ].join("\n")

export const remarks = (peers: ReadonlyArray<Peer>): string =>
  ["", "What they do:", ...peers.map(({ remark }) => `  ${remark}`)].join("\n")

const line = (name: string, ...cells: ReadonlyArray<string>): string =>
  `  ${name.padEnd(30)}${cells.map((cell) => cell.padStart(14)).join("  ")}`

const grouped = (value: number): string => Math.round(value).toLocaleString("en")

/** One row a line, so that two runs can be compared line by line. */
export const write = (
  url: URL,
  run: {
    readonly environment: ReturnType<typeof environment>
    readonly rows: ReadonlyArray<Row>
    readonly memory: ReadonlyArray<Footprint>
    readonly peers: ReadonlyArray<Peer>
  }
): void => {
  const memory = run.memory.map(({ bytesPerBudget, bytesPerReservation, library }) => ({
    library,
    bytesPerBudget: Math.round(bytesPerBudget),
    bytesPerReservation: Math.round(bytesPerReservation)
  }))
  const sections = [
    `  "environment": ${JSON.stringify(run.environment, null, 4).replace("\n}", "\n  }")}`,
    listing("rows", run.rows),
    listing("memory", memory),
    listing(
      "peers",
      run.peers.map(({ remark }) => remark)
    )
  ]
  const path = fileURLToPath(url)
  writeFileSync(path, `{\n${sections.join(",\n")}\n}\n`)
  console.log(`\nWritten to ${path}`)
}

const listing = (name: string, items: ReadonlyArray<unknown>): string =>
  `  "${name}": [\n${items.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`
