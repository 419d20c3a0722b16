import * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as BudgetError from "../../BudgetError.ts"
import type { WhenUnreachable } from "../../BudgetStore.ts"
import type { Answer, Batch, Lapse, Operation, Refused, Sight, Store, Verdict } from "../../StoreProtocol.ts"
import type * as Limit from "../../Limit.ts"
import type * as Usage from "../../Usage.ts"
import type { Admission } from "../admission/admission.ts"
import type { Hold } from "../admission/hold.ts"
import { type Link, type OnTightened, type SharedRoute, Ticket } from "../admission/link.ts"
import { tell } from "../admission/listeners.ts"
import type { BudgetNode, Gate, Path } from "../admission/node.ts"
import { NOT_IN_HEAP } from "../heap.ts"
import { SharedState } from "../limit/shared.ts"
import { AFTER_SETTLEMENT } from "../limit/state.ts"
import type { Alarm } from "../timeline.ts"
import { type Errand, Outbox } from "./outbox.ts"
import { type Lot, Stock } from "./stock.ts"

/** How a process uses a store. */
export interface Settings {
  readonly leaseMillis: number
  readonly lapse: Lapse
  readonly timeoutMillis: number
  readonly whenUnreachable: WhenUnreachable
  /** For how long to take ahead. Zero where every call asks. */
  readonly aheadMillis: number
}

/** What a channel runs its effects with. */
export interface Surroundings {
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Does something soon, when whoever is running has come to rest. */
  readonly soon: (task: () => void) => void
  readonly scope: Scope.Scope
  /** Between 0 and 1. */
  readonly random: () => number
}

/** A hold that asks, and the route on which it does. */
interface Asking {
  readonly hold: Hold
  readonly route: SharedRoute
  readonly ticket: Ticket
  /** What it asks for, at each limit of the route. */
  readonly amounts: ReadonlyArray<number>
  /** Whether the limits of this process count it as asking: not if the store could not be reached when it began. */
  counts: boolean
}

/** A batch on its way. */
interface Sent {
  readonly membership: Membership
  readonly batch: Batch
  readonly askings: ReadonlyArray<Asking>
  readonly errands: ReadonlyArray<Errand>
  /** The budgets whose thresholds are watched. */
  readonly watched: ReadonlyArray<BudgetNode>
  /** When it is late. Then the store counts as unreachable. */
  overdueAt: number
  /** When it is sent again, after it has failed. */
  retryAt: number | undefined
  failures: number
}

/** Who a process is to the store, until its lease is over. */
class Membership {
  readonly name = globalThis.crypto.randomUUID()
  sequence = 0
  readonly #unanswered = new Set<number>()

  next(): number {
    this.#unanswered.add(++this.sequence)
    return this.sequence
  }

  answered(sequence: number): void {
    this.#unanswered.delete(sequence)
  }

  /** Up to where it has all answers. */
  get answeredUpTo(): number {
    const [first] = this.#unanswered
    return (first ?? this.sequence + 1) - 1
  }
}

/**
 * What a process and a store have to say to each other of one group of budgets.
 *
 * Whatever is asked and settled at about the same time travels together. While a few batches are on their way, others
 * wait and become larger ones, so that many reservations cost little more than one.
 */
