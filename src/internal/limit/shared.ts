import type * as Limit from "../../Limit.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "./state.ts"

/** What a store says of a limit. */
export interface Heard {
  /** What counts against the maximum, open reservations included. */
  readonly used: number
  /** The estimates of open reservations, of all processes. */
  readonly reserved: number
}

/** What a store says of a limit that does not let a request in. */
export interface Obstruction extends Heard {
  /** When there will be room: an instant of this process, `AFTER_SETTLEMENT` or `NEVER`. */
  readonly at: number
  /** When the store wants to be asked again, also when nobody says that there is room. */
  readonly asksAt: number
}

/** An amount that was not let in, and why. */
interface Refusal extends Obstruction {
  readonly amount: number
}

/**
 * What one process knows of a limit whose counters a store has: as long as nothing was refused, everything may ask.
 *
 * What was refused is not asked again before its time, and neither is anything larger. When there may be more room, at
 * first one asks, and with each that is let in twice as many at a time: so a thousand that wait in this process do not
 * all ask at once.
 */
export class SharedState implements LimitState {
  limit: Limit.Limit
  #used = 0
  #reserved = 0
  /** In ascending order of amounts. */
  #refusals: Array<Refusal> = []
  /** How many may have asked without an answer. */
  #asking = Number.POSITIVE_INFINITY
  #unanswered = 0
  /** The turn of the request that the store knows to wait here: of each process the one that has waited longest. */
  #turn: number | undefined
  /** What of a cap is used up for good, as far as it is known. */
  #gone = 0
  /** Counts a share of the limit while the store cannot be reached. */
  readonly #share: LimitState | undefined
  #isCutOff = false

  constructor(limit: Limit.Limit, share?: LimitState) {
    this.limit = limit
    this.#share = share
  }

  get reserved(): number {
    return this.#isCutOff && this.#share !== undefined ? this.#share.reserved : this.#reserved
  }

  /** When the store wants to be asked again about what it has refused. */
  get asksAt(): number {
    return this.#refusals.reduce((first, { asksAt }) => Math.min(first, asksAt), Number.POSITIVE_INFINITY)
  }

  /** What is said of an amount is exact if it was itself refused; of a larger one it is known only that it comes no earlier. */
  readyAt(amount: number, now: number, beside = 0): number {
    if (this.#isCutOff) return this.#share?.readyAt(amount, now, beside) ?? now
    if (amount > this.limit.max - this.#gone) return NEVER
    const refusal = this.#refusalOf(amount, now)
    if (refusal !== undefined) return refusal.at
    return this.#unanswered < this.#asking ? now : AFTER_SETTLEMENT
  }

  /** Whether it is known exactly when an amount is let in. */
  knows(amount: number, now: number): boolean {
    return this.#isCutOff || amount > this.limit.max - this.#gone || this.#refusalOf(amount, now)?.amount === amount
  }

  /** Whether nobody will say when there is room: the store knows of no request of this process that waits or asks here. */
  get isForgotten(): boolean {
    return this.#turn === undefined && this.#unanswered === 0 && !this.#isCutOff
  }

  /** A request waits here at the store. */
  waits(turn: number): void {
    if (this.#turn === undefined || turn < this.#turn) this.#turn = turn
  }

  /** A request does not wait here any more. The store does not know of those that have come after it. */
  leaves(turn: number): void {
    if (this.#turn !== undefined && turn <= this.#turn) this.#turn = undefined
  }

  /** Whether there was room for an amount, as far as the store has told since something was refused. */
  hadRoomFor(amount: number): boolean {
    return this.#isCutOff || this.#refusals.length === 0 || this.#used + amount <= this.limit.max
  }

  /** The refusal of the largest amount that is no larger than this one. */
  #refusalOf(amount: number, now: number): Refusal | undefined {
    if (this.#refusals.length === 0) return undefined
    this.retry((refusal) => refusal.at <= now)
    return this.#refusals.findLast((refusal) => refusal.amount <= amount)
  }

  /** Asks the store for an amount or, while that cannot be reached, takes it from the share. */
  take(amount: number, now: number): void {
    if (this.#isCutOff) return this.#share?.take(amount, now)
    this.#unanswered++
    this.#reserved += amount
    this.#used += amount
  }

  /** There is an answer to a request, or nobody waits for it any more. */
  answered(): void {
    this.#unanswered--
  }

  /** The store has let a request in. */
  admitted(): void {
    this.answered()
    this.#asking *= 2
    if (this.#asking > ASKING_MAX) this.#asking = Number.POSITIVE_INFINITY
  }

  /** A request is not let in: it is as if it had not been made. */
  takeBack(amount: number): void {
    this.answered()
    this.#reserved = Math.max(0, this.#reserved - amount)
    this.#used = Math.max(0, this.#used - amount)
  }

  /** A request for an amount was not let in because of this limit. */
  block(amount: number, obstruction: Obstruction): void {
    this.hear(obstruction)
    const others = this.#refusals.filter((refusal) => refusal.amount !== amount)
    this.#refusals = [...others, { ...obstruction, amount }].sort((a, b) => a.amount - b.amount).slice(0, REFUSALS_MAX)
  }

  /** An amount was not let in because of another limit, which lets it in later than this one. */
  comesBy(amount: number, at: number): void {
    const kept = this.#refusals.filter((refusal) => refusal.amount > amount || refusal.at <= at)
    if (kept.length < this.#refusals.length) this.#refusals = kept
  }

  /** Learns how full the limit is. */
  hear({ reserved, used }: Heard): void {
    this.#used = used
    this.#reserved = reserved
    if (this.limit._tag === "Cap") this.#gone = Math.max(this.#gone, used - reserved)
  }

  /** There may be more room for what was refused. */
  retry(which: (refusal: Obstruction) => boolean = () => true): void {
    const kept = this.#refusals.filter((refusal) => !which(refusal))
    if (kept.length === this.#refusals.length) return
    this.#refusals = kept
    this.#asking = 1
  }

  /** Nothing is known any more: the store has lost what it said. */
  forget(): void {
    this.retry()
    this.#gone = 0
  }

  /** From now on the store cannot be reached, or it can again. */
  cutOff(isCutOff: boolean): void {
    this.#isCutOff = isCutOff
    this.forget()
  }

  settle(estimate: number): number {
    this.#reserved = Math.max(0, this.#reserved - estimate)
    return 0
  }

  /** Settles what was taken from the share. */
  settleShare(estimate: number, actual: number, takenAt: number, now: number): void {
    const owed = this.#share?.settle(estimate, actual, takenAt) ?? 0
    if (owed > 0) this.#share?.charge(owed, now)
  }

  charge(): void {}

  used(now: number): number {
    return this.#isCutOff && this.#share !== undefined ? this.#share.used(now) : this.#used
  }

  isUnused(): boolean {
    return true
  }

  update(limit: Limit.Limit): void {
    this.limit = limit
    this.forget()
  }

  clone(): SharedState {
    const copy = new SharedState(this.limit, this.#share?.clone())
    copy.hear({ used: this.#used, reserved: this.#reserved })
    copy.#refusals = this.#refusals
    copy.#asking = this.#asking
    copy.#unanswered = this.#unanswered
    copy.#turn = this.#turn
    copy.#gone = this.#gone
    copy.#isCutOff = this.#isCutOff
    return copy
  }
}

// More than those who wait first have asked for at once.
const REFUSALS_MAX = 32

// From there on it makes no difference how many ask at once.
const ASKING_MAX = 256
