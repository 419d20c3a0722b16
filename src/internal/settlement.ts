import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { OnFailure, Owed } from "../Budget.ts"
import type { SettledAlready } from "../BudgetEvent.ts"
import type * as Limit from "../Limit.ts"
import type { Reservation } from "../Reservation.ts"
import * as Usage from "../Usage.ts"
import type { Admission } from "./admission/admission.ts"
import { type Hold, problemWith } from "./admission/hold.ts"
import { isHeard, tell } from "./admission/listeners.ts"
import { CarvingState } from "./limit/carving.ts"
import type { Pause } from "./limit/pause.ts"

/** Settles what is still open when a body or a scope ends. */
export const settleAtEnd = (
  admission: Admission,
  hold: Hold,
  exit: Exit.Exit<unknown, unknown>,
  onFailure: OnFailure
): Effect.Effect<void> => {
  if (hold.status !== "open") return Effect.void
  if (exit._tag === "Success") commitEstimate(admission, hold)
  else if (hold.recorded !== undefined) commitValid(admission, hold, hold.recorded)
  else if (!hold.hasBegun || onFailure === "release") release(admission, hold)
  else return commitFailed(admission, hold, exit.cause, onFailure)
  return Effect.void
}

const commitFailed = (
  admission: Admission,
  hold: Hold,
  cause: Cause.Cause<unknown>,
  onFailure: OnFailure
): Effect.Effect<void> => {
  let owed: Owed | Usage.Usage
  try {
    owed = typeof onFailure === "function" ? onFailure(cause) : onFailure
  } catch (error) {
    return commitUnknown(admission, hold, `reading what a failure costs threw ${String(error)}`)
  }
  if (owed === "release") release(admission, hold)
  else if (owed === "charge") commitEstimate(admission, hold)
  else return commit(admission, hold, owed)
  return Effect.void
}

/** Commits what was used, or the estimate when that makes no sense: then it says so. */
export const commit = (admission: Admission, hold: Hold, actual: Usage.Usage): Effect.Effect<void> => {
  const problem = problemWith(hold.path, actual)
  if (problem !== undefined) return commitUnknown(admission, hold, problem)
  commitValid(admission, hold, actual)
  return Effect.void
}

/**
 * Commits what a result says it used. Reading it runs code of the user's, which may throw: a call whose result cannot
 * be read was paid for all the same, and its result is kept.
 */
export const commitResult = <A>(
  admission: Admission,
  hold: Hold,
  actual: (value: A) => Usage.Usage,
  value: A
): Effect.Effect<void> => {
  let usage: Usage.Usage
  try {
    usage = actual(value)
  } catch (error) {
    return commitUnknown(admission, hold, `reading it threw ${String(error)}`)
  }
  return commit(admission, hold, usage)
}

const commitUnknown = (admission: Admission, hold: Hold, problem: string): Effect.Effect<void> => {
  commitEstimate(admission, hold)
  return reportInvalid(hold, problem, "the estimate is charged")
}

/** The reservation that a program holds. */
export class OpenReservation implements Reservation {
  readonly #admission: Admission
  readonly #hold: Hold

  constructor(admission: Admission, hold: Hold) {
    this.#admission = admission
    this.#hold = hold
  }

  get granted(): Usage.Usage {
    return this.#hold.estimate
  }

  commit(actual: Usage.Usage): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#hold.status === "open"
        ? commit(this.#admission, this.#hold, actual)
        : reportSettledAlready(this.#hold, "commit")
    )
  }

  get release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#hold.status !== "open") return reportSettledAlready(this.#hold, "release")
      release(this.#admission, this.#hold)
      return Effect.void
    })
  }

  record(partial: Usage.Usage): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#hold.status === "open" ? record(this.#hold, partial) : reportSettledAlready(this.#hold, "record")
    )
  }
}

const record = (hold: Hold, partial: Usage.Usage): Effect.Effect<void> => {
  const problem = problemWith(hold.path, partial)
  if (problem === undefined) {
    hold.recorded = partial
    return Effect.void
  }
  // Something was used. Without a note that makes sense, the estimate is the best guess at how much.
  hold.recorded ??= hold.estimate
  return reportInvalid(hold, problem, "the last note stands, or else the estimate")
}

const commitEstimate = (admission: Admission, hold: Hold): void => commitValid(admission, hold, hold.estimate)

const commitValid = (admission: Admission, hold: Hold, actual: Usage.Usage): void => {
  admission.commit(hold, actual)
  if (!isHeard(hold.path)) return
  reportSettled(hold, actual)
  for (const [index, { meter, node, state }] of hold.path.gates.entries()) {
    // What a slice has set aside is counted by its own cap, too.
    if (state instanceof CarvingState) continue
    const overrun = meter.measure(actual) - hold.amounts[index]!
    if (overrun > 0) reportOverran(hold, node.name, state.limit, overrun)
  }
}

const release = (admission: Admission, hold: Hold): void => {
  admission.release(hold)
  if (hold.hasEntered && isHeard(hold.path)) reportSettled(hold, Usage.zero)
}

const reportSettled = ({ arrival: call, estimate, node, path }: Hold, actual: Usage.Usage): void =>
  tell(path, { _tag: "Settled", call, budget: node.name, estimate, actual })

const reportOverran = (
  { arrival: call, node, path }: Hold,
  by: string,
  limit: Limit.Limit | Pause,
  overrun: number
): void => {
  if (limit._tag !== "Pause") tell(path, { _tag: "Overran", call, budget: node.name, by, limit, overrun })
}

const reportInvalid = (hold: Hold, problem: string, consequence: string): Effect.Effect<void> => {
  const { arrival: call, estimate, node, path } = hold
  const budget = node.name
  tell(path, { _tag: "InvalidReport", call, budget, estimate, problem })
  return Effect.logWarning(`${budget}: the reported usage makes no sense, ${consequence}: ${problem}`)
}

const reportSettledAlready = (hold: Hold, attempted: SettledAlready["attempted"]): Effect.Effect<void> => {
  const { arrival: call, estimate, node, path, status } = hold
  const budget = node.name
  tell(path, { _tag: "SettledAlready", call, budget, estimate, attempted })
  return Effect.logError(`${budget}: ${attempted} of a reservation that is already ${status} is ignored`)
}
