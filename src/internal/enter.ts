import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as BudgetError from "../BudgetError.ts"
import type { Admission } from "./admission/admission.ts"
import { forecast } from "./admission/forecast.ts"
import { type Hold, problemWith } from "./admission/hold.ts"
import type { Waiter } from "./admission/line.ts"
import { refusal } from "./admission/refusal.ts"
import { isHeard, tell } from "./events.ts"

/** How a request asks. */
export interface Manner {
  readonly maxWaitMillis: number
  readonly priority: number
  readonly onWait:
    | ((place: Effect.Effect<{ position: number; startsAt: number | undefined }>) => Effect.Effect<void>)
    | undefined
}

/**
 * Lets a hold that was asked for in, or waits for that as long as the manner allows. What can go at once returns
 * nothing, without the cost of an effect.
 *
 * From here on the hold may wait or be open. Whoever calls this has seen to its end beforehand, with `exitUnentered`
 * and a settlement, also on interruption.
 */
export const enter = (
  admission: Admission,
  hold: Hold,
  manner: Manner
): Effect.Effect<void, BudgetError.BudgetError> | undefined => {
  const problem = problemWith(hold.path, hold.estimate)
  if (problem !== undefined) {
    return Effect.fail(BudgetError.make(new BudgetError.InvalidUsage({ budget: hold.node.name, problem })))
  }
  const now = admission.timeline.now()
  const obstacle = admission.take(hold, now)
  if (obstacle === undefined) {
    reportAdmitted(hold)
    return undefined
  }
  const until = now + manner.maxWaitMillis
  if (!(until > now) || admission.outlasts(obstacle, until)) return Effect.fail(refusal(obstacle, now))
  const waiter = admission.wait(hold, obstacle, until, now)
  const { onWait } = manner
  return onWait === undefined
    ? outcomeOf(waiter)
    : Effect.andThen(onWait(Effect.sync(() => forecast(waiter, admission.timeline.now()))), outcomeOf(waiter))
}

/** Sees to a hold that did not become open: whoever still waits leaves the line, and a refusal is reported. */
export const exitUnentered = (admission: Admission, hold: Hold, exit: Exit.Exit<unknown, unknown>): void => {
  admission.withdraw(hold)
  if (!isHeard(hold.path)) return
  const error = Exit.findErrorOption(exit)
  if (Option.isSome(error) && error.value instanceof BudgetError.BudgetError) reportRefused(hold, error.value)
}

const outcomeOf = (waiter: Waiter): Effect.Effect<void, BudgetError.BudgetError> =>
  Effect.withFiber((fiber) => Effect.callback((resume) => waiter.await(fiber, resume)))

/** Reports that a hold is open. */
export const reportAdmitted = ({ estimate, node, path, takenAt, waiter }: Hold): void => {
  if (!isHeard(path)) return
  const waitedMillis = waiter === undefined ? 0 : takenAt - waiter.since
  tell(path, { _tag: "Admitted", budget: node.name, estimate, waitedMillis })
}

const reportRefused = ({ estimate, node, path }: Hold, { reason }: BudgetError.BudgetError): void =>
  tell(path, { _tag: "Refused", budget: node.name, estimate, reason })
