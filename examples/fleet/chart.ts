/**
 * A small text chart: the tokens per second that were asked of the provider, against what it allows.
 *
 * Each column is the mean over the provider's window that ends there, because that is what the limit speaks of. A call
 * counts when it reached the provider: a served one with what it used, a refused one with what it asked for.
 */
import type { Ink } from "./ink.ts"
import type { Attempt, Limits, Outage } from "./provider.ts"
import type { FinishedRun } from "./run.ts"

const columnCount = 80
const rowsMax = 12
/** A whole number of rows stands for the limit, so that its line falls between two of them. */
const limitRows = 4
const eighths = ["", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

interface Column {
  readonly served: number
  readonly refused: number
}

/** One scale for all runs, so that they can be compared by eye. */
export interface Scale {
  readonly windowMillis: number
  readonly millisPerColumn: number
  readonly limitPerSecond: number
  readonly outage: Outage
}

export const scaleOf = (runs: ReadonlyArray<FinishedRun>, limits: Limits, outage: Outage): Scale => ({
  outage,
  windowMillis: limits.minuteMillis,
  millisPerColumn: Math.max(...runs.map((run) => run.wallMillis)) / columnCount,
  limitPerSecond: (limits.tokensPerMinute / limits.minuteMillis) * 1_000
})

export const renderChart = (run: FinishedRun, scale: Scale, ink: Ink): string => {
  const perRow = scale.limitPerSecond / limitRows
  const columns = columnsOf(run, scale)
  const rows = Math.min(rowsMax, Math.max(limitRows, Math.round(peakOf(run, scale) / perRow + 0.5)))
  const lines: Array<string> = []
  for (let row = rows; row >= 1; row--) {
    const isLimit = row === limitRows
    const cells = Array.from({ length: columnCount }, (_, index) => {
      const column = columns[index] ?? { served: 0, refused: 0 }
      return cell(column, row, perRow, ink) ?? (isLimit ? ink.limit("▔") : " ")
    })
    const label = isLimit ? `limit ${thousands(scale.limitPerSecond)}` : thousands(row * perRow)
    lines.push(`${(isLimit ? ink.limit : ink.faint)(label.padStart(13))} ${ink.faint("┤")}${cells.join("")}`)
  }
  return [...lines, outageLine(scale, ink), ...timeAxis(scale, ink)].join("\n")
}

/** What the chart has room for, in tokens per second. */
export const chartMax = (scale: Scale): number => (scale.limitPerSecond / limitRows) * rowsMax

/** The highest column, in tokens per second. */
export const peakOf = (run: FinishedRun, scale: Scale): number => Math.max(...columnsOf(run, scale).map(total))

export const thousands = (perSecond: number): string => `${(perSecond / 1_000).toFixed(1)}k`

const columnsOf = (run: FinishedRun, scale: Scale): ReadonlyArray<Column> =>
  Array.from({ length: Math.ceil(run.wallMillis / scale.millisPerColumn) }, (_, index) => {
    const end = run.startedMillis + (index + 1) * scale.millisPerColumn
    const inWindow = run.attempts.filter(({ atMillis }) => atMillis > end - scale.windowMillis && atMillis <= end)
    const perSecond = (attempts: ReadonlyArray<Attempt>) =>
      (attempts.reduce((sum, { tokens }) => sum + tokens, 0) / scale.windowMillis) * 1_000
    return {
      served: perSecond(inWindow.filter(({ refused }) => !refused)),
      refused: perSecond(inWindow.filter(({ refused }) => refused))
    }
  })

const total = (column: Column): number => column.served + column.refused

const cell = (column: Column, row: number, perRow: number, ink: Ink): string | undefined => {
  const filled = (amount: number) => Math.max(0, Math.min(8, Math.round((amount / perRow - (row - 1)) * 8)))
  if (row === rowsMax && total(column) > rowsMax * perRow) return ink.refused("▲")
  const served = filled(column.served)
  if (served > 0) return ink.served(eighths[served]!)
  return filled(total(column)) >= 4 ? ink.refused("░") : undefined
}

const outageLine = ({ millisPerColumn, outage }: Scale, ink: Ink): string => {
  const from = Math.min(columnCount, Math.floor(outage.fromMillis / millisPerColumn))
  const until = Math.min(columnCount, Math.ceil(outage.untilMillis / millisPerColumn))
  const label = ink.refused("outage".padStart(13))
  return `${label} ${ink.faint("┤")}${" ".repeat(from)}${ink.refused("✕".repeat(until - from))}`
}

const timeAxis = (scale: Scale, ink: Ink): ReadonlyArray<string> => {
  const seconds = (scale.millisPerColumn * columnCount) / 1_000
  const stepSeconds = [1, 2, 5, 10, 20, 50].find((step) => seconds / step <= 10) ?? 100
  let ticks = ""
  let labels = ""
  for (let second = 0; second < seconds; second += stepSeconds) {
    const column = Math.floor((second * 1_000) / scale.millisPerColumn)
    ticks = `${ticks.padEnd(column, "─")}┬`
    labels = `${labels.padEnd(column)}${second} s`
  }
  const indent = " ".repeat(14)
  return [ink.faint(`${indent}└${ticks.padEnd(columnCount, "─")}`), ink.faint(`${indent} ${labels}`)]
}
