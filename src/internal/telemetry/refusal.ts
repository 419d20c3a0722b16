import type * as BudgetError from "../../BudgetError.ts"
import type * as Limit from "../../Limit.ts"

/** The limit that a request was refused for: of one that ran out of time, the one that it would have waited for. */
export const limitBehind = (reason: BudgetError.Reason): Limit.Limit | undefined => {
  if ("limit" in reason) return reason.limit
  return reason._tag === "DeadlineExceeded" && reason.obstacle !== undefined ? limitBehind(reason.obstacle) : undefined
}

/** What is said of a refusal in logs and spans. */
export const refusalAttributes = (reason: BudgetError.Reason): Record<string, string> => {
  const limit = limitBehind(reason)
  return {
    "effect_budget.refusal.reason": reason._tag,
    "effect_budget.refusal.by": reason.budget,
    ...(limit === undefined ? {} : { "effect_budget.refusal.limit": limit.name })
  }
}
