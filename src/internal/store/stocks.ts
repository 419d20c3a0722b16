import * as Cron from "effect/Cron"
import type { SharedRoute } from "../admission/link.ts"
import type { Errand, Outbox, Taken } from "./outbox.ts"
import { type Lot, Stock } from "./stock.ts"

/** What a process has taken ahead, on each route. */
export class Stocks {
  readonly #aheadMillis: number
  readonly #outbox: Outbox
  readonly #stocks = new Map<SharedRoute, Stock>()

  /** For how long to take ahead: zero, if not at all. What is not used is given back through the outbox. */
  constructor(aheadMillis: number, outbox: Outbox) {
    this.#aheadMillis = aheadMillis
    this.#outbox = outbox
  }

  /** Grants amounts that were taken ahead, if there is enough, and sees to it that more is. */
  grant(route: SharedRoute, amounts: ReadonlyArray<number>, now: number): Taken | undefined {
    if (this.#aheadMillis === 0) return undefined
    const stock = this.#of(route, now)
    const taken = stock.grant(amounts, now)
    const lot = stock.nextLot(amounts, now)
    if (lot !== undefined) this.#outbox.add(this.#errand(stock, route, lot, now))
    return taken
  }

  /** When something stops to be good, at the earliest. */
  get dueAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { goodUntil } of this.#stocks.values()) next = Math.min(next, goodUntil)
    return next
  }

  /** Gives back what is not good any more. */
  tend(now: number): void {
    for (const [route, stock] of this.#stocks) {
      if (stock.goodUntil > now) continue
      this.#giveBack(route, stock.expire(now))
      if (!stock.isAsking) this.#stocks.delete(route)
    }
  }

  /** Gives everything back. */
  close(): void {
    for (const [route, stock] of this.#stocks) this.#giveBack(route, stock.clear())
  }

  /** Forgets everything: the store has settled it, or has lost it. */
  forget(): void {
    this.#stocks.clear()
  }

  #of(route: SharedRoute, now: number): Stock {
    const known = this.#stocks.get(route)
    if (known !== undefined) return known
    const maxima = route.states.map(({ limit }) => limit.max)
    const stock = new Stock(maxima, this.#aheadMillis, now)
    this.#stocks.set(route, stock)
    return stock
  }

  #errand(stock: Stock, route: SharedRoute, amounts: ReadonlyArray<number>, askedAt: number): Errand {
    const aheadMillis = this.#aheadMillis
    return {
      operation: { _tag: "Reserve", route, amounts, ticket: undefined, waits: false, aheadMillis },
      onVerdict: (takenAt, now) => {
        if (takenAt === undefined || this.#stocks.get(route) !== stock) return stock.refused(now)
        // Calls count from the end of that time, so that none may start later.
        const goodUntil = askedAt + Math.min(aheadMillis, millisToReset(route, takenAt))
        this.#giveBack(route, stock.receive({ amounts, goodUntil, taken: { takenAt, aheadMillis } }, now))
      }
    }
  }

  #giveBack(route: SharedRoute, rest: Lot | undefined): void {
    if (rest !== undefined) this.#outbox.settle(route, rest.amounts, rest.taken, undefined)
  }
}

/** How long it is, from an instant of the store, until the next window of the calendar begins on a route. */
const millisToReset = ({ states }: SharedRoute, now: number): number =>
  states.reduce(
    (least, { limit }) =>
      limit._tag === "FixedWindow" ? Math.min(least, Cron.next(limit.resets, new Date(now)).getTime() - now) : least,
    Number.POSITIVE_INFINITY
  )
