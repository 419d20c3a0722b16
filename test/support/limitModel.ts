/**
 * What the limits mean, written down as naively as possible: everything that ever happened is kept, and each question
 * is answered from scratch. Nothing here is shared with, or taken from, the implementation.
 */
import type * as Limit from "../../src/Limit.ts"
import { AFTER_SETTLEMENT, NEVER } from "../../src/internal/limit/state.ts"
import type { Calendar } from "./calendar.ts"

/** The naive counterpart of a limit's state. A reservation is named by a number that no other one has. */
export interface LimitModel {
  used(now: number): number
  reserved(): number
  readyAt(amount: number, now: number): number
  take(id: number, amount: number, now: number): void
  settle(id: number, actual: number, now: number): void
  charge(amount: number, now: number): void
  update(limit: Limit.Limit, now: number): void
}

interface Reservation {
  readonly id: number
  readonly estimate: number
  readonly takenAt: number
  settled: { readonly actual: number; readonly at: number } | undefined
}

interface Charge {
  readonly amount: number
  readonly at: number
}

const sum = (amounts: ReadonlyArray<number>): number => amounts.reduce((total, amount) => total + amount, 0)

/** All reservations and charges there ever were. */
class Records {
  readonly reservations: Array<Reservation> = []
  readonly charges: Array<Charge> = []

  take(id: number, amount: number, now: number): void {
    this.reservations.push({ id, estimate: amount, takenAt: now, settled: undefined })
  }

  settle(id: number, actual: number, now: number): void {
    this.reservations.find((reservation) => reservation.id === id)!.settled = { actual, at: now }
  }

  charge(amount: number, now: number): void {
    this.charges.push({ amount, at: now })
  }

  open(): ReadonlyArray<Reservation> {
    return this.reservations.filter(({ settled }) => settled === undefined)
  }

  reserved(): number {
    return sum(this.open().map(({ estimate }) => estimate))
  }

  /** What counts and from when, by the rule of `chargeAt`; an open reservation that is only held is not here. */
  counted(chargeAt: Limit.ChargeAt): ReadonlyArray<Charge> {
    return [...this.charges, ...this.reservations.flatMap((reservation) => counted(reservation, chargeAt))]
  }
}

const counted = ({ estimate, settled, takenAt }: Reservation, chargeAt: Limit.ChargeAt): ReadonlyArray<Charge> => {
  if (chargeAt === "settle") return settled === undefined ? [] : [{ amount: settled.actual, at: settled.at }]
  if (settled === undefined) return [{ amount: estimate, at: takenAt }]
  if (settled.actual <= estimate) return [{ amount: settled.actual, at: takenAt }]
  return [
    { amount: estimate, at: takenAt },
    { amount: settled.actual - estimate, at: settled.at }
  ]
}

abstract class RecordingModel {
  protected readonly records = new Records()

  reserved(): number {
    return this.records.reserved()
  }

  take(id: number, amount: number, now: number): void {
    this.records.take(id, amount, now)
  }

  settle(id: number, actual: number, now: number): void {
    this.records.settle(id, actual, now)
  }

  charge(amount: number, now: number): void {
    this.records.charge(amount, now)
  }
}

export class CapModel extends RecordingModel implements LimitModel {
  #max: number

  constructor(limit: Limit.Cap) {
    super()
    this.#max = limit.max
  }

  used(): number {
    return this.#committed() + this.reserved()
  }

  readyAt(amount: number, now: number): number {
    if (this.used() + amount <= this.#max) return now
    return this.#committed() + amount <= this.#max ? AFTER_SETTLEMENT : NEVER
  }

  update(limit: Limit.Cap): void {
    this.#max = limit.max
  }

  #committed(): number {
    return sum([
      ...this.records.charges.map(({ amount }) => amount),
      ...this.records.reservations.map(({ settled }) => settled?.actual ?? 0)
    ])
  }
}

export class ConcurrencyModel extends RecordingModel implements LimitModel {
  #max: number

  constructor(limit: Limit.Concurrency) {
    super()
    this.#max = limit.max
  }

  used(): number {
    return this.reserved()
  }

  readyAt(amount: number, now: number): number {
    if (this.reserved() + amount <= this.#max) return now
    return amount <= this.#max ? AFTER_SETTLEMENT : NEVER
  }

  update(limit: Limit.Concurrency): void {
    this.#max = limit.max
  }
}

/** Nothing is ever held, and nothing else matters than the amount that is asked for. */
export class PerCallModel implements LimitModel {
  #max: number

  constructor(limit: Limit.PerCall) {
    this.#max = limit.max
  }

  used(): number {
    return 0
  }

