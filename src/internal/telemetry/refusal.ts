import type * as BudgetError from "../../BudgetError.ts"
import { limitBehind } from "../limitBehind.ts"

/** What is said of a refusal in logs and spans. */
export const refusalAttributes = (reason: BudgetError.Reason): Record<string, string> => {
  const limit = limitBehind(reason)?.limit
  return {
    "effect_budget.refusal.reason": reason._tag,
    "effect_budget.refusal.by": reason.budget,
    ...(limit === undefined ? {} : { "effect_budget.refusal.limit": limit.name })
  }
}
