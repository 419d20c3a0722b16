import * as Predicate from "effect/Predicate"
import type * as Meter from "../../Meter.ts"
import * as Usage from "../../Usage.ts"
import { SharedState } from "../limit/shared.ts"
import { problemOfRange } from "./elastic.ts"
import type { Waiter } from "./line.ts"
import type { Ticket } from "./link.ts"
import type { Happening } from "./listeners.ts"
import type { BudgetNode, Gate, Path } from "./node.ts"

/**
 * An estimate on its way: asked for, open, then committed or released, each at most once.
 *
 * `amounts` says what the estimate measures at each gate of the path.
 */
export class Hold {
  // Declared, not defined: one is made for every call, and defined fields would be written twice.
  declare readonly node: BudgetNode
  /** What is asked for, then held. An elastic one asks for the least and holds what it was granted. */
  declare estimate: Usage.Usage
  /** What an elastic one asks for, and the most that it may be granted. */
  declare readonly least: Usage.Usage | undefined
  declare readonly most: Usage.Usage | undefined
  /** Higher goes first within the budget. */
  declare readonly priority: number
  /** The order of arrival, and the number of the request. */
  declare readonly arrival: number
  declare path: Path
  declare amounts: Array<number>
  declare status: "asked" | "open" | "committed" | "released"
  declare takenAt: number
  /** What is told if a shadow limit would have kept it out when it was admitted. */
  declare shadowed: Happening | undefined
  /** Its place in line, once it had to wait. */
  declare waiter: Waiter | undefined
  /** Whether whoever asked knows that it is open: before, there is nothing to tell. */
  declare hasEntered: boolean
  /** Whether the call has begun: before, there is nothing to charge. */
  declare hasBegun: boolean
  /** The usage so far of a call that is still running. */
  declare recorded: Usage.Usage | undefined
  /** What a store has been asked for it, where budgets of its path are shared. */
  declare ticket: Ticket | undefined
  /** Its place among those that wait at the store. */
  declare turn: number | undefined
  /** Whether it waits when it is not let in at once. */
  declare isPatient: boolean
  /** How often a store has refused it. */
  declare refusals: number

  constructor(
    node: BudgetNode,
    estimate: Usage.Usage,
    most: Usage.Usage | undefined,
    priority: number,
    arrival: number
  ) {
    this.node = node
    this.estimate = estimate
    this.least = most === undefined ? undefined : estimate
    this.most = most
    this.priority = priority
    this.arrival = arrival
    this.path = nowhere
    this.amounts = nowhere.amounts
    this.status = "asked"
    this.takenAt = 0
    this.shadowed = undefined
    this.waiter = undefined
    this.hasEntered = false
    this.hasBegun = false
    this.recorded = undefined
    this.ticket = undefined
    this.turn = undefined
    this.isPatient = true
    this.refusals = 0
  }

  /** Measures the estimate on a path: before it asks, and when the path has changed. Or says what is wrong with it. */
  measureOn(path: Path): string | undefined {
    this.path = path
    const problem = this.most === undefined ? problemWith(path, this.estimate) : this.#problemOfRange(this.most)
    if (problem === undefined) this.amounts = measure(path, this.estimate)
    return problem
  }

  /** Whether a store had room for what it asks for, as far as is known. */
  hadRoom(): boolean {
    const { gates, shared } = this.path
    if (shared === undefined) return true
    return shared.indices.every((index) => {
      const { isShadow, state } = gates[index]!
      return isShadow || !(state instanceof SharedState) || state.hadRoomFor(this.amounts[index]!)
    })
  }

  /** Asks for its least again, if it is elastic. */
  shrink(): void {
    if (this.least !== undefined) this.askFor(this.least)
  }

  /** Asks for a usage instead of what it has asked for. Says whether that makes sense to all meters of the path. */
  askFor(usage: Usage.Usage): boolean {
    if (problemWith(this.path, usage) !== undefined) return false
    this.estimate = usage
    this.amounts = measure(this.path, usage)
    return true
  }

  #problemOfRange(most: Usage.Usage): string | undefined {
    const problem = problemWith(this.path, most)
    if (problem !== undefined) return problem
    const problemOfLeast = problemWith(this.path, this.estimate)
    return problemOfLeast === undefined ? problemOfRange({ least: this.estimate, most }) : `least: ${problemOfLeast}`
  }

  amountAt(gate: Gate): number {
    return this.amounts[this.path.gates.indexOf(gate)] ?? 0
  }

  /** Takes the estimate from every limit of the path, at one instant. */
  take(now: number): void {
    const { gates, nodes } = this.path
    for (let index = 0; index < gates.length; index++) {
      if (this.amounts[index]! > 0) gates[index]!.state.take(this.amounts[index]!, now)
    }
    for (const node of nodes) node.ledger.open++
    this.takenAt = now
    this.status = "open"
    const { shared } = this.path
    if (shared !== undefined) this.ticket = shared.link.ask(this, shared)
  }

  /** Whether it goes before another that waits in the same line. */
  isBefore(that: Hold): boolean {
    return this.priority === that.priority ? this.arrival < that.arrival : this.priority > that.priority
  }
}

/** Where a hold is before it is measured on its path. */
const nowhere: Path & { readonly amounts: Array<number> } = {
  nodes: [],
  gates: [],
  counting: [],
  ownMeters: [],
  hasShadows: false,
  hasThresholds: false,
  shared: undefined,
  amounts: []
}

/** What a usage measures at each gate of a path. */
const measure = ({ gates }: Path, usage: Usage.Usage): Array<number> => {
  const amounts = new Array<number>(gates.length)
  for (let index = 0; index < gates.length; index++) amounts[index] = gates[index]!.meter.measure(usage)
  return amounts
}

/** What is wrong with a usage, also as the meters of a path see it. The built-in ones see nothing that it does not. */
export const problemWith = ({ ownMeters }: Path, usage: Usage.Usage | undefined): string | undefined => {
  // The types of a provider's client may promise more than it keeps.
  if (!Predicate.isObject(usage)) return `the usage is missing, got ${String(usage)}`
  if (!Usage.isValid(usage)) return Usage.problem(usage)
  for (const meter of ownMeters) {
    const problem = problemMeasuring(meter, usage)
    if (problem !== undefined) return problem
  }
  return undefined
}

const problemMeasuring = (meter: Meter.Meter, usage: Usage.Usage): string | undefined => {
  try {
    const amount = meter.measure(usage)
    return Usage.isAmount(amount)
      ? undefined
      : `the meter ${meter.name} must measure a non-negative safe integer, got ${String(amount)}`
  } catch (error) {
    return `the meter ${meter.name} threw ${String(error)}`
  }
}
