import * as Effect from "effect/Effect"
import type * as Limit from "../../Limit.ts"
import type {
  Answer,
  Batch,
  Charge,
  Refused,
  Reserve,
  Route,
  Settle,
  SharedBudget,
  Sight,
  Store
} from "../../StoreProtocol.ts"
import * as Usage from "../../Usage.ts"
import { isSameRule } from "../ledger.ts"
import { GRADUAL_MILLIS, PauseState } from "../limit/pause.ts"
import { SlidingWindowState } from "../limit/slidingWindow.ts"
import { starting } from "../limit/start.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "../limit/state.ts"
import { Timeline } from "../timeline.ts"
import { type Head, WaitingHeads } from "./waitingHeads.ts"

/** A store in this process, on the clock that is current. It is what every other store is compared with. */
export const makeMemory: Effect.Effect<Store> = Effect.map(Timeline.current, (timeline) => {
  const groups = new Map<string, Group>()
  const groupOf = (name: string): Group => {
    const group = groups.get(name) ?? new Group(timeline)
    groups.set(name, group)
    return group
  }
  return {
    apply: (batch) => Effect.sync(() => groupOf(batch.group).apply(batch)),
    listen: (name, onWake) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => void groupOf(name).listeners.add(onWake)),
          () => Effect.sync(() => void groupOf(name).listeners.delete(onWake))
        )
      )
  }
})

/** What a member holds of a budget. A limit that was replaced by another of its name has a state of its own. */
interface Held {
  count: number
  readonly amounts: Map<LimitState, number>
}

/** A process that uses a group. */
interface Member {
  leaseEnd: number
  isLapsed: boolean
  /** Whether it had answers that this store does not know of. */
  isLost: boolean
  lapse: Batch["lapse"]
  /** The highest sequence of which it has the answer, and the answers above. */
  answered: number
  latest: number
  readonly answers: Map<number, Answer>
  readonly held: Map<Shared, Held>
}

/**
 * The counters of a budget, and who waits at its limits. What a limit has counted stays under its name, whatever limits
 * others name: those of one process may be older than those of another.
 */
class Shared {
  readonly states = new Map<string, LimitState>()
  readonly heads = new Map<string, WaitingHeads>()
  readonly pause = new PauseState()
  spent = Usage.zero
  open = 0
  readonly #start: (limit: Limit.Limit) => LimitState

  constructor(start: (limit: Limit.Limit) => LimitState) {
    this.#start = start
  }

  stateOf(limit: Limit.Limit, now: number): LimitState {
    const known = this.states.get(limit.name)
    if (known !== undefined && isSameRule(known.limit, limit)) {
      if (known.limit !== limit) known.update(limit, now)
      return known
    }
    const state = this.#start(limit)
    this.states.set(limit.name, state)
    return state
  }

  headsAt(name: string): WaitingHeads {
    const heads = this.heads.get(name) ?? new WaitingHeads()
    this.heads.set(name, heads)
    return heads
  }

  /** A member does not wait at any limit any more. Says whether it did. */
  leave(member: string): boolean {
    return [...this.heads.values()].filter((heads) => heads.remove(member)).length > 0
  }
}

/** One limit of a route. */
interface Stop {
  readonly shared: Shared
  readonly state: LimitState
  readonly heads: WaitingHeads
  readonly isShadow: boolean
}

/** Budgets that are changed together. */
class Group {
  readonly listeners = new Set<(member: string) => void>()
  readonly #timeline: Timeline
  readonly #start: (limit: Limit.Limit) => LimitState
  readonly #budgets = new Map<string, Shared>()
  readonly #members = new Map<string, Member>()
  #tickets = 0

  constructor(timeline: Timeline) {
    this.#timeline = timeline
    this.#start = starting(timeline.readWallOffset)
  }

  apply(batch: Batch): Answer {
    const now = this.#timeline.now()
    const touched = new Set<Shared>()
    this.#lapse(now, touched)
    const member = this.#memberOf(batch, now)
    const answer = member === undefined ? this.#unknown(batch, now) : this.#once(member, batch, now, touched)
    this.#wake(touched, now)
    return answer
  }

