/**
 * Whether what a store has answered to all processes of a group keeps to the limits: everything is counted again, as
 * naively as possible, in the order in which the server has run it. Nothing here is shared with, or taken from, the
 * library.
 */
import type * as Limit from "effect-budget/Limit"
import type { BatchRecord, OperationRecord } from "./record.ts"

/** Settlements that are summed up, as a store gets them. */
interface Settlement {
  readonly estimate: number
  readonly actual: number
  readonly refund: number
  readonly takenAt: number
}

interface Counter {
  /** What counts against the maximum: where that is known only roughly, the least that it can be. */
  used(now: number): number
  take(amount: number, now: number): void
  settle(settlement: Settlement, now: number): void
}

class Cap implements Counter {
  #reserved = 0
  #committed = 0
  used(): number {
    return this.#committed + this.#reserved
  }
  take(amount: number): void {
    this.#reserved += amount
  }
  settle({ actual, estimate }: Settlement): void {
    this.#reserved -= estimate
    this.#committed += actual
  }
}

class Concurrency implements Counter {
  #open = 0
  used(): number {
    return this.#open
  }
  take(amount: number): void {
    this.#open += amount
  }
  settle({ estimate }: Settlement): void {
    this.#open -= estimate
  }
}

/** What counts in windows: an amount per instant, as long as a window that is over can be told from one that is not. */
abstract class Window implements Counter {
  readonly #chargesAtSettlement: boolean
  #log: Array<{ readonly at: number; amount: number }> = []
  #held = 0

  constructor(chargeAt: Limit.ChargeAt) {
    this.#chargesAtSettlement = chargeAt === "settle"
  }

  /** Whether what was taken at an instant counts at another. */
  abstract counts(at: number, now: number): boolean

  used(now: number): number {
    this.#log = this.#log.filter(({ at }) => this.counts(at, now))
    return this.#log.reduce((sum, { amount }) => sum + amount, this.#held)
  }

  take(amount: number, now: number): void {
    if (this.#chargesAtSettlement) this.#held += amount
    else this.#add(amount, now)
  }

  settle({ actual, estimate, refund, takenAt }: Settlement, now: number): void {
    if (this.#chargesAtSettlement) {
      this.#held -= estimate
      return this.#add(actual, now)
    }
    const taken = this.#log.find(({ at }) => at === takenAt)
    if (taken !== undefined) taken.amount -= refund
    this.#add(actual - (estimate - refund), now)
  }

  #add(amount: number, now: number): void {
    const last = this.#log.at(-1)
    if (last?.at === now) last.amount += amount
    else this.#log.push({ at: now, amount })
  }
}

class SlidingWindow extends Window {
  readonly #millis: number
  constructor({ chargeAt, windowMillis }: Limit.SlidingWindow) {
    super(chargeAt)
    this.#millis = windowMillis
  }
  counts(at: number, now: number): boolean {
    return at > now - this.#millis
  }
}

/** One that resets whenever a second begins. */
class EverySecond extends Window {
  counts(at: number, now: number): boolean {
    return Math.floor(at / 1_000) === Math.floor(now / 1_000)
  }
}

/** At its fullest: what is given back is worth all that it can be. In parts of which `refillMillis` make a unit. */
class TokenBucket implements Counter {
  readonly #limit: Limit.TokenBucket
  #parts: number
  #at = Number.NEGATIVE_INFINITY

  constructor(limit: Limit.TokenBucket) {
    this.#limit = limit
    this.#parts = limit.max * limit.refillMillis
  }
  used(now: number): number {
    return this.#limit.max - Math.floor(this.#fill(now) / this.#limit.refillMillis)
  }
  take(amount: number, now: number): void {
    this.#parts = this.#fill(now) - amount * this.#limit.refillMillis
  }
  settle({ actual, estimate, refund }: Settlement, now: number): void {
    const { max, refillMillis } = this.#limit
    const unspent = refund - (actual - (estimate - refund))
    this.#parts = Math.min(max * refillMillis, this.#fill(now) + unspent * refillMillis)
  }
  #fill(now: number): number {
    const { max, refill, refillMillis } = this.#limit
    if (now > this.#at) this.#parts = Math.min(max * refillMillis, this.#parts + (now - this.#at) * refill)
    this.#at = now
    return this.#parts
  }
}

const counterOf = (limit: Limit.Limit): Counter => {
  switch (limit._tag) {
    case "Cap":
      return new Cap()
    case "Concurrency":
      return new Concurrency()
    case "SlidingWindow":
      return new SlidingWindow(limit)
    case "FixedWindow":
      return new EverySecond(limit.chargeAt)
    case "TokenBucket":
      return new TokenBucket(limit)
    case "PerCall":
      throw new Error("a store knows no limits per call")
  }
}

