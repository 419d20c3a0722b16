import type * as Limit from "../../../Limit.ts"
import type { Batch, Operation, Reserve, Route, SharedBudget } from "../../../StoreProtocol.ts"
import * as Usage from "../../../Usage.ts"
import type { Calendar } from "./calendar.ts"

/** A batch as the script reads it. */
export interface Encoded {
  /** Who asks, budgets, routes as places of budgets, and operations as one array of numbers. */
  readonly text: string
  /** How the limits of each budget are described: texts by themselves, as the store compares them before it reads them. */
  readonly descriptions: ReadonlyArray<string>
}

/** Throws a `RangeError` for a number that the store could not count. */
export const encode = (batch: Batch, calendar: Calendar): Encoded => {
  const places = new Places(calendar)
  const operations: Array<number> = []
  const spending = new Spending(operations, places)
  for (let index = 0; index < batch.operations.length; index++) {
    const operation = batch.operations[index]!
    spending.note(operation)
    if (operation._tag === "Reserve" && operation.ticket === undefined && operation.aheadMillis === 0) {
      const count = alike(batch.operations, index, operation)
      writeReserves(operations, places, batch.operations.slice(index, index + count))
      index += count - 1
    } else write(operations, places, operation)
  }
  spending.write()
  const text = JSON.stringify([
    batch.member,
    whole("sequence", batch.sequence),
    whole("answered", batch.answered),
    whole("leaseMillis", batch.leaseMillis),
    batch.lapse,
    places.budgets,
    places.routes,
    operations
  ])
  return { text, descriptions: places.descriptions }
}

/** How a limit is described to the store. Its calendar is not part of it. */
export const describe = (limit: Limit.Limit): ReadonlyArray<string | number> => {
  const named = [limit.name, limit._tag, limit.meter.name, limit.max]
  switch (limit._tag) {
    case "SlidingWindow":
      return [...named, limit.chargeAt, limit.windowMillis]
    case "FixedWindow":
      return [...named, limit.chargeAt]
    case "TokenBucket":
      return [...named, "", limit.refill, limit.refillMillis]
    default:
      return named
  }
}

/** Numbers the budgets and routes of a batch, from one as Lua does. */
class Places {
  readonly budgets: Array<ReadonlyArray<unknown>> = []
  readonly descriptions: Array<string> = []
  readonly routes: Array<ReadonlyArray<number>> = []
  readonly #calendar: Calendar
  readonly #ofBudgets = new Map<SharedBudget, number>()
  readonly #ofRoutes = new Map<Route, number>()

  constructor(calendar: Calendar) {
    this.#calendar = calendar
  }

  ofRoute(route: Route): number {
    const known = this.#ofRoutes.get(route)
    if (known !== undefined) return known
    const place = this.routes.push(route.budgets.map((budget) => this.ofBudget(budget)))
    this.#ofRoutes.set(route, place)
    return place
  }

