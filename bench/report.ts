/** Tables for whoever watches, and the file that is kept: rows, footprints and whether targets are met. */
import { mkdirSync, writeFileSync } from "node:fs"
import { availableParallelism, cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { FLOOR } from "./floor.ts"
import { type Effort, type Measurement, median, medianRatio, type Scenario, type Target } from "./harness.ts"
import type { Footprint } from "./memory.ts"
import { remarks as peerRemarks } from "./peers/remarks.ts"

/** Where and how the numbers came about. */
export interface Environment {
  readonly node: string
  readonly cpu: string
  readonly cores: number
  readonly method: string
}

/** One library in one scenario. */
export interface Row {
  readonly scenario: string
  readonly library: string
  readonly nsPerOp: number
  readonly ratioToFloor: number
}

/** What was expected and what came out. */
export interface Verdict {
  readonly scenario: string
  readonly library: string
  readonly target: string
  readonly measured: string
  readonly verdict: "pass" | "miss"
}

/** A scenario with its rows. `spreads` holds the fastest and the slowest round of each row. */
export interface Result {
  readonly scenario: Scenario
  readonly rows: ReadonlyArray<Row>
  readonly spreads: ReadonlyArray<string>
  readonly verdicts: ReadonlyArray<Verdict>
}

export const environment = ({ roundMillis, rounds, warmUpRounds }: Effort): Environment => ({
  node: process.version,
  cpu: cpus()[0]?.model ?? "unknown",
  cores: availableParallelism(),
  method:
    `All libraries in one process, interleaved round by round after ${warmUpRounds} rounds of warming up: ` +
    `medians of ${rounds} rounds of about ${roundMillis} ms each (bottleneck, which timers pace, has its rounds after the others). Ratios are medians of the ratios within each round. ` +
    "The floor is a bare Effect.acquireUseRelease around nothing. What answers with a promise is awaited, operation " +
    "by operation: its numbers include the promise. Memory is the growth of the heap after collection."
})

export const header = ({ cores, cpu, method, node }: Environment): string =>
  `Node ${node}, ${cpu}, ${cores} cores\n${method}`

export const resultOf = (scenario: Scenario, measurements: ReadonlyArray<Measurement>): Result => {
  const floor = find(measurements, FLOOR)
  return {
    scenario,
    rows: measurements.map((measurement) => ({
      scenario: scenario.name,
      library: measurement.library,
      nsPerOp: Math.round(median(measurement.nsPerOp)),
      ratioToFloor: rounded(medianRatio(measurement, floor))
    })),
    spreads: measurements.map(({ nsPerOp }) => `${grouped(Math.min(...nsPerOp))} – ${grouped(Math.max(...nsPerOp))}`),
    verdicts: scenario.targets.map((target) => judge(scenario.name, target, measurements))
  }
}

const judge = (scenario: string, target: Target, measurements: ReadonlyArray<Measurement>): Verdict => {
  const { library, max, of } = target
  const subject = find(measurements, library)
  if (of === "nsPerOp") {
    const ns = median(subject.nsPerOp)
    return { scenario, library, ...verdict(ns, max, (value) => `${grouped(value)} ns`) }
  }
  const ratio = medianRatio(subject, find(measurements, of.ratioTo))
  return { scenario, library, ...verdict(ratio, max, (value) => `${rounded(value)} × ${of.ratioTo}`) }
}

const judgeFootprint = ({ bytes, bytesMax, what }: Footprint): ReadonlyArray<Verdict> =>
  bytesMax === undefined
    ? []
    : [{ scenario: "memory", library: what, ...verdict(bytes, bytesMax, (value) => `${grouped(value)} bytes`) }]

const verdict = (
  value: number,
  max: number,
  inWords: (value: number) => string
): Pick<Verdict, "target" | "measured" | "verdict"> => ({
  target: `at most ${inWords(max)}`,
  measured: inWords(value),
  verdict: value <= max ? "pass" : "miss"
})

const find = (measurements: ReadonlyArray<Measurement>, library: string): Measurement => {
  const found = measurements.find((measurement) => measurement.library === library)
  if (found === undefined) throw new Error(`bench: nothing was measured of ${library}`)
  return found
}

export const table = ({ rows, scenario, spreads, verdicts }: Result): string =>
  [
    "",
    `${scenario.name}: ${scenario.work}`,
    line("", "ns/op", "× floor", "rounds, from – to"),
    ...rows.map(({ library, nsPerOp, ratioToFloor }, index) =>
      line(library, grouped(nsPerOp), ratioToFloor.toFixed(2), spreads[index]!)
    ),
    ...verdicts.map(inWords)
  ].join("\n")

export const memoryTable = (footprints: ReadonlyArray<Footprint>): string =>
  [
    "",
    "memory: bytes for each of many",
    ...footprints.map(({ bytes, what }) => line(what, grouped(bytes))),
    ...footprints.flatMap(judgeFootprint).map(inWords)
  ].join("\n")

const inWords = ({ library, measured, target, verdict }: Verdict): string =>
  `  ${verdict}: ${library}: ${measured}; target: ${target}`

export const remarks: string = ["", "What the others do:", ...peerRemarks.map((remark) => `  ${remark}`)].join("\n")

const line = (name: string, ...cells: ReadonlyArray<string>): string =>
  `  ${name.padEnd(60)}${cells.map((cell) => cell.padStart(12)).join("  ")}`

const rounded = (ratio: number): number => Math.round(ratio * 100) / 100

const grouped = (value: number): string => Math.round(value).toLocaleString("en")

/** One row a line, so that two runs can be compared line by line. */
export const write = (
  url: URL,
  run: {
    readonly environment: Environment
    readonly results: ReadonlyArray<Result>
    readonly memory: ReadonlyArray<Footprint>
  }
): void => {
  const verdicts = [...run.results.flatMap((result) => result.verdicts), ...run.memory.flatMap(judgeFootprint)]
  const memory = run.memory.map(({ bytes, what }) => ({ what, bytes: Math.round(bytes) }))
  const sections = [
    `  "environment": ${JSON.stringify(run.environment, null, 4).replace("\n}", "\n  }")}`,
    listing(
      "rows",
      run.results.flatMap(({ rows }) => rows)
    ),
    listing("memory", memory),
    listing("targets", verdicts),
    listing("peers", peerRemarks)
  ]
  const path = fileURLToPath(url)
  mkdirSync(new URL(".", url), { recursive: true })
  writeFileSync(path, `{\n${sections.join(",\n")}\n}\n`)
  console.log(`\nWritten to ${path}`)
}

const listing = (name: string, items: ReadonlyArray<unknown>): string =>
  `  "${name}": [\n${items.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`
