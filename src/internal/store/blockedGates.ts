import type { Gate } from "../admission/node.ts"
import { type Obstruction, SharedState } from "../limit/shared.ts"
import type { Turn } from "./outbox.ts"

/** The gates at which a store has refused something that it may let in later. */
export class BlockedGates {
  readonly #gates = new Set<Gate>()
  /** When the store wants to be asked again, at the earliest. */
  dueAt = Number.POSITIVE_INFINITY

  block(gate: Gate, amount: number, obstruction: Obstruction): void {
    if (!(gate.state instanceof SharedState)) return
    gate.state.block(amount, obstruction)
    this.#gates.add(gate)
    this.dueAt = Math.min(this.dueAt, obstruction.asksAt)
  }

  /** A request of this process does not wait any more at a limit at the store, whichever budget it has come through. */
  leave({ gate: { node, state }, turn }: Turn): void {
    if (state instanceof SharedState) state.leaves(turn)
    for (const other of this.#gates) {
      const isSame = other.node.shared?.key === node.shared?.key && other.state.limit.name === state.limit.name
      if (isSame && other.state instanceof SharedState) other.state.leaves(turn)
    }
  }

  /** There may be more room at some gates, which are added to those that have changed. */
  retry(changed: Set<Gate>, which: (gate: Gate) => boolean = () => true): void {
    for (const gate of this.#gates) {
      if (!which(gate)) continue
      this.#gates.delete(gate)
      if (gate.state instanceof SharedState) gate.state.retry()
      changed.add(gate)
    }
  }

  /** Lets those ask again whose time it is. */
  tend(now: number, changed: Set<Gate>): void {
    if (this.dueAt > now) return
    this.dueAt = Number.POSITIVE_INFINITY
    for (const gate of this.#gates) {
      if (!(gate.state instanceof SharedState)) continue
      if (gate.state.asksAt <= now) changed.add(gate)
      gate.state.retry(({ asksAt }) => asksAt <= now)
      if (gate.state.asksAt === Number.POSITIVE_INFINITY) this.#gates.delete(gate)
      this.dueAt = Math.min(this.dueAt, gate.state.asksAt)
    }
  }
}
