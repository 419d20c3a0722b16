import type { Taken } from "./outbox.ts"

/** Something that was taken ahead, or what is left of it. */
export interface Lot {
  readonly taken: Taken
  readonly amounts: ReadonlyArray<number>
  /** Until when calls may be granted from it: an instant of this process. */
  readonly goodUntil: number
}

/**
 * What a process has taken ahead on a route, so that calls need not ask one by one.
 *
 * A lot is twice as large as what was asked for lately in the time for which it is good, and at most a part of each
 * limit, so that others have room, too.
 */
export class Stock {
  /** Whether a lot has been asked for. */
  isAsking = false
  readonly #maxima: ReadonlyArray<number>
  readonly #aheadMillis: number
  #lot: Lot | undefined
  #left: Array<number> = []
  /** What was asked for, and since when. */
  #wanted: Array<number>
  #since: number
  #restUntil = Number.NEGATIVE_INFINITY

  constructor(maxima: ReadonlyArray<number>, aheadMillis: number, now: number) {
    this.#maxima = maxima
    this.#aheadMillis = aheadMillis
    this.#wanted = maxima.map(() => 0)
    this.#since = now
  }

  get goodUntil(): number {
    return this.#lot?.goodUntil ?? Number.POSITIVE_INFINITY
  }

  /** Grants amounts, if they are there. */
  grant(amounts: ReadonlyArray<number>, now: number): Taken | undefined {
    const left = this.#left
    const isGood = this.#lot !== undefined && now < this.#lot.goodUntil
    let fits = isGood
    for (let index = 0; index < amounts.length; index++) {
      this.#wanted[index]! += amounts[index]!
      if (fits && amounts[index]! > left[index]!) fits = false
    }
    if (!fits) return undefined
    for (let index = 0; index < amounts.length; index++) left[index]! -= amounts[index]!
    return this.#lot!.taken
  }

  /** How much to ask for, after amounts that were asked for last. Nothing while there is enough, or there was no room. */
  nextLot(amounts: ReadonlyArray<number>, now: number): ReadonlyArray<number> | undefined {
    if (this.isAsking || now < this.#restUntil || this.#hasEnough(now)) return undefined
    // Lots double as long as they do not last.
    const share = Math.min(1, this.#aheadMillis / Math.max(1, now - this.#since))
    const wanted = this.#wanted.map((sum, index) => Math.max(Math.ceil(2 * sum * share), CALLS_MIN * amounts[index]!))
    const part = wanted.reduce(
      (least, want, index) => (want > 0 ? Math.min(least, this.#maxima[index]! / PART / want) : least),
      1
    )
    const lot = wanted.map((want) => Math.floor(want * part))
    if (lot.some((amount, index) => amount < amounts[index]!)) return undefined
    this.isAsking = true
    return lot
  }

  /** A lot has come. Says what is left of the one before. */
  receive(lot: Lot, now: number): Lot | undefined {
    const former = this.#rest()
    this.isAsking = false
    this.#lot = lot
    this.#left = [...lot.amounts]
    this.#wanted = this.#maxima.map(() => 0)
    this.#since = now
    return former
  }

  /** There was no room for a lot. */
  refused(now: number): void {
    this.isAsking = false
    this.#restUntil = now + this.#aheadMillis
  }

  /** Ends a lot that is not good any more. Says what is left of it. */
  expire(now: number): Lot | undefined {
    if (this.#lot === undefined || now < this.#lot.goodUntil) return undefined
    return this.clear()
  }

  /** Ends the lot. Says what is left of it. */
  clear(): Lot | undefined {
    const rest = this.#rest()
    this.#lot = undefined
    return rest
  }

  #rest(): Lot | undefined {
    if (this.#lot === undefined || this.#left.every((amount) => amount === 0)) return undefined
    return { ...this.#lot, amounts: this.#left }
  }

  #hasEnough(now: number): boolean {
    if (this.#lot === undefined || now >= this.#lot.goodUntil) return false
    const { amounts } = this.#lot
    for (let index = 0; index < amounts.length; index++) {
      if (this.#left[index]! * PREFETCH_PART < amounts[index]!) return false
    }
    return true
  }
}

/** A lot is for at least so many calls. */
const CALLS_MIN = 4

/** A lot is at most the so-many-th part of a limit. */
const PART = 8

/** The next lot is asked for when less than this part is left of one. */
const PREFETCH_PART = 4
