/**
 * What the budgets of a recording did together. The series of a budget are those of calls that asked this very budget, so
 * that their sums count each call once.
 */
import type { BudgetRecord, LimitRecord, Recording, SeriesRecord } from "../../../Recording.ts"

/** Above this share of calls that waited or were refused, a limit is a bottleneck rather than a guard. */
export const hinderedShareMax = 0.05

/** How many steps were recorded. */
export const stepsOf = (recording: Recording): number =>
  recording.budgets.reduce(
    (most, { limits, series }) =>
      Math.max(most, series.tokens.length, series.admitted.length, ...limits.map(({ used }) => used.length)),
    0
  )

/** The series of some budgets together: sums, and of the longest waits the longest. */
export const seriesOf = (
  budgets: ReadonlyArray<BudgetRecord>,
  name: keyof SeriesRecord,
  steps: number
): Array<number> => {
  const all = Array.from({ length: steps }, () => 0)
  for (const { series } of budgets) {
    for (const [step, value] of series[name].entries()) {
      all[step] = name === "waitMillisMax" ? Math.max(all[step] ?? 0, value) : (all[step] ?? 0) + value
    }
  }
  return all
}

/** The budgets that somebody asked; all, when nobody asked any. */
export const askedBudgets = (recording: Recording): ReadonlyArray<BudgetRecord> => {
  const asked = recording.budgets.filter(({ calls }) => calls.asked > 0)
  return asked.length === 0 ? recording.budgets : asked
}

/** The most that ever counted against a limit. */
export const peakOf = (limit: LimitRecord): number => limit.used.reduce((most, used) => Math.max(most, used), 0)

/** The share of calls that waited or were refused; none when nobody asked. */
export const hinderedShare = (calls: {
  readonly asked: number
  readonly waited: number
  readonly refused: number
}): number => (calls.asked === 0 ? 0 : (calls.waited + calls.refused) / calls.asked)

/** Tokens of both directions. */
export const tokensOf = (usage: { readonly inputTokens: number; readonly outputTokens: number }): number =>
  usage.inputTokens + usage.outputTokens