  #unknown({ member }: Batch, now: number): Answer {
    return { _tag: this.#members.get(member)?.isLapsed === true ? "Lapsed" : "Forgotten", now }
  }

  #once(member: Member, batch: Batch, now: number, touched: Set<Shared>): Answer {
    const known = member.answers.get(batch.sequence)
    if (known !== undefined) return known
    if (member.isLost) return { _tag: "Forgotten", now }
    if (member.isLapsed) return { _tag: "Lapsed", now }
    member.answered = Math.max(member.answered, batch.answered)
    for (const sequence of member.answers.keys()) if (sequence <= member.answered) member.answers.delete(sequence)
    if (member.answered > member.latest) lose(member, now)
    if (batch.sequence <= member.answered || member.isLost) return { _tag: "Forgotten", now }
    member.leaseEnd = now + batch.leaseMillis
    member.lapse = batch.lapse
    member.latest = Math.max(member.latest, batch.sequence)
    const answer = this.#do(member, batch, now, touched)
    member.answers.set(batch.sequence, answer)
    return answer
  }

  #memberOf(batch: Batch, now: number): Member | undefined {
    const known = this.#members.get(batch.member)
    if (known !== undefined || batch.answered > 0) return known
    const member: Member = {
      leaseEnd: now + batch.leaseMillis,
      isLapsed: false,
      isLost: false,
      lapse: batch.lapse,
      answered: 0,
      latest: 0,
      answers: new Map(),
      held: new Map()
    }
    this.#members.set(batch.member, member)
    return member
  }

  #do(member: Member, batch: Batch, now: number, touched: Set<Shared>): Answer {
    const verdicts: Array<Refused | undefined> = []
    const sights: Array<Sight> = []
    const tightened: Array<ReadonlyArray<number>> = []
    for (const operation of batch.operations) {
      for (const budget of "route" in operation ? operation.route.budgets : [operation.budget]) {
        const shared = this.#budget(budget)
        for (const limit of budget.limits) shared.stateOf(limit, now)
        touched.add(shared)
      }
      switch (operation._tag) {
        case "Reserve":
          verdicts.push(this.#reserve(member, batch.member, operation, now))
          break
        case "Settle":
          this.#settle(member, operation, now)
          break
        case "Charge":
          this.#charge(operation, now)
          break
        case "Assert":
          this.#take(member, operation.route, operation.amounts, operation.count, now)
          break
        case "Withdraw":
          for (const { heads } of this.#stops(operation.route, now)) heads.remove(batch.member, operation.ticket)
          break
        case "Pause":
          this.#budget(operation.budget).pause.pause(now + operation.millis, operation.isGradual, now)
          break
        case "Tighten":
          tightened.push(this.#tighten(operation.budget, operation.indices, operation.remaining, now))
          break
        case "Look":
          sights.push(look(this.#budget(operation.budget), operation.budget, now))
      }
    }
    return { _tag: "Applied", now, verdicts, sights, tightened }
  }

  #reserve(member: Member, name: string, reserve: Reserve, now: number): Refused | undefined {
    const { aheadMillis, amounts, route, ticket } = reserve
    const isAhead = aheadMillis > 0
    const stops = this.#stops(route, now)
    let worst: { readonly index: number; readonly at: number } | undefined
    const consider = (index: number, at: number): void => {
      if (at > (worst?.at ?? now)) worst = { index, at }
    }
    for (const [place, { isShadow, key }] of route.budgets.entries()) {
      const pause = this.#budgets.get(key)?.pause
      if (pause === undefined || isShadow) continue
      consider(-1 - place, pause.readyAt(1, now))
      if (isAhead && now < pause.until + GRADUAL_MILLIS) consider(-1 - place, AFTER_SETTLEMENT)
    }
    for (const [index, { heads, isShadow, state }] of stops.entries()) {
      const amount = amounts[index]!
      if (amount === 0 || isShadow) continue
      const at = state.readyAt(amount, now)
      if (at > now) consider(index, at)
      else if (!isAhead) consider(index, heads.passableAt(state, { amount, ticket }, now))
      else if (heads.first(now) !== undefined) consider(index, AFTER_SETTLEMENT)
    }
    if (worst !== undefined) return this.#refuse(name, stops, reserve, worst, now)
    for (const [index, { heads, isShadow, state }] of stops.entries()) {
      const amount = amounts[index]!
      if (amount > 0 && !isShadow) heads.notePassing(state, { amount, ticket }, now)
      if (ticket !== undefined) heads.remove(name, ticket)
    }
    this.#take(member, route, amounts, isAhead ? 0 : 1, now, aheadMillis)
    return undefined
  }

  #refuse(
    member: string,
    stops: ReadonlyArray<Stop>,
    { amounts, ticket, waits }: Reserve,
    { at, index }: { readonly index: number; readonly at: number },
    now: number
  ): Refused {
    const askAgainAt = at < AFTER_SETTLEMENT ? at : Math.min(now + ASK_AGAIN_MILLIS, this.#nextLapse(member, now))
    const place = ticket ?? (waits ? ++this.#tickets : undefined)
    if (place !== undefined) {
      for (const [other, { heads }] of stops.entries()) if (other !== index) heads.remove(member, place)
      const head: Head = {
        member,
        ticket: place,
        amount: amounts[index] ?? 1,
        asksAt: askAgainAt,
        passed: 0,
        wokenAt: Number.NEGATIVE_INFINITY
      }
      if (waits && at !== NEVER) stops[index]?.heads.add(head)
      else stops[index]?.heads.remove(member, place)
    }
    return {
      index,
      readyInMillis: at < AFTER_SETTLEMENT ? at - now : at,
      askAgainInMillis: askAgainAt - now,
      used: stops[index]?.state.used(now) ?? 0,
      reserved: stops[index]?.state.reserved ?? 0,
      ticket: place
    }
  }

  #take(
    member: Member,
    route: Route,
    amounts: ReadonlyArray<number>,
    count: number,
    now: number,
    aheadMillis = 0
  ): void {
    for (const [index, { shared, state }] of this.#stops(route, now).entries()) {
      const amount = amounts[index]!
      if (amount > 0 && state instanceof SlidingWindowState) state.take(amount, now, now + aheadMillis)
      else if (amount > 0) state.take(amount, now)
      hold(member, shared, state, amounts[index]!)
    }
    for (const shared of this.#along(route)) {
      shared.pause.take(1, now)
      shared.open += count
      heldOf(member, shared).count += count
    }
  }

  #settle(
    member: Member,
    { actuals, aheadMillis, count, estimates, refunds, route, takenAt, usage }: Settle,
    now: number
  ): void {
    for (const [index, { shared, state }] of this.#stops(route, now).entries()) {
      const [estimate, actual, refund] = [estimates[index]!, actuals[index]!, refunds[index]!]
      // A limit that does not know the reservation, because it is new, is charged with what was used.
      const known = Math.min(estimate, heldOf(member, shared).amounts.get(state) ?? 0)
      hold(member, shared, state, -known)
      // What none of them has used beyond its estimate, then what some have.
      const used = Math.min(estimate - refund, known)
      const owed = state.settle(known, used, state instanceof SlidingWindowState ? takenAt + aheadMillis : takenAt)
      charge(state, owed + actual - used, now)
    }
    for (const shared of this.#along(route)) {
      const held = heldOf(member, shared)
      const known = Math.min(count, held.count)
      held.count -= known
      shared.open -= known
      shared.spent = Usage.add(shared.spent, usage)
    }
  }

  #charge({ amounts, route, usage }: Charge, now: number): void {
    for (const [index, { state }] of this.#stops(route, now).entries()) charge(state, amounts[index]!, now)
    for (const shared of this.#along(route)) shared.spent = Usage.add(shared.spent, usage)
  }

  #tighten(
    budget: SharedBudget,
    indices: ReadonlyArray<number>,
    remaining: number,
    now: number
  ): ReadonlyArray<number> {
    const shared = this.#budget(budget)
    return indices.map((index) => {
      const state = shared.stateOf(budget.limits[index]!, now)
      const by = Math.max(0, state.limit.max - state.used(now) - remaining)
      charge(state, by, now)
      return by
    })
  }

  /** Settles what members hold whose lease is over. */
  #lapse(now: number, touched: Set<Shared>): void {
    for (const [name, member] of this.#members) {
      if (member.leaseEnd + REMEMBER_LAPSED_MILLIS <= now) this.#members.delete(name)
      if (member.isLapsed || member.leaseEnd > now) continue
      member.isLapsed = true
      for (const [shared, held] of member.held) if (settleHeld(shared, held, member.lapse, now)) touched.add(shared)
      for (const shared of this.#budgets.values()) if (shared.leave(name)) touched.add(shared)
      member.held.clear()
    }
  }

  #nextLapse(own: string, now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const [name, { isLapsed, leaseEnd }] of this.#members) {
      if (!isLapsed && name !== own) next = Math.min(next, leaseEnd)
    }
    return Math.max(next, now + 1)
  }

  /** Tells those who have waited longest, where there is room for them. */
  #wake(touched: ReadonlySet<Shared>, now: number): void {
    for (const { heads, states } of touched) {
      for (const state of states.values()) {
        const head = heads.get(state.limit.name)?.first(now)
        if (head === undefined || state.readyAt(head.amount, now) > now || now - head.wokenAt < WAKE_AGAIN_MILLIS)
          continue
        head.wokenAt = now
        for (const listener of this.listeners) listener(head.member)
      }
    }
  }

  #budget({ key }: SharedBudget): Shared {
    const shared = this.#budgets.get(key) ?? new Shared(this.#start)
    this.#budgets.set(key, shared)
    return shared
  }

  #along(route: Route): ReadonlyArray<Shared> {
    return route.budgets.map((budget) => this.#budget(budget))
  }

  #stops(route: Route, now: number): ReadonlyArray<Stop> {
    return route.budgets.flatMap((budget) => {
      const shared = this.#budget(budget)
      const { isShadow, limits } = budget
      return limits.map((limit) => ({
        shared,
        state: shared.stateOf(limit, now),
        isShadow,
        heads: shared.headsAt(limit.name)
      }))
    })
  }
}

