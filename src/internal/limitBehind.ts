import type * as BudgetError from "../BudgetError.ts"
import type { LimitOfBudget } from "../BudgetEvent.ts"

/** The limit that a request was refused for: of one that ran out of time, the one that it would have waited for. */
export const limitBehind = (reason: BudgetError.Reason): LimitOfBudget | undefined => {
  if ("limit" in reason) return reason
  return reason._tag === "DeadlineExceeded" && reason.obstacle !== undefined ? limitBehind(reason.obstacle) : undefined
}