export class Channel implements Link {
  readonly group: string
  readonly #store: Store
  readonly #admission: Admission
  readonly #settings: Settings
  readonly #around: Surroundings
  #membership = new Membership()
  #queue: Array<Asking> = []
  readonly #outbox = new Outbox()
  readonly #sent = new Set<Sent>()
  /** What the store counts as reserved by this process. */
  readonly #held = new Map<Ticket, Asking>()
  /** Gates that nobody passes until there may be more room. */
  readonly #blocked = new Set<Gate>()
  readonly #nodes = new Map<BudgetNode, number>()
  /** What was taken ahead. */
  readonly #stocks = new Map<SharedRoute, Stock>()
  /** Budgets of which the next batch asks how full they are. */
  readonly #watched = new Set<BudgetNode>()
  #onIdle: Array<() => void> = []
  #cause: { readonly cause: unknown } | undefined
  #nextAskAt = Number.POSITIVE_INFINITY
  #lastSentAt = Number.NEGATIVE_INFINITY
  #isScheduled = false
  #isListening = false
  #isClosed = false
  readonly #alarm: Alarm = {
    rank: Number.NEGATIVE_INFINITY,
    at: 0,
    heapIndex: NOT_IN_HEAP,
    ring: (now) => this.#tend(now)
  }

  constructor(group: string, store: Store, admission: Admission, settings: Settings, around: Surroundings) {
    this.group = group
    this.#store = store
    this.#admission = admission
    this.#settings = settings
    this.#around = around
  }

  /** The state of a limit whose counters the store has. */
  stateOf(limit: SharedState["limit"]): SharedState {
    const { whenUnreachable } = this.#settings
    if (typeof whenUnreachable === "string") return new SharedState(limit)
    const max = Math.floor(limit.max * whenUnreachable.share)
    const state = new SharedState(limit, this.#admission.start({ ...limit, max }))
    if (this.#isCutOff) state.cutOff(true)
    return state
  }

  enter(node: BudgetNode): void {
    this.#nodes.set(node, (this.#nodes.get(node) ?? 0) + 1)
  }

  exit(node: BudgetNode): void {
    const users = (this.#nodes.get(node) ?? 0) - 1
    if (users > 0) this.#nodes.set(node, users)
    else this.#nodes.delete(node)
  }

  ask(hold: Hold, route: SharedRoute): Ticket {
    const ticket = new Ticket()
    const amounts = route.indices.map((index) => hold.amounts[index]!)
    const asking: Asking = { hold, route, ticket, amounts, counts: !this.#isCutOff }
    if (this.#settings.aheadMillis > 0 && asking.counts && this.#grant(asking)) return ticket
    this.#queue.push(asking)
    this.#watch(hold.path, route)
    this.#schedule()
    return ticket
  }

  /** Grants from what was taken ahead, if that is enough, and sees to it that more is. */
  #grant(asking: Asking): boolean {
    const { amounts, route, ticket } = asking
    const now = this.#admission.timeline.now()
    const stock = this.#stockOf(route, now)
    const taken = stock.grant(amounts, now)
    const lot = stock.nextLot(amounts, now)
    if (lot !== undefined) this.#askForLot(stock, route, lot)
    if (taken === undefined) return false
    answered(asking)
    ticket.state = "held"
    ticket.takenAt = taken.takenAt
    ticket.aheadMillis = taken.aheadMillis
    this.#held.set(ticket, asking)
    ticket.answer("admitted")
    return true
  }

  #stockOf(route: SharedRoute, now: number): Stock {
    const known = this.#stocks.get(route)
    if (known !== undefined) return known
    const maxima = route.states.map(({ limit }) => limit.max)
    const stock = new Stock(maxima, this.#settings.aheadMillis, now)
    this.#stocks.set(route, stock)
    return stock
  }

  #askForLot(stock: Stock, route: SharedRoute, amounts: ReadonlyArray<number>): void {
    const { aheadMillis } = this.#settings
    const membership = this.#membership
    const askedAt = this.#admission.timeline.now()
    this.#add({
      operation: { _tag: "Reserve", route, amounts, ticket: undefined, waits: false, aheadMillis },
      onVerdict: (isAdmitted, takenAt) => {
        const now = this.#admission.timeline.now()
        if (!isAdmitted || membership !== this.#membership) return stock.refused(now)
        // Calls count from the end of that time, so that none may start later.
        const goodUntil = askedAt + Math.min(aheadMillis, millisToReset(route, takenAt))
        this.#giveBack(route, stock.receive({ amounts, goodUntil, taken: { takenAt, aheadMillis } }, now))
        this.#aim(now)
      }
    })
  }

  #giveBack(route: SharedRoute, rest: Lot | undefined): void {
    if (rest === undefined) return
    this.#outbox.settle(route, rest.amounts, rest.taken, undefined)
    this.#schedule()
  }

  settle(hold: Hold, route: SharedRoute, ticket: Ticket, actual: Usage.Usage | undefined): void {
    const { state } = ticket
    ticket.state = "over"
    if (state === "apart") {
      this.#settleShare(hold, route, actual)
      if (actual !== undefined) this.charge(hold.path, route, actual)
      return
    }
    if (state === "asked") return this.leave(hold, route)
    const held = this.#held.get(ticket)
    if (held === undefined) return
    this.#held.delete(ticket)
    this.#outbox.settle(route, held.amounts, ticket, actual)
    this.#watch(hold.path, route)
    this.#schedule()
  }

  leave(hold: Hold, route: SharedRoute): void {
    if (hold.turn !== undefined) this.#add({ operation: { _tag: "Withdraw", route, ticket: hold.turn } })
    hold.turn = undefined
  }

  charge(path: Path, route: SharedRoute, usage: Usage.Usage): void {
    this.#outbox.charge(
      route,
      route.meters.map((meter) => meter.measure(usage)),
      usage
    )
    this.#watch(path, route)
    this.#schedule()
  }

  #add(errand: Errand): void {
    this.#outbox.add(errand)
    this.#schedule()
  }

  pause(node: BudgetNode, millis: number, isGradual: boolean): void {
    const budget = node.asShared
    if (budget !== undefined) this.#add({ operation: { _tag: "Pause", budget, millis, isGradual } })
  }

  tighten(node: BudgetNode, limits: ReadonlyArray<Limit.Limit>, remaining: number, onTightened: OnTightened): void {
    const budget = node.asShared
    if (budget === undefined || limits.length === 0) return
    const indices = limits.map((limit) => budget.limits.findIndex(({ name }) => name === limit.name))
    this.#add({
      operation: { _tag: "Tighten", budget, indices, remaining },
      onTightened: (by) =>
        onTightened(limits.flatMap((limit, index) => (by[index]! > 0 ? [{ limit, by: by[index]! }] : [])))
    })
  }

  look(nodes: ReadonlyArray<BudgetNode>): Effect.Effect<void> {
    return Effect.callback((resume) => {
      let missing = nodes.length
      const onSight = (): void => {
        if (--missing <= 0) resume(Effect.void)
      }
      if (this.#isCutOff || missing === 0) return resume(Effect.void)
      for (const node of nodes) this.#look(node, onSight)
    })
  }

  #look(node: BudgetNode, onSight: () => void): void {
    const budget = node.asShared
    if (budget !== undefined) this.#add({ operation: { _tag: "Look", budget }, looksAt: node, onSight })
  }

  /** Waits until the store knows everything. */
  readonly whenIdle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#isIdle) resume(Effect.void)
    else this.#onIdle.push(() => resume(Effect.void))
  })

  /** Gives back what was taken ahead. */
  finish(): void {
    for (const [route, stock] of this.#stocks) this.#giveBack(route, stock.clear())
  }

  /** Nothing is sent any more. Says how many things the store has not been told. */
  close(): { readonly undelivered: number; readonly open: number } {
    this.#isClosed = true
    this.#admission.timeline.cancel(this.#alarm)
    const undelivered = [...this.#sent].reduce((sum, { errands }) => sum + errands.length, this.#outbox.drain().length)
    return { undelivered, open: this.#held.size }
  }

  get #isIdle(): boolean {
    return this.#queue.length === 0 && this.#outbox.isEmpty && this.#sent.size === 0
  }

  /** Whether the store cannot be reached. */
  get #isCutOff(): boolean {
    return this.#cause !== undefined
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#around.soon(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#isClosed) return
    if (this.#isCutOff) {
      for (const asking of this.#queue.splice(0)) this.#goApart(asking)
      // A batch that failed is tried again and again: when it arrives, the others follow.
      return
    }
    while (this.#sent.size < SENT_MAX && !(this.#queue.length === 0 && this.#outbox.isEmpty)) this.#sendNext()
  }

  #sendNext(): void {
    const askings = this.#nextAskings()
    const errands = this.#outbox.drain()
    if (askings.length > 0 || errands.length > 0) this.#send(askings, errands)
  }

  #nextAskings(): ReadonlyArray<Asking> {
    const next = this.#queue.length > ASKINGS_MAX ? this.#queue.splice(0, ASKINGS_MAX) : this.#queue
    if (next === this.#queue) this.#queue = []
    const wanted = next.filter(({ ticket }) => ticket.state === "asked")
    if (wanted.length < next.length) for (const asking of next) if (asking.ticket.state === "over") answered(asking)
    return wanted
  }

  /** Where somebody wants to know how full budgets are, or waits for what may never come now, they are looked at. */
  #watch({ hasThresholds }: Path, { nodes }: SharedRoute): void {
    for (const node of nodes) {
      const isWatched = hasThresholds && node.conduct.thresholds.length > 0
      if (isWatched || node.gates.some(({ largestWaiting }) => largestWaiting > 0)) this.#watched.add(node)
    }
  }

  #send(askings: ReadonlyArray<Asking>, errands: ReadonlyArray<Errand>): void {
    const operations: Array<Operation> = errands.map(({ operation }) => operation)
    for (const { amounts, hold, route } of askings) {
      operations.push({ _tag: "Reserve", route, amounts, ticket: hold.turn, waits: hold.isPatient, aheadMillis: 0 })
    }
    const watched = [...this.#watched]
    this.#watched.clear()
    for (const { asShared } of watched) if (asShared !== undefined) operations.push({ _tag: "Look", budget: asShared })
    const membership = this.#membership
    const sent: Sent = {
      membership,
      askings,
      errands,
      watched,
      overdueAt: 0,
      retryAt: undefined,
      failures: 0,
      batch: {
        group: this.group,
        member: membership.name,
        answered: membership.answeredUpTo,
        sequence: membership.next(),
        leaseMillis: this.#settings.leaseMillis,
        lapse: this.#settings.lapse,
        operations
      }
    }
    this.#sent.add(sent)
    this.#attempt(sent)
  }

  #attempt(sent: Sent): void {
    const now = this.#admission.timeline.now()
    this.#lastSentAt = now
    sent.overdueAt = now + this.#settings.timeoutMillis
    sent.retryAt = undefined
    this.#around.fork(
      Effect.matchCause(this.#store.apply(sent.batch), {
        onSuccess: (answer) => this.#answered(sent, answer),
        onFailure: (cause) => this.#failed(sent, cause)
      })
    )
    this.#aim(now)
  }

  #answered(sent: Sent, answer: Answer): void {
    if (this.#isClosed || !this.#sent.delete(sent)) return
    sent.membership.answered(sent.batch.sequence)
    this.#reached()
    if (answer._tag === "Applied") this.#applied(sent, answer)
    else this.#expelled(sent, answer._tag)
    this.#flush()
    this.#noteIdle()
  }

  #applied({ askings, errands, membership, watched }: Sent, answer: Applied): void {
    const isCurrent = membership === this.#membership
    const changed = new Set<Gate>()
    const verdicts = answer.verdicts.values()
    for (const { onVerdict } of errands) onVerdict?.(verdicts.next().value === undefined, answer.now)
    for (const asking of askings) {
      const verdict = verdicts.next().value
      if (asking.ticket.state !== "asked") this.#unwanted(asking, verdict, answer.now)
      // What was admitted before the lease was over has been settled with it.
      else if (!isCurrent) this.#queue.push(asking)
      else if (verdict === undefined) this.#admitted(asking, answer.now)
      else this.#refused(asking, verdict)
      noteContended(asking, changed)
    }
    const sights = answer.sights.values()
    const tightened = answer.tightened.values()
    for (const { asserts, frees, looksAt, onSight, onTightened } of errands) {
      for (const ticket of asserts ?? []) {
        ticket.takenAt = answer.now
        ticket.aheadMillis = 0
      }
      if (frees !== undefined) this.#retry((gate) => frees.nodes.includes(gate.node), changed)
      if (looksAt !== undefined) this.#see(looksAt, sights.next().value)
      onSight?.()
      if (onTightened !== undefined) onTightened(tightened.next().value ?? [])
    }
    for (const node of watched) {
      this.#see(node, sights.next().value)
      this.#admission.noteUse(node.gates)
    }
    this.#admission.recheck(changed)
  }

  #see(node: BudgetNode, sight: Sight | undefined): void {
    const { gates, ledger, shared } = node
    if (shared === undefined || sight === undefined) return
    const now = this.#admission.timeline.now()
    shared.seen = { sight, at: now }
    const isPaused = ledger.pause !== undefined && ledger.pause.until > now
    const isOver = isPaused && sight.resumesInMillis === 0
    if (isOver || sight.pausedMillis > 0) this.#admission.hearPause(node, now + sight.pausedMillis)
    const states = gates.flatMap(({ state }) => (state instanceof SharedState ? [state] : []))
    for (const [index, state] of states.entries()) {
      state.hear({ used: sight.used[index] ?? 0, reserved: sight.reserved[index] ?? 0 })
    }
  }

  #admitted(asking: Asking, now: number): void {
    const { hold, ticket } = asking
    forEachState(asking, noteAdmitted)
    asking.counts = false
    ticket.state = "held"
    ticket.takenAt = now
    hold.turn = undefined
    this.#held.set(ticket, asking)
    ticket.answer("admitted")
  }

  #refused(asking: Asking, { askAgainInMillis, index, readyInMillis, reserved, ticket: turn, used }: Refused): void {
    const { amounts, hold, route, ticket } = asking
    const now = this.#admission.timeline.now()
    const at = readyInMillis < AFTER_SETTLEMENT ? now + readyInMillis : readyInMillis
    hold.turn = turn
    this.#listen()
    forEachState(asking, (state, amount) => state.comesBy(amount, at))
    this.#takeBack(asking)
    if (index < 0) {
      this.#admission.hearPause(route.nodes[-1 - index]!, at)
    } else {
      const gate = hold.path.gates[route.indices[index]!]!
      // Whom nobody wakes asks again: not all processes at once.
      const lateBy = at < AFTER_SETTLEMENT ? 0 : Math.floor((askAgainInMillis * this.#around.random()) / 10)
      const asksAt = now + askAgainInMillis + lateBy
      if (gate.state instanceof SharedState) gate.state.block(amounts[index]!, { at, asksAt, reserved, used })
      this.#blocked.add(gate)
      this.#nextAskAt = Math.min(this.#nextAskAt, asksAt)
    }
    ticket.answer("refused")
  }

  /** Somebody asked, and went on or away before there was an answer. */
  #unwanted(asking: Asking, verdict: Verdict, now: number): void {
    const { amounts, route } = asking
    answered(asking)
    if (verdict === undefined) this.#outbox.settle(route, amounts, { takenAt: now, aheadMillis: 0 }, undefined)
    else if (verdict.ticket !== undefined) {
      this.#outbox.add({ operation: { _tag: "Withdraw", route, ticket: verdict.ticket } })
    }
  }

  /** Begins anew when the store has ended a lease or has lost its data. Nothing of the batch was done. */
  #expelled({ askings, errands, membership }: Sent, why: "Lapsed" | "Forgotten"): void {
    if (membership === this.#membership) {
      this.#membership = new Membership()
      this.#stocks.clear()
      if (why === "Lapsed") this.#lapse()
      else this.#assertAll()
    }
    for (const asking of askings) {
      if (asking.ticket.state === "asked") this.#queue.push(asking)
      else answered(asking)
    }
    for (const errand of errands) {
      const { operation } = errand
      if (operation._tag === "Settle") {
        // What was settled with the lease is not settled again. What was lost with the data was used all the same.
        if (why === "Forgotten" && errand.frees !== undefined)
          this.#outbox.charge(errand.frees, operation.actuals, operation.usage)
      } else if (errand.onVerdict !== undefined) errand.onVerdict(false, 0)
      else if (operation._tag !== "Withdraw" && operation._tag !== "Assert") this.#outbox.add(errand)
    }
  }

  /** The store has settled what this process held, because it had not heard of it for too long. */
  #lapse(): void {
    const late = this.#outbox.dropSettles()
    for (const { hold, ticket } of this.#held.values()) {
      ticket.state = "over"
      tell(hold.path, { _tag: "LeaseExpired", budget: hold.node.name, estimate: hold.estimate })
    }
    const count = this.#held.size + late
    this.#held.clear()
    if (count > 0) this.#log(`the lease of this process was over: the store has settled ${count} of its reservations`)
  }

  /** Tells a store that has lost its data what this process has reserved. */
  #assertAll(): void {
    this.#outbox.chargeSettles()
    for (const gate of this.#gates()) if (gate.state instanceof SharedState) gate.state.forget()
    const byRoute = new Map<SharedRoute, Array<Asking>>()
    for (const asking of this.#held.values()) {
      const same = byRoute.get(asking.route)
      if (same === undefined) byRoute.set(asking.route, [asking])
      else same.push(asking)
    }
    for (const [route, askings] of byRoute) {
      const amounts = route.meters.map((_, index) => askings.reduce((sum, { amounts }) => sum + amounts[index]!, 0))
      this.#outbox.add({
        operation: { _tag: "Assert", route, amounts, count: askings.length },
        asserts: askings.map(({ ticket }) => ticket)
      })
    }
    this.#log("the store has lost what it had counted, and counts from now on")
  }

  #failed(sent: Sent, cause: unknown): void {
    if (this.#isClosed || !this.#sent.has(sent)) return
    const now = this.#admission.timeline.now()
    const wait = Math.min(RETRY_MAX_MILLIS, RETRY_MIN_MILLIS * 2 ** sent.failures++)
    sent.retryAt = now + Math.ceil((wait * (1 + this.#around.random())) / 2)
    this.#cutOff(cause)
    this.#aim(now)
  }

  /** The store cannot be reached: whoever asks gets along without it, or fails. */
  #cutOff(cause: unknown): void {
    if (!this.#isCutOff) {
      this.#cause = { cause }
      for (const gate of this.#gates()) if (gate.state instanceof SharedState) gate.state.cutOff(true)
      this.finish()
      for (const node of this.#nodes.keys())
        tell(this.#admission.path(node), { _tag: "StoreUnreachable", budget: node.name, cause })
      this.#log(`the store of the budgets of "${this.group}" cannot be reached`, cause)
    }
    for (const { askings } of this.#sent) for (const asking of askings) this.#goApart(asking)
    for (const { errands } of this.#sent) for (const { onSight } of errands) onSight?.()
    for (const asking of this.#queue.splice(0)) this.#goApart(asking)
    this.#admission.recheck(this.#gates())
  }

  #reached(): void {
    if (!this.#isCutOff) return
    this.#cause = undefined
    for (const gate of this.#gates()) if (gate.state instanceof SharedState) gate.state.cutOff(false)
    for (const node of this.#nodes.keys()) tell(this.#admission.path(node), { _tag: "StoreReached", budget: node.name })
    this.#log(`the store of the budgets of "${this.group}" can be reached again`)
    this.#admission.recheck(this.#gates())
  }

  /** Lets somebody who asks get along without the store, as the policy says. */
  #goApart(asking: Asking): void {
    const { hold, ticket } = asking
    const { whenUnreachable } = this.#settings
    if (ticket.state !== "asked") return answered(asking)
    if (whenUnreachable === "fail") {
      this.#takeBack(asking)
      const budget = hold.node.name
      return ticket.answer(BudgetError.make(new BudgetError.BudgetStoreError({ budget, cause: this.#cause?.cause })))
    }
    // Who asked while the store could not be reached has its share already.
    if (asking.counts && !this.#takeShare(asking)) return ticket.answer("refused")
    ticket.state = "apart"
    ticket.answer("admitted")
  }

  #takeShare(asking: Asking): boolean {
    const now = this.#admission.timeline.now()
    let isRoom = true
    forEachState(asking, (state, amount) => (isRoom &&= state.readyAt(amount, now) <= now))
    if (isRoom) {
      answered(asking)
      forEachState(asking, (state, amount) => state.take(amount, now))
    } else this.#takeBack(asking)
    return isRoom
  }

  #settleShare(hold: Hold, route: SharedRoute, actual: Usage.Usage | undefined): void {
    const now = this.#admission.timeline.now()
    for (const [index, place] of route.indices.entries()) {
      const used = actual === undefined ? 0 : route.meters[index]!.measure(actual)
      const { state } = hold.path.gates[place]!
      if (state instanceof SharedState) state.settleShare(hold.amounts[place]!, used, hold.takenAt, now)
    }
  }

  /** Somebody who asked is not let in. */
  #takeBack(asking: Asking): void {
    const { hold, route, ticket } = asking
    if (asking.counts) forEachState(asking, (state, amount) => state.takeBack(amount))
    else this.#settleShare(hold, route, undefined)
    asking.counts = false
    ticket.state = "over"
    this.#admission.takeBack(hold)
  }

  #gates(): ReadonlyArray<Gate> {
    return [...this.#nodes.keys()].flatMap((node) => node.gates)
  }

  /** Nobody is kept out by what was refused before, at some gates. */
  #retry(which: (gate: Gate) => boolean, changed: Set<Gate>): void {
    for (const gate of this.#blocked) {
      if (!which(gate)) continue
      this.#blocked.delete(gate)
      if (gate.state instanceof SharedState) gate.state.retry()
      changed.add(gate)
    }
  }

  /** Hears from now on when there may be room. Before anybody was refused, there is nothing to hear. */
  #listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    const onWake = (member: string): void => {
      if (member !== this.#membership.name) return
      const changed = new Set<Gate>()
      this.#retry(() => true, changed)
      this.#admission.recheck(changed)
    }
    this.#around.fork(
      this.#store.listen(this.group, onWake).pipe(
        Effect.provideService(Scope.Scope, this.#around.scope),
        Effect.catch((error) => {
          this.#isListening = false
          return Effect.logWarning(`nothing wakes those who wait for the budgets of "${this.group}"`, error)
        })
      )
    )
  }

  /** Does what is due. */
  #tend(now: number): void {
    if (this.#isClosed) return
    for (const sent of this.#sent) {
      if (sent.retryAt !== undefined && sent.retryAt <= now) this.#attempt(sent)
      else if (sent.overdueAt <= now) {
        sent.overdueAt = Number.POSITIVE_INFINITY
        sent.retryAt = now + GIVEN_UP_MILLIS
        this.#cutOff(new Error(`no answer within ${this.#settings.timeoutMillis} ms`))
      }
    }
    if (this.#nextAskAt <= now) {
      const changed = new Set<Gate>()
      this.#nextAskAt = Number.POSITIVE_INFINITY
      for (const gate of this.#blocked) {
        if (!(gate.state instanceof SharedState)) continue
        if (gate.state.asksAt <= now) changed.add(gate)
        gate.state.retry(({ asksAt }) => asksAt <= now)
        if (gate.state.asksAt === Number.POSITIVE_INFINITY) this.#blocked.delete(gate)
        this.#nextAskAt = Math.min(this.#nextAskAt, gate.state.asksAt)
      }
      this.#admission.recheck(changed)
    }
    for (const [route, stock] of this.#stocks) {
      if (stock.goodUntil > now) continue
      this.#giveBack(route, stock.expire(now))
      if (!stock.isAsking) this.#stocks.delete(route)
    }
    if (this.#renewAt <= now && this.#sent.size === 0) this.#send([], [])
    this.#aim(now)
  }

  get #renewAt(): number {
    return this.#held.size === 0
      ? Number.POSITIVE_INFINITY
      : this.#lastSentAt + Math.floor(this.#settings.leaseMillis / 3)
  }

  /** Sets the alarm to what is due next. One that rings too early finds nothing to do. */
  #aim(now: number): void {
    let next = Math.min(this.#nextAskAt, this.#renewAt)
    for (const { goodUntil } of this.#stocks.values()) next = Math.min(next, goodUntil)
    for (const { overdueAt, retryAt } of this.#sent) next = Math.min(next, overdueAt, retryAt ?? overdueAt)
    if (this.#alarm.heapIndex !== NOT_IN_HEAP && this.#alarm.at <= next) return
    if (next < Number.POSITIVE_INFINITY) this.#admission.timeline.set(this.#alarm, Math.max(next, now))
  }

  #noteIdle(): void {
    if (this.#onIdle.length === 0 || !this.#isIdle) return
    const listeners = this.#onIdle
    this.#onIdle = []
    for (const listener of listeners) listener()
  }

  #log(message: string, cause?: unknown): void {
    this.#around.fork(cause === undefined ? Effect.logWarning(message) : Effect.logWarning(message, cause))
  }
}

type Applied = Extract<Answer, { _tag: "Applied" }>

/** Does something with each limit of a store from which somebody asks for something. */
const forEachState = ({ amounts, route }: Asking, act: (state: SharedState, amount: number) => void): void => {
  for (let index = 0; index < amounts.length; index++)
    if (amounts[index]! > 0) act(route.states[index]!, amounts[index]!)
}

/** Nobody waits for the answer of somebody any more. */
const answered = (asking: Asking): void => {
  if (asking.counts) forEachState(asking, (state) => state.answered())
  asking.counts = false
}

const noteAdmitted = (state: SharedState): void => state.admitted()

/** How long it is, from an instant of the store, until the next window of the calendar begins on a route. */
const millisToReset = ({ states }: SharedRoute, now: number): number =>
  states.reduce(
    (least, { limit }) =>
      limit._tag === "FixedWindow" ? Math.min(least, Cron.next(limit.resets, new Date(now)).getTime() - now) : least,
    Number.POSITIVE_INFINITY
  )

const noteContended = ({ hold, route }: Asking, changed: Set<Gate>): void => {
  for (const place of route.indices) {
    const gate = hold.path.gates[place]!
    if (gate.isContended) changed.add(gate)
  }
}

/** How many batches may be on their way: while the store does one, this process makes the next. */
const SENT_MAX = 4

/** How many may ask in one batch. */
const ASKINGS_MAX = 256

const RETRY_MIN_MILLIS = 50
const RETRY_MAX_MILLIS = 1_000

/** A batch that is late is not sent again before: the client may still have it in its own queue. */
const GIVEN_UP_MILLIS = 30_000