const charge = (state: LimitState, amount: number, now: number): void => {
  if (amount > 0) state.charge(amount, now)
}

/** A member has had answers that were lost. What it holds it will say as somebody else: here it is over. */
const lose = (member: Member, now: number): void => {
  member.isLost = true
  member.lapse = "release"
  member.leaseEnd = now
}

/** Whether what it has counted comes back with time alone, whatever becomes of the reservation. */
const isDatedBack = ({ limit }: LimitState): boolean =>
  limit._tag === "TokenBucket" || ("chargeAt" in limit && limit.chargeAt === "reserve")

/** Settles what a member holds of a budget. Says whether it holds anything. */
const settleHeld = (shared: Shared, { amounts, count }: Held, lapse: Batch["lapse"], now: number): boolean => {
  for (const state of shared.states.values()) {
    const held = amounts.get(state) ?? 0
    charge(state, state.settle(held, lapse === "charge" || isDatedBack(state) ? held : 0, now), now)
  }
  shared.open -= count
  return count > 0 || [...shared.states.values()].some((state) => (amounts.get(state) ?? 0) > 0)
}

const heldOf = (member: Member, shared: Shared): Held => {
  const held = member.held.get(shared) ?? { count: 0, amounts: new Map<LimitState, number>() }
  member.held.set(shared, held)
  return held
}

const hold = (member: Member, shared: Shared, state: LimitState, amount: number): void => {
  const { amounts } = heldOf(member, shared)
  amounts.set(state, (amounts.get(state) ?? 0) + amount)
}

const look = (shared: Shared, { limits }: SharedBudget, now: number): Sight => {
  const states = limits.map((limit) => shared.stateOf(limit, now))
  return {
    used: states.map((state) => state.used(now)),
    reserved: states.map((state) => state.reserved),
    open: shared.open,
    spent: shared.spent,
    pausedMillis: Math.max(0, shared.pause.until - now),
    resumesInMillis: shared.pause.readyAt(1, now) - now
  }
}

/** Whoever waits asks again after so long at the latest: a message that wakes it can get lost. */
export const ASK_AGAIN_MILLIS = 5_000

/** Whoever was told that there is room is not told again at once. */
export const WAKE_AGAIN_MILLIS = 20

/** How long a store knows that the lease of a member is over. */
export const REMEMBER_LAPSED_MILLIS = 24 * 60 * 60 * 1_000
