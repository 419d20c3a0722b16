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

/**
 * What one process knows of a limit whose counters a store has: as long as nothing was refused, everything may ask.
 *
 * After a refusal only what is known to fit asks, until there may be more room: then at first one, and with each that
 * is let in twice as many at a time. So a thousand that wait in this process do not all ask at once.
 */
export class SharedState implements LimitState {
  limit: Limit.Limit
  #used = 0
  #reserved = 0
  /** While something was refused: how much may still ask, and until when. */
  #room = Number.POSITIVE_INFINITY
  #until = Number.NEGATIVE_INFINITY
  /** When the store wants to be asked again. */
  asksAt = Number.POSITIVE_INFINITY
  /** How many may have asked without an answer. */
  #asking = Number.POSITIVE_INFINITY
  #unanswered = 0
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
    return this.#isCutOff ? (this.#share?.reserved ?? 0) : this.#reserved
  }

  /** Whether something was refused, and nothing says yet that there is more room. */
  get isBlocked(): boolean {
    return this.#room < Number.POSITIVE_INFINITY
  }

  readyAt(amount: number, now: number, beside = 0): number {
    if (this.#isCutOff) return this.#share?.readyAt(amount, now, beside) ?? now
    if (amount > this.limit.max - this.#gone) return NEVER
    if (this.#until <= now) this.unblock()
    if (amount + beside > this.#room) return this.#until
    return this.#unanswered < this.#asking ? now : AFTER_SETTLEMENT
  }

  /** Asks the store for an amount or, while that cannot be reached, takes it from the share. */
  take(amount: number, now: number): void {
    if (this.#isCutOff) return this.#share?.take(amount, now)
    this.#unanswered++
    this.#reserved += amount
    this.#room -= amount
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
    this.#room += amount
  }

  /** A request for an amount was not let in because of this limit. */
  block(amount: number, obstruction: Obstruction): void {
    this.hear(obstruction)
    // Where there is room, somebody else is to have it.
    const room = this.limit.max - obstruction.used
    this.#room = room < amount ? Math.max(0, room) : 0
    this.#until = obstruction.at
    this.asksAt = obstruction.asksAt
  }

  /** Learns how full the limit is. */
  hear({ reserved, used }: Heard): void {
    this.#used = used
    this.#reserved = reserved
    if (this.limit._tag === "Cap") this.#gone = Math.max(this.#gone, used - reserved)
  }

  /** There may be more room. */
  unblock(): void {
    if (!this.isBlocked) return
    this.#room = Number.POSITIVE_INFINITY
    this.#until = Number.NEGATIVE_INFINITY
    this.asksAt = Number.POSITIVE_INFINITY
    this.#asking = 1
  }

  /** Nothing is known any more: the store has lost what it said. */
  forget(): void {
    this.unblock()
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
    return this.#isCutOff ? (this.#share?.used(now) ?? 0) : this.#used
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
    copy.#room = this.#room
    copy.#until = this.#until
    copy.#asking = this.#asking
    copy.#unanswered = this.#unanswered
    copy.#gone = this.#gone
    copy.#isCutOff = this.#isCutOff
    return copy
  }
}

// From there on it makes no difference how many ask at once.
const ASKING_MAX = 256
