/** Our ways of doing a scenario's work. */
import { Effect } from "effect"
import type { Budget } from "effect-budget"
import { actual, estimate } from "../amounts.ts"
import type { Contender } from "../harness.ts"
import { refusing, repeating } from "../loops.ts"

export const SPEND = "effect-budget spend"
export const WITH_RESERVATION = "effect-budget withReservation"
export const TRY_RESERVE = "effect-budget tryReserve"

export const spending = (budget: Budget.Budget): Contender =>
  repeating(SPEND, budget.spend({ estimate, actual: () => actual })(Effect.void))

export const withReservation = (budget: Budget.Budget): Contender =>
  repeating(
    WITH_RESERVATION,
    budget.withReservation(estimate, (reservation) => reservation.commit(actual))
  )

/** As where every call has an estimate of its own: the description is made anew for each. */
export const spendingAnew = (budget: Budget.Budget): Contender =>
  repeating(
    `${SPEND}, described per call`,
    Effect.suspend(() => budget.spend({ estimate, actual: () => actual })(Effect.void))
  )

export const refusingToSpend = (budget: Budget.Budget): Contender =>
  refusing(SPEND, budget.spend({ estimate, maxWait: 0 })(Effect.void))

export const refusingToReserve = (budget: Budget.Budget): Contender =>
  refusing(TRY_RESERVE, budget.tryReserve(estimate))
