import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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
 * From here on the hold may be open. Whoever calls this sees to its settlement beforehand, also on interruption.
 */
export const enter = (
  admission: Admission,
  hold: Hold,
  manner: Manner
): Effect.Effect<void, BudgetError.BudgetError> | undefined => {
  const problem = problemWith(hold.path, hold.estimate)
  if (problem !== undefined) {
    return refuse(hold, BudgetError.make(new BudgetError.InvalidUsage({ budget: hold.node.name, problem })))
  }
  const now = admission.timeline.now()
  const obstacle = admission.take(hold, now)
  if (obstacle === undefined) {
    if (isHeard(hold.path)) reportAdmitted(hold, 0)
    return undefined
  }
  const until = now + manner.maxWaitMillis
  if (!(until > now) || admission.outlasts(obstacle, until)) return refuse(hold, refusal(obstacle, now))
  const waiter = admission.wait(hold, obstacle, until, now)
  return Effect.onExit(awaiting(admission, waiter, manner.onWait), (exit) => {
    if (exit._tag === "Success") {
      if (isHeard(hold.path)) reportAdmitted(hold, hold.takenAt - waiter.since)
      return Effect.void
    }
    admission.withdraw(waiter)
    const error = Exit.findErrorOption(exit)
    if (error._tag === "Some" && isHeard(hold.path)) reportRefused(hold, error.value)
    return Effect.void
  })
}

const awaiting = (
  admission: Admission,
  waiter: Waiter,
  onWait: Manner["onWait"]
): Effect.Effect<void, BudgetError.BudgetError> => {
  const outcome = Effect.withFiber<void, BudgetError.BudgetError>((fiber) =>
    Effect.callback((resume) => waiter.await(fiber, resume))
  )
  return onWait === undefined
    ? outcome
    : Effect.andThen(onWait(Effect.sync(() => forecast(waiter, admission.timeline.now()))), outcome)
}

const refuse = (hold: Hold, error: BudgetError.BudgetError): Effect.Effect<never, BudgetError.BudgetError> => {
  if (isHeard(hold.path)) reportRefused(hold, error)
  return Effect.fail(error)
}

const reportAdmitted = ({ estimate, node, path }: Hold, waitedMillis: number): void =>
  tell(path, { _tag: "Admitted", budget: node.name, estimate, waitedMillis })

const reportRefused = ({ estimate, node, path }: Hold, { reason }: BudgetError.BudgetError): void =>
  tell(path, { _tag: "Refused", budget: node.name, estimate, reason })