/** What the judge has seen. */
export interface Verdict {
  /** What is wrong, the first few of it. */
  readonly faults: ReadonlyArray<string>
  readonly admitted: ReadonlyMap<string, number>
  readonly refused: number
  /** Refusals although there was room, because others have waited longer. */
  readonly passedOver: number
  readonly tokens: number
  readonly requests: number
  readonly open: number
  /** How often each limit was as full as it may be, or too full for somebody. */
  readonly tight: ReadonlyMap<string, number>
}

interface Open {
  count: number
  readonly amounts: Array<number>
}

/** Judges batches of one group, given the limits of its budgets by their keys. */
export const judge = (
  records: ReadonlyArray<BatchRecord>,
  limitsOf: Readonly<Record<string, ReadonlyArray<Limit.Limit>>>
): Verdict => {
  const faults: Array<string> = []
  const fault = (message: string): void => {
    if (faults.length < FAULTS_MAX) faults.push(message)
  }
  const counters = new Map<Limit.Limit, Counter>()
  for (const limits of Object.values(limitsOf)) for (const limit of limits) counters.set(limit, counterOf(limit))
  const open = new Map<string, Open>()
  const seen = new Set<string>()
  const admitted = new Map<string, number>()
  const tight = new Map<string, number>()
  let [tokens, requests, refused, passedOver, latest] = [0, 0, 0, 0, 0]

  const along = (route: ReadonlyArray<string>) =>
    route.flatMap((key) => limitsOf[key]!.map((limit) => ({ limit, counter: counters.get(limit)! })))

  const judgeOperation = ({ member, now, place }: BatchRecord, operation: OperationRecord): void => {
    const where = `run ${place} at ${now}`
    if (operation.tag === "Other") {
      if (!HARMLESS.has(operation.what)) fault(`${where}: nobody should ${operation.what}`)
      return
    }
    const stops = along(operation.route)
    const holder = (takenAt: number): string => `${member} ${operation.route.join(" ")} ${takenAt}`
    if (operation.tag === "Refused") {
      refused++
      const { limit, counter } = stops[operation.index]!
      const used = counter.used(now)
      if (limit._tag !== "TokenBucket" && used !== operation.used) {
        fault(`${where}: ${operation.used} of ${limit.name} are said to be used, ${used} are`)
      }
      if (used + operation.amounts[operation.index]! <= limit.max) passedOver++
      tight.set(limit.name, (tight.get(limit.name) ?? 0) + 1)
      return
    }
    if (operation.tag === "Admitted") {
      for (const [index, { counter, limit }] of stops.entries()) {
        const amount = operation.amounts[index]!
        const used = counter.used(now)
        if (used + amount > limit.max) fault(`${where}: ${amount} admitted beside ${used} of ${limit.name}`)
        counter.take(amount, now)
      }
      admitted.set(member, (admitted.get(member) ?? 0) + 1)
      const held = open.get(holder(now)) ?? { count: 0, amounts: stops.map(() => 0) }
      open.set(holder(now), held)
      held.count++
      for (const [index, amount] of operation.amounts.entries()) held.amounts[index]! += amount
      return
    }
    const { actuals, count, estimates, refunds, takenAt } = operation
    const held = open.get(holder(takenAt))
    if (held === undefined || held.count < count || held.amounts.some((amount, index) => amount < estimates[index]!)) {
      return fault(`${where}: ${count} settled of ${held?.count ?? 0} that were taken at ${takenAt}`)
    }
    held.count -= count
    for (const [index, estimate] of estimates.entries()) held.amounts[index]! -= estimate
    if (held.count === 0) {
      if (held.amounts.some((amount) => amount !== 0))
        fault(`${where}: not all that was taken at ${takenAt} is settled`)
      open.delete(holder(takenAt))
    }
    for (const [index, { counter }] of stops.entries()) {
      const settlement = { estimate: estimates[index]!, actual: actuals[index]!, refund: refunds[index]!, takenAt }
      counter.settle(settlement, now)
    }
    tokens += operation.tokens
    requests += operation.requests
  }

  for (const record of records.toSorted((a, b) => a.place - b.place)) {
    const { member, now, place, sequence, tag } = record
    if (!(place > 0)) fault(`${member} ${sequence}: it is not known when it was run`)
    if (tag !== "Applied") fault(`run ${place} at ${now}: ${tag}`)
    if (now < latest) fault(`run ${place} at ${now}: time has run backwards from ${latest}`)
    if (seen.has(`${member} ${sequence}`)) fault(`run ${place} at ${now}: ${member} ${sequence} is applied twice`)
    seen.add(`${member} ${sequence}`)
    latest = now
    for (const operation of record.operations) judgeOperation(record, operation)
  }
  const stillOpen = [...open.values()].reduce((sum, { count }) => sum + count, 0)
  return { faults, admitted, refused, passedOver, tokens, requests, open: stillOpen, tight }
}

const FAULTS_MAX = 10

/** What changes no counter. */
const HARMLESS: ReadonlySet<string> = new Set(["Withdraw", "Look"])
