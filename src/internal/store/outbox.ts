import type { Charge, Operation, Settle } from "../../StoreProtocol.ts"
import * as Usage from "../../Usage.ts"
import type { SharedRoute, Ticket } from "../admission/link.ts"
import type { BudgetNode, Gate } from "../admission/node.ts"

/** Something to tell or to ask. */
export interface Errand {
  readonly operation: Operation
  /** Where the store gets room by it. */
  readonly frees?: SharedRoute
  /** Where somebody does not wait any more that the store knew, and since when it did. */
  readonly leaves?: Turn
  /** Is told when the store has let it in, if it has, in the store's time, and what time it is here. */
  readonly onVerdict?: (takenAt: number | undefined, now: number) => void
  /** The reservations that it makes the store count again. */
  readonly asserts?: ReadonlyArray<Ticket>
  /** The budget that is looked at, and who waits until it is known how full it is, or that the store cannot say. */
  readonly looksAt?: BudgetNode
  readonly onSight?: () => void
  /** Is told by how much limits were tightened. */
  readonly onTightened?: (by: ReadonlyArray<number>) => void
}

/** A place among those that wait at a limit at the store. */
export interface Turn {
  readonly gate: Gate
  readonly turn: number
}

/** A sum that grows in place. */
type Sum<A> = {
  -readonly [Key in keyof A]: A[Key] extends ReadonlyArray<number>
    ? Array<number>
    : A[Key] extends Usage.Usage
      ? UsageSum
      : A[Key]
} & { readonly route: SharedRoute }

type UsageSum = { -readonly [Field in keyof Usage.Usage]: number }

/** When the store has taken something, and for how long ahead. */
export interface Taken {
  readonly takenAt: number
  readonly aheadMillis: number
}

/**
 * What has yet to be told to the store. Settlements of the same instant and route are added up, and so are charges of a
 * route: however long the store is away, there are no more of them than reservations that it knows of.
 */
export class Outbox {
  #settles = new Map<SharedRoute, Map<number, Sum<Settle>>>()
  /** Of the settlements, the one that something was added to last. */
  #latest: Sum<Settle> | undefined
  #charges = new Map<SharedRoute, Sum<Charge>>()
  #others: Array<Errand> = []

  get isEmpty(): boolean {
    return this.#settles.size === 0 && this.#charges.size === 0 && this.#others.length === 0
  }

  /** A reservation that the store has taken at an instant has ended. Without an actual usage it was released. */
  settle(
    route: SharedRoute,
    estimates: ReadonlyArray<number>,
    { aheadMillis, takenAt }: Taken,
    actual: Usage.Usage | undefined
  ): void {
    const settle = this.#settleOf(route, takenAt, aheadMillis)
    if (aheadMillis === 0) settle.count++
    if (actual !== undefined) addTo(settle.usage, actual)
    for (let index = 0; index < estimates.length; index++) {
      const estimate = estimates[index]!
      const used = actual === undefined ? 0 : route.meters[index]!.measure(actual)
      settle.estimates[index]! += estimate
      settle.actuals[index]! += used
      if (used < estimate) settle.refunds[index]! += estimate - used
    }
  }

  charge(route: SharedRoute, amounts: ReadonlyArray<number>, usage: Usage.Usage): void {
    const charge = this.#chargeOf(route)
    addTo(charge.usage, usage)
    for (const [index, amount] of amounts.entries()) charge.amounts[index]! += amount
  }

  add(errand: Errand): void {
    this.#others.push(errand)
  }

  /** Forgets what has ended, because the store has settled it by itself. Says how many reservations that were. */
  dropSettles(): number {
    let count = 0
    for (const byInstant of this.#settles.values()) for (const settle of byInstant.values()) count += settle.count
    this.#settles = new Map()
    this.#latest = undefined
    return count
  }

  /** Charges what has ended, because the store does not know any more that it had been reserved. */
  chargeSettles(): void {
    for (const byInstant of this.#settles.values()) {
      for (const { actuals, route, usage } of byInstant.values()) this.charge(route, actuals, usage)
    }
    this.#settles = new Map()
    this.#latest = undefined
  }

  /** Takes everything out. */
  drain(): ReadonlyArray<Errand> {
    if (this.isEmpty) return []
    const freeing: Array<Sum<Settle> | Sum<Charge>> = []
    for (const byInstant of this.#settles.values()) freeing.push(...byInstant.values())
    freeing.push(...this.#charges.values())
    const errands = freeing.map((operation): Errand => ({ operation, frees: operation.route }))
    errands.push(...this.#others)
    this.#settles = new Map()
    this.#latest = undefined
    this.#charges = new Map()
    this.#others = []
    return errands
  }

  #settleOf(route: SharedRoute, takenAt: number, aheadMillis: number): Sum<Settle> {
    // What was taken ahead is settled a thousand times and more in a row.
    const latest = this.#latest
    if (latest?.route === route && latest.takenAt === takenAt && latest.aheadMillis === aheadMillis) return latest
    return (this.#latest = this.#searchSettle(route, takenAt, aheadMillis))
  }

  #searchSettle(route: SharedRoute, takenAt: number, aheadMillis: number): Sum<Settle> {
    let byInstant = this.#settles.get(route)
    if (byInstant === undefined) this.#settles.set(route, (byInstant = new Map()))
    const key = aheadMillis === 0 ? takenAt : -takenAt
    let settle = byInstant.get(key)
    if (settle !== undefined) return settle
    const zeros = () => new Array<number>(route.meters.length).fill(0)
    settle = {
      _tag: "Settle",
      route,
      takenAt,
      aheadMillis,
      count: 0,
      estimates: zeros(),
      actuals: zeros(),
      refunds: zeros(),
      usage: { ...Usage.zero }
    }
    byInstant.set(key, settle)
    return settle
  }

  #chargeOf(route: SharedRoute): Sum<Charge> {
    const known = this.#charges.get(route)
    if (known !== undefined) return known
    const charge: Sum<Charge> = {
      _tag: "Charge",
      route,
      amounts: new Array<number>(route.meters.length).fill(0),
      usage: { ...Usage.zero }
    }
    this.#charges.set(route, charge)
    return charge
  }
}

const addTo = (sum: UsageSum, usage: Usage.Usage): void => {
  sum.requests += usage.requests
  sum.inputTokens += usage.inputTokens
  sum.cacheReadTokens += usage.cacheReadTokens
  sum.cacheWriteTokens += usage.cacheWriteTokens
  sum.outputTokens += usage.outputTokens
  sum.reasoningTokens += usage.reasoningTokens
  sum.costNanoUsd += usage.costNanoUsd
}
