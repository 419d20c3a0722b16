import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as BudgetError from "../BudgetError.ts"
import type * as Usage from "../Usage.ts"
import type { Admission } from "./admission/admission.ts"
import { forecast } from "./admission/forecast.ts"
import { type Hold, problemWith } from "./admission/hold.ts"
import type { Waiter } from "./admission/line.ts"
import type { BudgetNode } from "./admission/node.ts"
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

/** Unmasks interruption. */
type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * Asks for an estimate and waits as long as the manner allows. To be run where interruption is masked: `restore`
 * unmasks the waiting alone, so that a hold that was taken is never lost between here and who settles it.
 *
 * What is admitted at once is returned as it is, without the cost of an effect.
 */
export const acquire = (
  admission: Admission,
  node: BudgetNode,
  estimate: Usage.Usage,
  manner: Manner,
  restore: Restore
): Hold | Effect.Effect<Hold, BudgetError.BudgetError> => {
  const hold = admission.ask(node, estimate, manner.priority)
  const problem = problemWith(hold.path, estimate, hold.amounts)
  if (problem !== undefined) {
    return refuse(hold, BudgetError.make(new BudgetError.InvalidUsage({ budget: node.name, problem })))
  }
  const now = admission.timeline.now()
  const obstacle = admission.take(hold, now)
  if (obstacle === undefined) {
    if (isHeard(hold.path)) reportAdmitted(hold, 0)
    return hold
  }
  const until = now + manner.maxWaitMillis
  if (!(until > now) || admission.outlasts(obstacle, until)) return refuse(hold, refusal(obstacle, now))
  const waiter = admission.wait(hold, obstacle, until, now)
  return Effect.onExit(restore(awaiting(admission, waiter, manner.onWait)), (exit) => {
    if (Exit.isSuccess(exit)) {
      if (isHeard(hold.path)) reportAdmitted(hold, hold.takenAt - waiter.since)
    } else {
      admission.withdraw(waiter)
      const error = Exit.findErrorOption(exit)
      if (error._tag === "Some") reportRefused(hold, error.value)
    }
    return Effect.void
  })
}

const awaiting = (
  admission: Admission,
  waiter: Waiter,
  onWait: Manner["onWait"]
): Effect.Effect<Hold, BudgetError.BudgetError> => {
  const admitted = Effect.withFiber<Hold, BudgetError.BudgetError>((fiber) =>
    Effect.callback((resume) => waiter.await(fiber, (outcome) => resume(Effect.as(outcome, waiter.hold))))
  )
  return onWait === undefined
    ? admitted
    : Effect.andThen(onWait(Effect.sync(() => forecast(waiter, admission.timeline.now()))), admitted)
}

const refuse = (hold: Hold, error: BudgetError.BudgetError): Effect.Effect<never, BudgetError.BudgetError> => {
  if (isHeard(hold.path)) reportRefused(hold, error)
  return Effect.fail(error)
}

const reportAdmitted = ({ estimate, node, path }: Hold, waitedMillis: number): void =>
  tell(path, { _tag: "Admitted", budget: node.name, estimate, waitedMillis })

const reportRefused = ({ estimate, node, path }: Hold, { reason }: BudgetError.BudgetError): void =>
  tell(path, { _tag: "Refused", budget: node.name, estimate, reason })
