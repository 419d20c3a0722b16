import type { BudgetError } from "../../BudgetError.ts"
import type { Alarm } from "../timeline.ts"
import type { Flow } from "./fairQueue.ts"
import type { Hold } from "./hold.ts"
import type { BudgetNode, Gate } from "./node.ts"

/** A request in a line. */
export class Waiter {
  readonly line: Line
  readonly hold: Hold
  /** Where it waits, or will when it has become the head of its line. */
  gate: Gate
  readonly since: number
  before: Waiter | undefined
  behind: Waiter | undefined
  /** How often it had its turn at one gate and found another one closed. */
  moves = 0
  /** How often it was overtaken while nobody knew when its own turn would come. */
  overtaken = 0
  deadline: Alarm | undefined
  /** How the waiting ended, once it has. */
  outcome: Outcome | undefined
  #sleeper: Sleeper | undefined

  constructor(line: Line, hold: Hold, gate: Gate, since: number) {
    this.line = line
    this.hold = hold
    this.gate = gate
    this.since = since
  }

  /** Wakes a sleeper when the waiting is over, or at once if it is. */
  await(sleeper: Sleeper): void {
    if (this.outcome === undefined) this.#sleeper = sleeper
    else sleeper.wake(this.outcome)
  }

  end(outcome: Outcome): void {
    this.outcome = outcome
    if (outcome !== "withdrawn") this.#sleeper?.wake(outcome)
  }
}

/** Withdrawn is who does not want to wait any longer; closed is the budget. */
export type Outcome = "admitted" | "withdrawn" | "closed" | BudgetError

/** Whoever sleeps until a waiting is over. It goes on later: who settles must not run what it lets in. */
export interface Sleeper {
  wake(outcome: Outcome): void
}

/** Those who wait for one budget: by priority, then in order of arrival. Its head waits at a gate, or at several. */
export class Line {
  readonly node: BudgetNode
  size = 0
  head: Waiter | undefined
  /** Where the head waits: at one gate, or, when it is pinned, at all that it has to pass. */
  gates: ReadonlyArray<Gate> = []
  /** Its place in the fair queue of its gate, unless the head is pinned. */
  flow: Flow | undefined
  #tail: Waiter | undefined

  constructor(node: BudgetNode) {
    this.node = node
  }

  /** Puts a request behind all that go before it. */
  join(hold: Hold, gate: Gate, now: number): Waiter {
    const waiter = new Waiter(this, hold, gate, now)
    const before = this.#placeFor(hold)
    const behind = before === undefined ? this.head : before.behind
    waiter.before = before
    waiter.behind = behind
    if (before === undefined) this.head = waiter
    else before.behind = waiter
    if (behind === undefined) this.#tail = waiter
    else behind.before = waiter
    this.size++
    return waiter
  }

  leave(waiter: Waiter): void {
    const { before, behind } = waiter
    if (before === undefined) this.head = behind
    else before.behind = behind
    if (behind === undefined) this.#tail = before
    else behind.before = before
    this.size--
  }

  /** Everyone in the line, from its head on. */
  *waiters(): Generator<Waiter, void> {
    for (let waiter = this.head; waiter !== undefined; waiter = waiter.behind) yield waiter
  }

  /** The last one that goes before a request. Looked for from the end that is likely to be nearer. */
  #placeFor(hold: Hold): Waiter | undefined {
    let place = this.#tail
    if (place === undefined || !hold.isBefore(place.hold)) return place
    place = undefined
    for (let next = this.head; next !== undefined && !hold.isBefore(next.hold); next = next.behind) place = next
    return place
  }
}
