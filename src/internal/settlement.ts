import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { SettledTwice } from "../BudgetEvent.ts"
import type { Reservation } from "../Reservation.ts"
import * as Usage from "../Usage.ts"
import type { Admission } from "./admission/admission.ts"
import { type Hold, measure, problemWith } from "./admission/hold.ts"
import { isHeard, tell } from "./events.ts"

/** What is charged when a call fails or is interrupted and nothing was recorded. */
export type OnFailure = "release" | "charge"

/** Settles what is still open when a body or a scope ends. */
export const settleAtEnd = (
  admission: Admission,
  hold: Hold,
  exit: Exit.Exit<unknown, unknown>,
  onFailure: OnFailure
): void => {
  if (hold.status !== "open") return
  if (exit._tag === "Success") return commitEstimate(admission, hold)
  if (hold.recorded !== undefined) return commitValid(admission, hold, hold.recorded, measure(hold.path, hold.recorded))
  if (onFailure === "charge") return commitEstimate(admission, hold)
  release(admission, hold)
}

/**
 * Commits what was used, or the estimate when nobody can tell: then it says so. A call whose result cannot be read was
 * paid for all the same.
 */
export const commit = (admission: Admission, hold: Hold, actual: () => Usage.Usage): Effect.Effect<void> => {
  const reading = read(hold, actual)
  if (reading.problem === undefined) {
    commitValid(admission, hold, reading.usage, reading.amounts)
    return Effect.void
  }
  commitEstimate(admission, hold)
  return reportInvalid(hold, reading.problem, "the estimate is charged")
}

/** The reservation that a program holds. */
export const reservation = (admission: Admission, hold: Hold): Reservation => ({
  granted: hold.estimate,
  commit: (actual) =>
    Effect.suspend(() =>
      hold.status === "open" ? commit(admission, hold, () => actual) : reportSettledTwice(hold, "commit")
    ),
  release: Effect.suspend(() => {
    if (hold.status !== "open") return reportSettledTwice(hold, "release")
    release(admission, hold)
    return Effect.void
  }),
  record: (partial) =>
    Effect.suspend(() => (hold.status === "open" ? record(hold, partial) : reportSettledTwice(hold, "record")))
})

const record = (hold: Hold, partial: Usage.Usage): Effect.Effect<void> => {
  const { problem, usage } = read(hold, () => partial)
  if (problem === undefined) {
    hold.recorded = usage
    return Effect.void
  }
  // Something was used. Without a note that makes sense, the estimate is the best guess at how much.
  hold.recorded ??= hold.estimate
  return reportInvalid(hold, problem, "the note is ignored")
}

/** What a program reports, as the meters of the path see it. Reading it runs code of the user's, which may throw. */
const read = (
  hold: Hold,
  report: () => Usage.Usage
): {
  readonly usage: Usage.Usage
  readonly amounts: ReadonlyArray<number>
  readonly problem: string | undefined
} => {
  try {
    const usage = report()
    const amounts = measure(hold.path, usage)
    return { usage, amounts, problem: problemWith(hold.path, usage, amounts) }
  } catch (error) {
    return { usage: hold.estimate, amounts: hold.amounts, problem: `reading it threw ${String(error)}` }
  }
}

const commitEstimate = (admission: Admission, hold: Hold): void =>
  commitValid(admission, hold, hold.estimate, hold.amounts)

const commitValid = (admission: Admission, hold: Hold, actual: Usage.Usage, amounts: ReadonlyArray<number>): void => {
  admission.commit(hold, actual, amounts)
  if (isHeard(hold.path)) reportSettled(hold, actual, amounts)
}

const release = (admission: Admission, hold: Hold): void => {
  admission.release(hold)
  if (isHeard(hold.path)) reportSettled(hold, Usage.zero, [])
}

const reportSettled = (hold: Hold, actual: Usage.Usage, amounts: ReadonlyArray<number>): void => {
  const { estimate, path } = hold
  const budget = hold.node.name
  tell(path, { _tag: "Settled", budget, estimate, actual })
  for (const [index, amount] of amounts.entries()) {
    const { limit } = path.gates[index]!.state
    const overrun = amount - hold.amounts[index]!
    if (overrun > 0 && limit._tag !== "Pause") tell(path, { _tag: "Overran", budget, limit, overrun })
  }
}

const reportInvalid = (hold: Hold, problem: string, consequence: string): Effect.Effect<void> => {
  const budget = hold.node.name
  tell(hold.path, { _tag: "InvalidActual", budget, estimate: hold.estimate, problem })
  return Effect.logWarning(`${budget}: the reported usage makes no sense, ${consequence}: ${problem}`)
}

const reportSettledTwice = (hold: Hold, attempted: SettledTwice["attempted"]): Effect.Effect<void> => {
  const budget = hold.node.name
  tell(hold.path, { _tag: "SettledTwice", budget, estimate: hold.estimate, attempted })
  return Effect.logError(`${budget}: ${attempted} of a reservation that is already ${hold.status} is ignored`)
}
