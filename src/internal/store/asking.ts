import type { Hold } from "../admission/hold.ts"
import type { SharedRoute, Ticket } from "../admission/link.ts"
import type { Gate } from "../admission/node.ts"
import type { SharedState } from "../limit/shared.ts"

/** A hold that asks, and the route on which it does. */
export interface Asking {
  readonly hold: Hold
  readonly route: SharedRoute
  readonly ticket: Ticket
  /** What it asks for, at each limit of the route. */
  readonly amounts: ReadonlyArray<number>
  /** Whether the limits of this process count it as asking: not if the store could not be reached when it began. */
  counts: boolean
}

/** Does something with each limit of a store from which somebody asks for something. */
export const forEachState = ({ amounts, route }: Asking, act: (state: SharedState, amount: number) => void): void => {
  for (let index = 0; index < amounts.length; index++) {
    if (amounts[index]! > 0) act(route.states[index]!, amounts[index]!)
  }
}

/** Nobody waits for the answer of somebody any more. */
export const noteAnswered = (asking: Asking): void => {
  if (asking.counts) forEachState(asking, answered)
  asking.counts = false
}

/** The store has let somebody in. */
export const noteAdmitted = (asking: Asking): void => {
  if (asking.counts) forEachState(asking, admitted)
  asking.counts = false
}

/** Adds the gates at which others wait behind somebody. */
export const addContended = ({ hold, route }: Asking, to: Set<Gate>): void => {
  for (const place of route.indices) {
    const gate = hold.path.gates[place]!
    if (gate.isContended) to.add(gate)
  }
}

const answered = (state: SharedState): void => state.answered()

const admitted = (state: SharedState): void => state.admitted()
