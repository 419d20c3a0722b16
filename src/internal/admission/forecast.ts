import { AFTER_SETTLEMENT } from "../limit/state.ts"
import type { Hold } from "./hold.ts"
import type { Waiter } from "./line.ts"
import type { Gate } from "./node.ts"

/**
 * Where a waiter stands at its gate, and the earliest start that can be promised it now: everybody ahead is admitted
 * in turn on a copy of the gate's counters, and nothing is given back. Unknown where only settlements make room.
 */
export const forecast = ({ waiter }: Hold, now: number): { position: number; startsAt: number | undefined } => {
  if (waiter === undefined || waiter.outcome !== undefined) return { position: 0, startsAt: now }
  const gate = waiter.line.gates[0]!
  const state = gate.state.clone()
  let position = 0
  let at = now
  for (const other of order(gate)) {
    position++
    const amount = other.hold.amountAt(gate)
    if (at < AFTER_SETTLEMENT) at = Math.max(at, state.readyAt(amount, at))
    if (at < AFTER_SETTLEMENT) state.take(amount, at)
    if (other === waiter) break
  }
  for (const [index, own] of waiter.hold.path.gates.entries()) {
    const amount = waiter.hold.amounts[index]!
    if (amount > 0 && !own.isShadow) at = Math.max(at, own.state.readyAt(amount, now))
  }
  return { position, startsAt: at < AFTER_SETTLEMENT ? at : undefined }
}

function* order(gate: Gate): Generator<Waiter, void> {
  const pinned = new Set(gate.pinned)
  yield* pinned
  for (const head of pinned) {
    for (const waiter of head.line.waiters()) if (waiter !== head) yield waiter
  }
  if (gate.queue !== undefined) yield* gate.queue.order((waiter) => waiter.hold.amountAt(gate))
}
