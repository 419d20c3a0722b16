import { AFTER_SETTLEMENT, type LimitState, NEVER } from "../limit/state.ts"

/** The request of a member that has waited longest at a limit. */
export interface Head {
  readonly member: string
  readonly ticket: number
  readonly amount: number
  /** When its member asks again at the latest. */
  asksAt: number
  /** How often it was passed by others who may have delayed it. */
  passed: number
  /** When its member was told last that there may be room. */
  wokenAt: number
}

/** What somebody asks of a limit. */
export type Request = Pick<Head, "amount"> & { readonly ticket: number | undefined }

/**
 * Who waits at one limit: of each member the request that has waited longest. It keeps a turn among processes: a request
 * may be passed a few times by younger ones, and after that only by those who provably do not delay it.
 */
export class WaitingHeads {
  #heads: Array<Head> = []

  /** Notes that a request waits here. */
  add(head: Head): void {
    const known = this.#heads.find(({ member }) => member === head.member)
    if (known === undefined) {
      if (this.#heads.length < HEADS_MAX) this.#heads.push(head)
    } else if (known.ticket === head.ticket) {
      known.asksAt = head.asksAt
      // It has come in vain. The next time it need not wait to be told.
      known.wokenAt = head.wokenAt
    } else if (head.ticket < known.ticket) this.#heads[this.#heads.indexOf(known)] = head
    this.#heads.sort((a, b) => a.ticket - b.ticket)
  }

  /** Forgets a request, or whichever of a member waits here. Says whether one did. */
  remove(member: string, ticket?: number): boolean {
    const count = this.#heads.length
    this.#heads = this.#heads.filter((head) => head.member !== member || (ticket ?? head.ticket) !== head.ticket)
    return this.#heads.length < count
  }

  /** When a request that there is room for may go before those who have waited longer. */
  passableAt(state: LimitState, request: Request, now: number): number {
    const head = this.#ahead(request, now)
    if (head === undefined || head.passed < PASSED_MAX || !delays(state, head, request.amount, now)) return now
    const readyAt = state.readyAt(head.amount, now)
    return readyAt > now ? readyAt : AFTER_SETTLEMENT
  }

  /** Notes that a request goes before those who have waited longer. */
  notePassing(state: LimitState, request: Request, now: number): void {
    const head = this.#ahead(request, now)
    if (head !== undefined && delays(state, head, request.amount, now)) head.passed++
  }

  /** Who has waited longest. Who does not come any more is forgotten. */
  first(now: number): Head | undefined {
    if (this.#heads.length > 0) this.#heads = this.#heads.filter(({ asksAt }) => asksAt + LATE_MAX_MILLIS >= now)
    return this.#heads[0]
  }

  /** Who has waited longest, if longer than a request: of the same member, too, as it may ask for several at once. */
  #ahead({ ticket = Number.POSITIVE_INFINITY }: Request, now: number): Head | undefined {
    const head = this.first(now)
    return head !== undefined && head.ticket < ticket ? head : undefined
  }
}

/** Whether a request may move the start of a head that it goes before. */
const delays = (state: LimitState, head: Head, amount: number, now: number): boolean => {
  const readyAt = state.readyAt(head.amount, now)
  if (readyAt === NEVER) return false
  const isKnown = readyAt > now && readyAt < AFTER_SETTLEMENT
  return !isKnown || state.readyAt(head.amount, now, amount) > readyAt
}

/** How often a request is passed by younger ones of other processes before it is protected. */
export const PASSED_MAX = 8

/** A member that is so late has died, or is too slow to be waited for. */
export const LATE_MAX_MILLIS = 1_000

/** More members than this at one limit wait without a turn. */
export const HEADS_MAX = 64
