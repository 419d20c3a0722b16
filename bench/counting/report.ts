/** The table for whoever watches, and the file that is kept. */
import { mkdirSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { fileURLToPath } from "node:url"
import { contenders, type Errors, OURS } from "./contenders.ts"
import { requestChars, type Speed } from "./speed.ts"

/** The documents of one kind and how far off everyone is. */
export interface Row {
  readonly kind: string
  readonly source: string
  readonly documents: number
  readonly characters: number
  readonly tokens: number
  /** Documents, those for fitting among them, whose exact count is not js-tiktoken's. */
  readonly unequal: number
  readonly errors: ReadonlyArray<Errors>
}

/** In what others are nearer: in total, for a typical document, or for nine documents of ten. */
const lossesOf = ({ errors }: Row): ReadonlyArray<string> => {
  const ours = errors.find(({ name }) => name === OURS)!
  const others = errors.filter((theirs) => theirs !== ours)
  return Object.entries(measures).flatMap(([measure, errorOf]) => {
    const nearer = others.filter((theirs) => isLess(errorOf(theirs), errorOf(ours))).map(({ name }) => name)
    return nearer.length === 0 ? [] : [`${measure}: ${nearer.join(", ")}`]
  })
}

const measures: Record<string, (errors: Errors) => number> = {
  total: ({ total }) => total,
  typical: ({ typical }) => typical,
  range: ({ p5, p95 }) => Math.max(Math.abs(p5), Math.abs(p95))
}

// As they are shown: a difference that the table does not show is none.
const isLess = (a: number, b: number): boolean => Math.abs(percent(a)) < Math.abs(percent(b))

const percent = (share: number): number => Math.round(100 * share)

export const header: string = [
  "Estimates against o200k_base: error of the total, then from p5 to p95 of the documents, then ± of a typical one.",
  "An exclamation mark: another is nearer in one of these.",
  "",
  `  ${"".padEnd(22)}${["docs", "chars", "tokens", "exact"].map((title, index) => title.padStart(index === 0 ? 6 : 10)).join("")}` +
    contenders.map(({ name }) => `   ${name.padEnd(24)}`).join("")
].join("\n")

export const line = (row: Row): string => {
  const { characters, documents, errors, kind, tokens, unequal } = row
  const counts = [
    String(documents).padStart(6),
    ...[grouped(characters), grouped(tokens), unequal === 0 ? "equal" : `${unequal} differ`].map((cell) =>
      cell.padStart(10)
    )
  ]
  return `${lossesOf(row).length > 0 ? "!" : " "} ${kind.padEnd(22)}${counts.join("")}${errors.map(cellOf).join("")}`
}

const cellOf = ({ p5, p95, total, typical }: Errors): string => {
  const range = `[${signed(p5)} … ${signed(p95)}]`
  return `   ${`${signed(total)} %`.padStart(6)} ${range.padEnd(13)} ±${String(percent(typical)).padEnd(2)}`
}

const signed = (share: number): string => {
  const value = percent(share)
  return value > 0 ? `+${value}` : String(value)
}

export const summary = (rows: ReadonlyArray<Row>, speeds: ReadonlyArray<Speed>): string => {
  const worse = rows
    .filter((row) => lossesOf(row).length > 0)
    .map((row) => `  ${row.kind.padEnd(22)} ${lossesOf(row).join("; ")}`)
  return [
    "",
    rows.every(({ unequal }) => unequal === 0)
      ? "The exact counts are js-tiktoken's for every document."
      : "Exact counts differ from js-tiktoken's.",
    worse.length === 0 ? "Nobody is nearer on any row." : `Nearer than ${OURS}:`,
    ...worse,
    "",
    `A request of ${grouped(requestChars)} characters:`,
    ...speeds.map(
      ({ megabytesPerSecond, microsPerRequest, name }) =>
        `  ${name.padEnd(16)}${String(microsPerRequest).padStart(8)} µs  ${grouped(megabytesPerSecond).padStart(10)} MB/s`
    )
  ].join("\n")
}

const grouped = (value: number): string => value.toLocaleString("en")

/** One row a line, so that two runs can be compared line by line. */
export const write = (url: URL, rows: ReadonlyArray<Row>, speeds: ReadonlyArray<Speed>): void => {
  const environment = { node: process.version, cpu: cpus()[0]?.model ?? "unknown", encoding: "o200k_base" }
  const kept = rows.map((row) => ({ ...row, errors: row.errors.map(inPercent), nearer: lossesOf(row) }))
  const path = fileURLToPath(url)
  mkdirSync(new URL(".", url), { recursive: true })
  writeFileSync(
    path,
    [
      "{",
      `  "environment": ${JSON.stringify(environment)},`,
      `  "errors": "percent of the exact tokens, on the half of the documents that was not fitted to",`,
      `  "rows": [\n${kept.map((row) => `    ${JSON.stringify(row)}`).join(",\n")}\n  ],`,
      `  "requestChars": ${requestChars},`,
      `  "speeds": [\n${speeds.map((speed) => `    ${JSON.stringify(speed)}`).join(",\n")}\n  ]`,
      "}\n"
    ].join("\n")
  )
  console.log(`\nWritten to ${path}`)
}

const inPercent = ({ name, p5, p95, total, typical }: Errors) => ({
  name,
  total: tenths(total),
  p5: tenths(p5),
  p95: tenths(p95),
  typical: tenths(typical)
})

const tenths = (share: number): number => Math.round(1_000 * share) / 10
