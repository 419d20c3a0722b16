import * as Duration from "effect/Duration"
import * as BudgetError from "../../BudgetError.ts"
import { AFTER_SETTLEMENT, NEVER } from "../limit/state.ts"
import type { Obstacle } from "./admission.ts"
import type { Hold } from "./hold.ts"

/** Says what is wrong with what a hold asks for. */
export const invalidEstimate = (hold: Hold, problem: string): BudgetError.BudgetError =>
  BudgetError.make(new BudgetError.InvalidUsage({ budget: hold.node.name, problem }))

/** Says why an obstacle keeps a request out. */
export const refusal = ({ amount, at, gate }: Obstacle, now: number): BudgetError.BudgetError => {
  const budget = gate.node.name
  const { limit, reserved } = gate.state
  if (limit._tag === "Pause") {
    return BudgetError.make(
      new BudgetError.WindowExceeded({
        budget,
        limit: "pause",
        requested: amount,
        retryAfter: Duration.millis(at - now)
      })
    )
  }
  if (amount > limit.max) return BudgetError.make(new BudgetError.RequestTooLarge({ budget, limit, requested: amount }))
  if (limit._tag === "Cap" || at === NEVER) {
    const used = gate.state.used(now) - reserved
    return BudgetError.make(new BudgetError.BudgetExceeded({ budget, limit, used, reserved, requested: amount }))
  }
  if (limit._tag === "Concurrency") {
    return BudgetError.make(new BudgetError.ConcurrencyExceeded({ budget, limit, open: reserved }))
  }
  const retryAfter = at === AFTER_SETTLEMENT ? undefined : Duration.millis(at - now)
  return BudgetError.make(new BudgetError.WindowExceeded({ budget, limit, requested: amount, retryAfter }))
}
