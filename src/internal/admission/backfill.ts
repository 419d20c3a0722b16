import { AFTER_SETTLEMENT, NEVER } from "../limit/state.ts"
import type { Hold } from "./hold.ts"
import type { Waiter } from "./line.ts"
import type { Gate } from "./node.ts"

/** The earliest start of a request, as far as its limits alone decide. */
const startOf = (hold: Hold, now: number): number => {
  let start = now
  for (let index = 0; index < hold.path.gates.length; index++) {
    const amount = hold.amounts[index]!
    if (amount > 0 && !hold.path.gates[index]!.isShadow)
      start = Math.max(start, hold.path.gates[index]!.state.readyAt(amount, now))
  }
  return start
}

/**
 * When a request that there is room for may overtake a head that came before it: now, if it provably does not move
 * the head's start (with T that start, what is used at T, the head and the request fit together), or, where no instant
 * is known for that start, if the head has not been overtaken too often.
 */
export const overtakableAt = (head: Waiter, gate: Gate, hold: Hold, amount: number, now: number): number => {
  if (head.hold === hold || !isAhead(head.hold, hold)) return now
  const headAmount = head.hold.amountAt(gate)
  // Nobody is delayed at a limit that it does not need.
  if (headAmount === 0) return now
  const start = startOf(head.hold, now)
  if (start === NEVER) return now
  const isWaitingHere = head.line.gates.includes(gate)
  if (start === AFTER_SETTLEMENT && !isWaitingHere) return now
  if (start === AFTER_SETTLEMENT) return mayOvertakeBlindly(head, gate, amount, now) ? now : AFTER_SETTLEMENT
  if (start <= now) return AFTER_SETTLEMENT
  return gate.state.readyAt(headAmount, now, amount) <= start ? now : start
}

/** Where nobody knows when a head can start: not too often, and never if both together could make it impossible. */
const mayOvertakeBlindly = (head: Waiter, gate: Gate, amount: number, now: number): boolean =>
  head.overtaken < OVERTAKEN_MAX && gate.state.readyAt(head.hold.amountAt(gate) + amount, now) !== NEVER

/** Counts that a head was overtaken while only settlements can say when its turn comes. */
export const noteOvertaking = (head: Waiter, hold: Hold, now: number): void => {
  if (head.hold !== hold && isAhead(head.hold, hold) && startOf(head.hold, now) === AFTER_SETTLEMENT) head.overtaken++
}

const isAhead = (a: Hold, b: Hold): boolean => (a.node === b.node ? a.isBefore(b) : a.arrival < b.arrival)

/** Who may be let in behind a head that cannot go: the first few of some lines. */
export const candidates = (gate: Gate, head: Waiter): ReadonlyArray<Waiter> => {
  const found: Array<Waiter> = []
  const pinned = gate.pinned?.map((waiter) => waiter.line) ?? []
  const lines = [...pinned, ...(gate.queue?.some(BACKFILL_DEPTH) ?? [])]
  const share = Math.ceil(BACKFILL_DEPTH / lines.length)
  for (const line of lines) {
    let waiter = line.head
    for (let count = 0; count < share && waiter !== undefined; count++, waiter = waiter.behind) {
      if (waiter !== head) found.push(waiter)
    }
  }
  return found
}

// What one event may cost where many wait: about so many of those behind a head are asked.
const BACKFILL_DEPTH = 32

// How often a request may be overtaken by others while only settlements can say when its turn comes.
const OVERTAKEN_MAX = 8
