import type { BudgetStatus, LimitStatus } from "../../BudgetStatus.ts"
import type { Palette } from "../output.ts"
import { filled } from "../progress.ts"
import { dollars, grouped, span, table } from "../table.ts"
import { visible } from "../visible.ts"
import type { Sight } from "./source.ts"

const BAR_CHARS = 20

/** What a person sees of budgets: one block each, a line for each limit. */
export const blocksOf = ({ budgets, processes }: Sight, colours: Palette): string => {
  const tables = table(
    ["left", "left", "right", "left", "left"],
    budgets.flatMap(({ limits }) => limits.map((limit) => rowOf(limit, colours)))
  ).split("\n")
  const blocks = budgets.map((budget) =>
    [headingOf(budget, colours), ...budget.limits.map(() => `  ${tables.shift() ?? ""}`)].join("\n")
  )
  if (processes !== undefined)
    blocks.push(colours.dim(`${grouped(processes)} ${processes === 1 ? "process" : "processes"}`))
  return blocks.join("\n\n")
}

/** The same of one budget in one line, for a log. */
export const lineOf = ({ limits, name, open, spent, waiting }: BudgetStatus): string =>
  [
    visible(name),
    ...limits.filter(({ kind }) => kind !== "PerCall").map((limit) => `${visible(limit.name)} ${amountsOf(limit)}`),
    `open ${grouped(open)}`,
    `waiting ${grouped(waiting)}`,
    `spent ${spentOf(spent)}`
  ].join("   ")

const headingOf = (
  { asOf, name, open, pausedUntil, spent, waiting }: BudgetStatus,
  { bold, yellow }: Palette
): string =>
  [
    bold(visible(name)),
    `open ${grouped(open)}`,
    waiting > 0 ? yellow(`waiting ${grouped(waiting)}`) : "waiting 0",
    `spent ${spentOf(spent)}`,
    ...(pausedUntil !== undefined && pausedUntil > asOf ? [yellow(`paused for ${span(pausedUntil - asOf)}`)] : [])
  ].join("   ")

const spentOf = ({ costNanoUsd, inputTokens, outputTokens, requests }: BudgetStatus["spent"]): string => {
  const tokens = `${grouped(inputTokens + outputTokens)} tokens in ${grouped(requests)} calls`
  return costNanoUsd > 0 ? `${tokens}, ${dollars(costNanoUsd)}` : tokens
}

const rowOf = (limit: LimitStatus, { dim, green, red, yellow }: Palette): ReadonlyArray<string> => {
  const { kind, max, name, reserved, used } = limit
  if (kind === "PerCall") return [visible(name), "", "", `at most ${amount(limit, max)} a call`]
  // A limit without room is full, whatever is used.
  const fraction = max === 0 ? 1 : used / max
  const colour = fraction >= 1 ? red : fraction >= 0.8 ? yellow : green
  return [
    visible(name),
    colour(filled(fraction, BAR_CHARS)),
    `${Math.floor(fraction * 100)} %`,
    amountsOf(limit),
    reserved > 0 && kind !== "Concurrency" ? dim(`${number(limit, reserved)} reserved`) : ""
  ]
}

const amountsOf = (limit: LimitStatus): string => `${number(limit, limit.used)} of ${amount(limit, limit.max)}`

const amount = (limit: LimitStatus, measured: number): string =>
  limit.meter === "usd" || limit.kind === "Concurrency"
    ? number(limit, measured)
    : `${number(limit, measured)} ${visible(limit.meter)}`

const number = ({ meter, scale }: LimitStatus, measured: number): string =>
  meter === "usd" ? dollars(measured) : grouped(measured / scale)
