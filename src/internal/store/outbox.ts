import type { Charge, Operation, Settle } from "../../BudgetStore.ts"
import * as Usage from "../../Usage.ts"
import type { Hold } from "../admission/hold.ts"
import type { SharedRoute } from "../admission/link.ts"

/** An operation, and who wants to know what came of it. */
export interface Errand {
  readonly operation: Operation
  /** Is told the answer of an operation that asks something. */
  readonly onAnswer?: (answer: unknown) => void
}

type Mutable<A> = { -readonly [Key in keyof A]: A[Key] extends ReadonlyArray<number> ? Array<number> : A[Key] }

/**
 * What has yet to be told to the store. Settlements of the same instant and route are added up, and so are charges of a
 * route: however long the store is away, there are no more of them than reservations that it knows of.
 */
export class Outbox {
  #settles = new Map<SharedRoute, Map<number, Mutable<Settle>>>()
  #charges = new Map<SharedRoute, Mutable<Charge>>()
  #others: Array<Errand> = []

  get isEmpty(): boolean {
    return this.#settles.size === 0 && this.#charges.size === 0 && this.#others.length === 0
  }

  /** A hold that the store has taken at an instant has ended. Without an actual usage it was released. */
  settle(hold: Hold, route: SharedRoute, takenAt: number, actual: Usage.Usage | undefined): void {
    const settle = this.#settleOf(route, takenAt)
    settle.count++
    if (actual !== undefined) settle.usage = Usage.sum(settle.usage, actual)
    for (const [index, place] of route.indices.entries()) {
      const estimate = hold.amounts[place]!
      const used = actual === undefined ? 0 : hold.path.gates[place]!.meter.measure(actual)
      settle.estimates[index]! += estimate
      settle.actuals[index]! += used
      if (used < estimate) settle.refunds[index]! += estimate - used
    }
  }

  charge(route: SharedRoute, amounts: ReadonlyArray<number>, usage: Usage.Usage): void {
    const charge = this.#chargeOf(route)
    charge.usage = Usage.sum(charge.usage, usage)
    for (const [index, amount] of amounts.entries()) charge.amounts[index]! += amount
  }

  add(errand: Errand): void {
    this.#others.push(errand)
  }

  /** Takes everything out. */
  drain(): ReadonlyArray<Errand> {
    if (this.isEmpty) return []
    const settles = [...this.#settles.values()].flatMap((byInstant) => [...byInstant.values()])
    const errands = [...settles, ...this.#charges.values()].map((operation): Errand => ({ operation }))
    errands.push(...this.#others)
    this.#settles = new Map()
    this.#charges = new Map()
    this.#others = []
    return errands
  }

  #settleOf(route: SharedRoute, takenAt: number): Mutable<Settle> {
    let byInstant = this.#settles.get(route)
    if (byInstant === undefined) this.#settles.set(route, (byInstant = new Map()))
    let settle = byInstant.get(takenAt)
    if (settle !== undefined) return settle
    const zeros = () => new Array<number>(route.indices.length).fill(0)
    settle = {
      _tag: "Settle",
      route,
      takenAt,
      count: 0,
      estimates: zeros(),
      actuals: zeros(),
      refunds: zeros(),
      usage: Usage.zero
    }
    byInstant.set(takenAt, settle)
    return settle
  }

  #chargeOf(route: SharedRoute): Mutable<Charge> {
    const known = this.#charges.get(route)
    if (known !== undefined) return known
    const charge: Mutable<Charge> = {
      _tag: "Charge",
      route,
      amounts: new Array<number>(route.indices.length).fill(0),
      usage: Usage.zero
    }
    this.#charges.set(route, charge)
    return charge
  }
}
