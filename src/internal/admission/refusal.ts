import * as Duration from "effect/Duration"
import * as BudgetError from "../../BudgetError.ts"
import { AFTER_SETTLEMENT, NEVER } from "../limit/state.ts"
import type { Obstacle } from "./admission.ts"
import type { Hold } from "./hold.ts"

/** Says what is wrong with what a hold asks for. */
export const invalidEstimate = (hold: Hold, problem: string): BudgetError.BudgetError =>
  BudgetError.make(new BudgetError.InvalidUsage({ budget: hold.node.name, problem }))

/** Says why an obstacle keeps a request out. */
export const refusal = (obstacle: Obstacle, now: number): BudgetError.BudgetError =>
  BudgetError.make(reasonOf(obstacle, now))

/** Why an obstacle keeps a request out, or would. */
export const reasonOf = ({ amount, at, gate }: Obstacle, now: number): BudgetError.Reason => {
  const budget = gate.node.name
  const { limit, reserved } = gate.state
  const used = gate.state.used(now) - reserved
  const retryAfter = at < AFTER_SETTLEMENT ? Duration.millis(at - now) : undefined
  if (limit._tag === "Pause") return new BudgetError.Paused({ budget, retryAfter })
  if (amount > limit.max) return new BudgetError.RequestTooLarge({ budget, limit, requested: amount })
  if (limit._tag === "Cap" || at === NEVER) {
    return new BudgetError.BudgetExceeded({ budget, limit, used, reserved, requested: amount })
  }
  if (limit._tag === "Concurrency") return new BudgetError.ConcurrencyExceeded({ budget, limit, open: reserved })
  return new BudgetError.WindowExceeded({ budget, limit, requested: amount, retryAfter })
}
