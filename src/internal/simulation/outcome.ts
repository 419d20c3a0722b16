import type { BudgetRecord, LimitRecord, Recording } from "../../Recording.ts"
import type { Fairness, LimitOutcome, Outcome } from "../../Simulation.ts"

/** What there is to say of a simulation. */
export const outcomeOf = (recording: Recording): Outcome => {
  const { budgets, calls, provider } = recording
  return {
    recording,
    calls,
    waitMillis: calls.waitMillis,
    refusals: calls.refusals,
    limits: budgets.flatMap((budget) => budget.limits.map((limit) => limitOutcome(budget, limit))),
    ...(provider === undefined ? {} : { provider }),
    fairness: fairnessOf(budgets.slice(1))
  }
}

const limitOutcome = ({ name }: BudgetRecord, limit: LimitRecord): LimitOutcome => {
  const shares = limit.used.map((used) => (limit.max === 0 ? 0 : used / limit.max)).sort((a, b) => a - b)
  const sum = shares.reduce((sum, share) => sum + share, 0)
  return {
    budget: name,
    limit: limit.name,
    max: limit.max,
    waited: limit.waited,
    refused: limit.refused,
    utilisation: {
      mean: shares.length === 0 ? 0 : sum / shares.length,
      p95: shares[Math.ceil(0.95 * shares.length) - 1] ?? 0,
      max: shares.at(-1) ?? 0
    }
  }
}

/** Jain's index of what tenants got for their weight: 1 when it is the same for all, 1/n when one got everything. */
const fairnessOf = (tenants: ReadonlyArray<BudgetRecord>): Fairness | undefined => {
  if (tenants.length === 0) return undefined
  const shares = tenants.map(({ calls, name, weight }) => {
    const tokens = calls.actual.inputTokens + calls.actual.outputTokens
    return { tenant: name, weight, tokens, tokensPerWeight: tokens / weight }
  })
  const sum = shares.reduce((sum, { tokensPerWeight }) => sum + tokensPerWeight, 0)
  const squares = shares.reduce((sum, { tokensPerWeight }) => sum + tokensPerWeight ** 2, 0)
  return { index: squares === 0 ? 1 : sum ** 2 / (shares.length * squares), shares }
}