  ofBudget(budget: SharedBudget): number {
    const known = this.#ofBudgets.get(budget)
    if (known !== undefined) return known
    const { isShadow, key, limits } = budget
    const windows = limits.flatMap((limit) =>
      limit._tag === "FixedWindow" ? [[limit.name, this.#calendar.resetsOf(limit)]] : []
    )
    const encoded: Array<unknown> = [key, isShadow ? 1 : 0]
    this.descriptions.push(descriptionOf(limits))
    const place = this.budgets.push(windows.length === 0 ? encoded : [...encoded, windows])
    this.#ofBudgets.set(budget, place)
    return place
  }
}

const descriptions = new WeakMap<SharedBudget["limits"], string>()

const descriptionOf = (limits: SharedBudget["limits"]): string => {
  const known = descriptions.get(limits) ?? JSON.stringify(limits.map(describe))
  descriptions.set(limits, known)
  return known
}

/** What was used along a route, summed up where operations follow one another that settle or charge. */
class Spending {
  readonly #to: Array<number>
  readonly #places: Places
  #route: Route | undefined
  #usage = Usage.zero

  constructor(to: Array<number>, places: Places) {
    this.#to = to
    this.#places = places
  }

  /** Sees an operation before it is written. */
  note(operation: Operation): void {
    const spends = operation._tag === "Settle" || operation._tag === "Charge"
    if (!spends || operation.route !== this.#route) this.write()
    if (!spends) return
    for (const field of Usage.fields) whole(field, operation.usage[field])
    this.#route = operation.route
    this.#usage = Usage.add(this.#usage, operation.usage)
  }

  write(): void {
    if (this.#route === undefined) return
    this.#to.push(CODES.Spend, this.#places.ofRoute(this.#route))
    for (const field of Usage.fields) this.#to.push(Math.min(this.#usage[field], Number.MAX_SAFE_INTEGER))
    this.#route = undefined
    this.#usage = Usage.zero
  }
}

/** How many operations, from one that reserves, ask for the same but other amounts. */
const alike = (operations: ReadonlyArray<Operation>, from: number, first: Reserve): number => {
  let to = from + 1
  for (; to < operations.length; to++) {
    const next = operations[to]!
    if (next._tag !== "Reserve" || next.ticket !== undefined || next.aheadMillis > 0) break
    if (next.route !== first.route || next.waits !== first.waits) break
  }
  return to - from
}

const writeReserves = (to: Array<number>, places: Places, reserves: ReadonlyArray<Operation>): void => {
  const [first] = reserves
  if (first?._tag !== "Reserve") return
  to.push(CODES.Reserve, places.ofRoute(first.route), reserves.length, first.waits ? 1 : 0)
  for (const reserve of reserves) if (reserve._tag === "Reserve") writeAmounts(to, "amount", reserve.amounts)
}

const write = (to: Array<number>, places: Places, operation: Operation): void => {
  switch (operation._tag) {
    case "Reserve":
      if (operation.aheadMillis > 0) {
        to.push(CODES.ReserveAhead, places.ofRoute(operation.route), whole("aheadMillis", operation.aheadMillis))
        return writeAmounts(to, "amount", operation.amounts)
      }
      to.push(CODES.ReserveInTurn, places.ofRoute(operation.route), operation.ticket ?? 0, operation.waits ? 1 : 0)
      return writeAmounts(to, "amount", operation.amounts)
    case "Settle":
      to.push(CODES.Settle, places.ofRoute(operation.route))
      to.push(whole("takenAt", operation.takenAt), whole("count", operation.count))
      to.push(whole("aheadMillis", operation.aheadMillis))
      writeAmounts(to, "estimate", operation.estimates)
      writeAmounts(to, "actual", operation.actuals)
      return writeAmounts(to, "refund", operation.refunds)
    case "Charge":
      to.push(CODES.Charge, places.ofRoute(operation.route))
      return writeAmounts(to, "amount", operation.amounts)
    case "Assert":
      to.push(CODES.Assert, places.ofRoute(operation.route), whole("count", operation.count))
      return writeAmounts(to, "amount", operation.amounts)
    case "Withdraw":
      to.push(CODES.Withdraw, places.ofRoute(operation.route), operation.ticket)
      return
    case "Pause": {
      const millis = whole("millis", Math.max(0, Math.ceil(operation.millis)))
      to.push(CODES.Pause, places.ofBudget(operation.budget), millis, operation.isGradual ? 1 : 0)
      return
    }
    case "Tighten":
      to.push(CODES.Tighten, places.ofBudget(operation.budget), whole("remaining", operation.remaining))
      to.push(operation.indices.length, ...operation.indices.map((index) => index + 1))
      return
    case "Look":
      to.push(CODES.Look, places.ofBudget(operation.budget))
  }
}

const writeAmounts = (to: Array<number>, name: string, amounts: ReadonlyArray<number>): void => {
  for (const amount of amounts) to.push(whole(name, amount))
}

const whole = (name: string, amount: number): number => {
  if (Usage.isAmount(amount)) return amount
  throw new RangeError(`RedisBudgetStore: ${name} must be a non-negative safe integer, got ${amount}`)
}

/** As `operations.ts` and `errands.ts` number them. */
const CODES = {
  Reserve: 1,
  ReserveInTurn: 2,
  Settle: 3,
  Spend: 4,
  Charge: 5,
  Assert: 6,
  Withdraw: 7,
  Pause: 8,
  Tighten: 9,
  Look: 10,
  ReserveAhead: 11
}
