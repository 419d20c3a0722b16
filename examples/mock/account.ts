/**
 * Says on one line each what happens in a budget, and what is in it.
 */
import type { Budget, BudgetEvent, Limit, Usage } from "effect-budget"
import type { Served } from "./provider.ts"

/** What a budget reports, as a line of an account. What a reader of an example need not know is `undefined`. */
export const eventLine = (event: BudgetEvent.BudgetEvent): string | undefined => {
  switch (event._tag) {
    case "Admitted":
      return `${row("reserved", event.estimate)}${waited(event.waitedMillis)}`
    case "Settled":
      return `${row("used", event.actual)}${isRejected(event.actual) ? "   answered with an error" : ""}`
    case "Refused":
      return `${row("refused", event.estimate)}   by ${event.reason.budget}: ${event.reason._tag}`
    default:
      return undefined
  }
}

/** Prints the line of an event, if it has one. */
export const printEvent = (event: BudgetEvent.BudgetEvent): void => {
  const line = eventLine(event)
  if (line !== undefined) console.log(line)
}

/** What a budget holds, and whether the provider agrees with what it has counted. */
export const printTotals = (snapshot: Budget.Snapshot, served: ReadonlyArray<Served>): void => {
  const { open, spent, waiting } = snapshot
  const sum = (field: "inputTokens" | "outputTokens") => served.reduce((total, call) => total + call[field], 0)
  const [input, output] = [sum("inputTokens"), sum("outputTokens")]
  console.log(`\n${snapshot.name}`)
  console.log(row("spent", spent))
  console.log(`  ${"served".padEnd(9)}${tokens(input, output)}   by the provider, in ${served.length} requests`)
  for (const { available, limit, reserved } of snapshot.limits) {
    console.log(`  ${limit.name}: ${amount(limit, available)} left, ${amount(limit, reserved)} reserved`)
  }
  const isAtRest = open === 0 && waiting === 0 && snapshot.limits.every(({ reserved }) => reserved === 0)
  console.log(`  ${isAtRest ? "nothing is reserved and nobody waits" : `${open} are open and ${waiting} wait`}`)
}

/** A text in quotes, on one line that is short enough. */
export const quote = (text: string): string => `  “${text.length > 90 ? `${text.slice(0, 89)}…` : text}”`

/** A message of an error, broken where a line would be too long. */
export const message = (text: string): string => `  ${text.replaceAll(/(.{1,96})( |$)/g, "$1\n  ").trimEnd()}`

const isRejected = ({ inputTokens, outputTokens, requests }: Usage.Usage): boolean =>
  requests > 0 && inputTokens + outputTokens === 0

const row = (what: string, usage: Usage.Usage): string =>
  `  ${what.padEnd(9)}${tokens(usage.inputTokens, usage.outputTokens)}   ${dollars(usage.costNanoUsd).padEnd(9)}`

const tokens = (input: number, output: number): string =>
  `${whole(input).padStart(5)} in + ${whole(output).padStart(5)} out`

const waited = (millis: number): string => (millis < 1 ? "" : `   waited ${(millis / 1_000).toFixed(1)} s`)

/** The integers of the meter of money are nano-dollars. */
const amount = (limit: Limit.Limit, units: number): string =>
  limit.meter.name === "usd" ? dollars(units) : whole(units)

const dollars = (nanoUsd: number): string => `$${(nanoUsd / 1e9).toFixed(6)}`
const whole = (count: number): string => count.toLocaleString("en-US")