  reserved(): number {
    return 0
  }

  readyAt(amount: number, now: number): number {
    return amount <= this.#max ? now : NEVER
  }

  take(): void {}

  settle(): void {}

  charge(): void {}

  update(limit: Limit.PerCall): void {
    this.#max = limit.max
  }
}

export class SlidingWindowModel extends RecordingModel implements LimitModel {
  readonly #limit: Limit.SlidingWindow
  #max: number

  constructor(limit: Limit.SlidingWindow) {
    super()
    this.#limit = limit
    this.#max = limit.max
  }

  used(now: number): number {
    const { chargeAt, windowMillis } = this.#limit
    const inWindow = this.records.counted(chargeAt).filter(({ at }) => at > now - windowMillis)
    return sum(inWindow.map(({ amount }) => amount)) + (chargeAt === "settle" ? this.reserved() : 0)
  }

  /** Tries now and each instant at which something leaves the window. */
  readyAt(amount: number, now: number): number {
    if (amount > this.#max) return NEVER
    const leaving = this.records.counted(this.#limit.chargeAt).map(({ at }) => at + this.#limit.windowMillis)
    const instants = [now, ...leaving.filter((instant) => instant > now).sort((a, b) => a - b)]
    return instants.find((instant) => this.used(instant) + amount <= this.#max) ?? AFTER_SETTLEMENT
  }

  update(limit: Limit.SlidingWindow): void {
    this.#max = limit.max
  }
}

/**
 * Windows are numbered by the calendar. The clock may be set back, `offset()` being by how much in all; then the
 * window that was reached lasts until the calendar gets to its end again.
 */
export class FixedWindowModel implements LimitModel {
  readonly #limit: Limit.FixedWindow
  readonly #calendar: Calendar
  readonly #offset: () => number
  readonly #reservations: Array<Reservation & { readonly window: number }> = []
  readonly #charges: Array<{ readonly amount: number; readonly window: number }> = []
  /** Every window that was ever seen. */
  readonly #seen: Array<number> = []
  #max: number

  constructor(limit: Limit.FixedWindow, calendar: Calendar, offset: () => number) {
    this.#limit = limit
    this.#calendar = calendar
    this.#offset = offset
    this.#max = limit.max
  }

  window(now: number): number {
    this.#seen.push(this.#calendar.windowOf(now - this.#offset()))
    return Math.max(...this.#seen)
  }

  used(now: number): number {
    const window = this.window(now)
    const charges = this.#charges.filter((charge) => charge.window === window)
    const held = this.#limit.chargeAt === "settle" ? this.reserved() : 0
    const taken = this.#reservations.filter((reservation) => reservation.window === window)
    return (
      held +
      sum(charges.map(({ amount }) => amount)) +
      (this.#limit.chargeAt === "settle"
        ? 0
        : sum(taken.map(({ estimate, settled }) => Math.min(estimate, settled?.actual ?? estimate))))
    )
  }

  reserved(): number {
    return sum(this.#reservations.filter(({ settled }) => settled === undefined).map(({ estimate }) => estimate))
  }

  readyAt(amount: number, now: number): number {
    if (amount > this.#max) return NEVER
    if (this.used(now) + amount <= this.#max) return now
    if (this.#limit.chargeAt === "settle" && this.reserved() + amount > this.#max) return AFTER_SETTLEMENT
    return this.#calendar.endOf(this.window(now)) + this.#offset()
  }

  take(id: number, amount: number, now: number): void {
    const window = this.window(now)
    this.#reservations.push({ id, estimate: amount, takenAt: now, settled: undefined, window })
  }

  settle(id: number, actual: number, now: number): void {
    const reservation = this.#reservations.find((taken) => taken.id === id)!
    reservation.settled = { actual, at: now }
    if (this.#limit.chargeAt === "settle") this.charge(actual, now)
    else if (actual > reservation.estimate) this.charge(actual - reservation.estimate, now)
  }

  charge(amount: number, now: number): void {
    this.#charges.push({ amount, window: this.window(now) })
  }

  update(limit: Limit.FixedWindow): void {
    this.#max = limit.max
  }
}

interface BucketEvent {
  readonly kind: "charge" | "credit" | "grow"
  amount: number
  readonly at: number
  /** Of a credit: the index of the event that it corrects. */
  readonly corrects?: number
  /** Of a growth: what flows in per period from here on. */
  readonly refill?: number
}

/**
 * The true bucket: the whole history is replayed with every amount as it was corrected later. Levels are exact, in
 * units of one `refillMillis`-th.
 */
export class TokenBucketModel implements LimitModel {
  protected readonly limit: Limit.TokenBucket
  protected readonly events: Array<BucketEvent> = []
  protected readonly taken: Array<Reservation & { readonly event: number }> = []
  protected max: number
  protected refill: number

  constructor(limit: Limit.TokenBucket) {
    this.limit = limit
    this.max = limit.max
    this.refill = limit.refill
  }

  used(now: number): number {
    return this.max - this.level(now)
  }

  /** Whole units in the bucket. */
  level(now: number): number {
    return Number(floorDivide(this.exactLevel(now), BigInt(this.limit.refillMillis)))
  }

  reserved(): number {
    return sum(this.taken.filter(({ settled }) => settled === undefined).map(({ estimate }) => estimate))
  }

  /** How many reservations were settled below their estimate. */
  refunds(): number {
    return this.taken.filter(({ estimate, settled }) => settled !== undefined && settled.actual < estimate).length
  }

  readyAt(amount: number, now: number): number {
    if (amount > this.max) return NEVER
    const missing = BigInt(amount) * BigInt(this.limit.refillMillis) - this.exactLevel(now)
    return missing <= 0n ? now : now + Number(-floorDivide(-missing, BigInt(this.refill)))
  }

  take(id: number, amount: number, now: number): void {
    this.taken.push({ id, estimate: amount, takenAt: now, settled: undefined, event: this.events.length })
    this.charge(amount, now)
  }

  settle(id: number, actual: number, now: number): void {
    const reservation = this.taken.find((taken) => taken.id === id)!
    reservation.settled = { actual, at: now }
    if (actual > reservation.estimate) this.charge(actual - reservation.estimate, now)
    else if (actual < reservation.estimate) this.refund(reservation, reservation.estimate - actual, now)
  }

  charge(amount: number, now: number): void {
    this.events.push({ kind: "charge", amount, at: now })
  }

  update(limit: Limit.TokenBucket, now: number): void {
    this.events.push({ kind: "grow", amount: limit.max - this.max, at: now, refill: limit.refill })
    this.max = limit.max
    this.refill = limit.refill
  }

  protected refund(reservation: { readonly event: number }, amount: number, _now: number): void {
    this.events[reservation.event]!.amount -= amount
  }

  protected exactLevel(now: number): bigint {
    return this.levels(now).at(-1)!
  }

  /** The level before each event and, last, now. */
  protected levels(now: number): Array<bigint> {
    const unit = BigInt(this.limit.refillMillis)
    let max = BigInt(this.limit.max) * unit
    let refill = BigInt(this.limit.refill)
    let level = max
    let at = this.events[0]?.at ?? now
    const levels: Array<bigint> = []
    const flow = (until: number) => {
      level += BigInt(until - at) * refill
      if (level > max) level = max
      at = until
      levels.push(level)
    }
    for (const event of this.events) {
      flow(event.at)
      const amount = BigInt(event.amount) * unit
      level += event.kind === "charge" ? -amount : amount
      if (event.kind === "grow") {
        max += amount
        refill = BigInt(event.refill!)
      }
    }
    flow(now)
    return levels
  }
}

/**
 * The bucket as it is promised: a refund gives back `min(d, capacity - peak)`, in whole units, where the peak is the
 * highest level since the take. A level counts as if the refunds that reach back before it had been there.
 */
export class CreditedTokenBucketModel extends TokenBucketModel {
  protected override refund(reservation: { readonly event: number }, amount: number, now: number): void {
    const unit = BigInt(this.limit.refillMillis)
    const headrooms = this.#headrooms(now).slice(reservation.event + 1)
    const least = headrooms.reduce((a, b) => (a < b ? a : b))
    const worth = Math.max(0, Math.min(amount, Number(floorDivide(least, unit))))
    this.events.push({ kind: "credit", amount: worth, at: now, corrects: reservation.event })
  }

  /** How far below its maximum the bucket was before each event, and is now, had every later refund been there. */
  #headrooms(now: number): Array<bigint> {
    const unit = BigInt(this.limit.refillMillis)
    let max = BigInt(this.limit.max) * unit
    return this.levels(now).map((level, index) => {
      const headroom = max - level
      const event = this.events[index]
      if (event?.kind === "grow") max += BigInt(event.amount) * unit
      const later = this.events.filter(
        (credit, at) => credit.kind === "credit" && credit.corrects! < index && index <= at
      )
      return headroom - BigInt(sum(later.map(({ amount }) => amount))) * unit
    })
  }
}

const floorDivide = (dividend: bigint, divisor: bigint): bigint => {
  const quotient = dividend / divisor
  return dividend % divisor < 0n ? quotient - 1n : quotient
}
