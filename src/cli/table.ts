import * as CliOutput from "effect/cli/CliOutput"

/** Columns side by side: texts to the left, numbers to the right. Cells may have colours. */
export const table = (
  alignments: ReadonlyArray<"left" | "right">,
  rows: ReadonlyArray<ReadonlyArray<string>>
): string => {
  const widths = alignments.map((_, column) =>
    rows.reduce((widest, row) => Math.max(widest, CliOutput.displayWidth(row[column] ?? "")), 0)
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const spaces = " ".repeat((widths[column] ?? 0) - CliOutput.displayWidth(cell))
          return alignments[column] === "right" ? spaces + cell : cell + spaces
        })
        .join("   ")
        .trimEnd()
    )
    .join("\n")
}

/** A whole number for a person: `1,200`. */
export const grouped = (value: number): string => value.toLocaleString("en-US")

/** Nano-dollars for a person: `$0.07`, with all the digits that there are. */
export const dollars = (nanoUsd: number): string =>
  `$${(nanoUsd / 1_000_000_000).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 9 })}`

/** A span of time for a person: `850 ms`, `1.5 s`, `2 min 5 s`, `3 h 20 min`. */
export const span = (millis: number): string => {
  if (millis < 1_000) return `${Math.round(millis)} ms`
  if (millis < 60_000) return `${Math.round(millis / 100) / 10} s`
  const seconds = Math.round(millis / 1_000)
  if (seconds < 3_600) return together(Math.floor(seconds / 60), "min", seconds % 60, "s")
  const minutes = Math.round(seconds / 60)
  if (minutes < 1_440) return together(Math.floor(minutes / 60), "h", minutes % 60, "min")
  return together(Math.floor(minutes / 1_440), "d", Math.floor((minutes % 1_440) / 60), "h")
}

const together = (most: number, unit: string, rest: number, lesser: string): string =>
  rest === 0 ? `${most} ${unit}` : `${most} ${unit} ${rest} ${lesser}`
