import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as BudgetError from "../../BudgetError.ts"
import type { WhenUnreachable } from "../../BudgetStore.ts"
import type { Answer, Operation, Refused, Sight, Store, Verdict } from "../../StoreProtocol.ts"
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
import { addContended, type Asking, forEachState, noteAdmitted, noteAnswered } from "./asking.ts"
import { BlockedGates } from "./blockedGates.ts"
import { Courier, type Postage, type Sent } from "./courier.ts"
import { Held } from "./held.ts"
import { type Errand, Outbox, type Taken, type Turn } from "./outbox.ts"
import { Stocks } from "./stocks.ts"

/** How a process uses a store. */
export interface Settings extends Postage {
  readonly whenUnreachable: WhenUnreachable
  /** For how long to take ahead. Zero where every call asks. */
  readonly aheadMillis: number
}

/** What a channel runs its effects with. */
export interface Surroundings {
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Does something when whoever is running has come to rest. */
  readonly next: (task: () => void) => void
  /** Does something soon, when others had their turn, too. */
  readonly soon: (task: () => void) => void
  readonly scope: Scope.Scope
  /** Between 0 and 1. */
  readonly random: () => number
}

/** What goes with a batch. */
interface Note {
  readonly askings: ReadonlyArray<Asking>
  readonly errands: ReadonlyArray<Errand>
  /** The budgets whose thresholds are watched. */
  readonly watched: ReadonlyArray<BudgetNode>
  /** Whether this process was told meanwhile that there may be room. */
  isWoken: boolean
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
  readonly #courier: Courier<Note>
  #queue: Array<Asking> = []
  readonly #outbox = new Outbox()
  readonly #stocks: Stocks
  readonly #blocked = new BlockedGates()
  readonly #held = new Held()
  /** At which limits holds wait at the store, since which turn. */
  readonly #turns = new Map<Hold, Turn>()
  readonly #nodes = new Map<BudgetNode, number>()
  /** Budgets of which the next batch asks how full they are. */
  readonly #watched = new Set<BudgetNode>()
  #onIdle: Array<() => void> = []
  /** Why the store cannot be reached, while it cannot. */
  #trouble: { readonly cause: unknown } | undefined
  #isScheduled = false
  #isHastened = false
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
    this.#stocks = new Stocks(settings.aheadMillis, this.#outbox)
    this.#courier = new Courier(group, store, admission.timeline, settings, around, {
      onAnswer: (sent, answer) => this.#answered(sent, answer),
      onTrouble: (cause) => this.#cutOff(cause)
    })
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
    const taken = this.#isCutOff ? undefined : this.#stocks.grant(route, amounts, hold.takenAt)
    if (taken === undefined) this.#queue.push(asking)
    else {
      this.leave(hold, route)
      this.#grant(asking, taken)
    }
    this.#watch(hold.path, route)
    if (taken === undefined) this.#hasten()
    else this.#schedule()
    return ticket
  }

  /** Lets somebody in. What the store has taken for it is held from now on. */
  #grant(asking: Asking, { aheadMillis, takenAt }: Taken): void {
    const { hold, ticket } = asking
    noteAdmitted(asking)
    ticket.state = "held"
    ticket.takenAt = takenAt
    ticket.aheadMillis = aheadMillis
    hold.turn = undefined
    if (this.#turns.size > 0) this.#noteTurn(hold, undefined)
    this.#held.add(asking)
    ticket.answer("admitted")
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
    const held = this.#held.take(ticket)
    if (held === undefined) return
    this.#outbox.settle(route, held.amounts, ticket, actual)
    this.#watch(hold.path, route)
    this.#schedule()
  }

  leave(hold: Hold, route: SharedRoute): void {
    if (hold.turn === undefined) return
    this.#add(withdrawal(route, hold.turn, this.#turns.get(hold)?.gate))
    hold.turn = undefined
    this.#turns.delete(hold)
  }

  waitsAt(hold: Hold): Gate | undefined {
    return this.#turns.get(hold)?.gate
  }

  /** At which limit a hold waits at the store, if it does. */
  #noteTurn(hold: Hold, gate: Gate | undefined): void {
    const left = this.#turns.get(hold)
    if (left !== undefined && left.gate !== gate) this.#blocked.leave(left)
    if (gate === undefined || hold.turn === undefined) this.#turns.delete(hold)
    else {
      this.#turns.set(hold, { gate, turn: hold.turn })
      if (gate.state instanceof SharedState) gate.state.waits(hold.turn)
    }
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
    this.#stocks.close()
    this.#schedule()
  }

  /** Nothing is sent any more. Says how many things the store has not been told. */
  close(): { readonly undelivered: number; readonly open: number } {
    this.#isClosed = true
    this.#courier.stop()
    this.#admission.timeline.cancel(this.#alarm)
    let undelivered = this.#outbox.drain().length
    for (const { errands } of this.#courier.notes()) undelivered += errands.length
    return { undelivered, open: this.#held.size }
  }

  get #isIdle(): boolean {
    return this.#queue.length === 0 && this.#outbox.isEmpty && this.#courier.isIdle
  }

  /** Whether the store cannot be reached. */
  get #isCutOff(): boolean {
    return this.#trouble !== undefined
  }

  /** Somebody waits: what is said with it goes along. */
  #hasten(): void {
    if (this.#isHastened) return
    this.#isHastened = true
    this.#isScheduled = true
    this.#around.next(this.#flushScheduled)
  }

  /** Nobody waits for it: who asks something before long takes it along. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#around.soon(this.#flushScheduled)
  }

  /** Whoever comes first sends everything. */
  readonly #flushScheduled = (): void => {
    if (!this.#isScheduled) return
    this.#isScheduled = false
    this.#isHastened = false
    this.#flush()
  }

  #flush(): void {
    if (this.#isClosed) return
    if (this.#isCutOff) {
      for (const asking of this.#queue.splice(0)) this.#goApart(asking)
      // A batch that failed is tried again and again: when it arrives, the others follow.
      return
    }
    while (this.#courier.isFree && !(this.#queue.length === 0 && this.#outbox.isEmpty)) this.#sendNext()
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
    if (wanted.length < next.length) this.#drop(next.filter(({ ticket }) => ticket.state === "over"))
    return wanted
  }

  /** Nobody waits for the answers any more. Others may ask instead. */
  #drop(askings: ReadonlyArray<Asking>): void {
    const changed = new Set<Gate>()
    for (const asking of askings) {
      noteAnswered(asking)
      addContended(asking, changed)
    }
    this.#blocked.retry(changed, isForgotten)
    this.#admission.recheck(changed)
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
    this.#courier.send(operations, { askings, errands, watched, isWoken: false })
    this.#aim(this.#admission.timeline.now())
  }

  #answered({ membership, note }: Sent<Note>, answer: Answer): void {
    this.#reached()
    const isCurrent = membership === this.#courier.membership
    if (answer._tag === "Applied") this.#applied(note, answer, isCurrent)
    else this.#expelled(note, answer._tag, isCurrent)
    this.#flush()
    this.#noteIdle()
    this.#aim(this.#admission.timeline.now())
  }

  #applied({ askings, errands, isWoken, watched }: Note, answer: Applied, isCurrent: boolean): void {
    const changed = new Set<Gate>()
    const verdicts = answer.verdicts.values()
    const taken: Taken = { takenAt: answer.now, aheadMillis: 0 }
    for (const { leaves, onVerdict } of errands) {
      if (leaves !== undefined) this.#blocked.leave(leaves)
      const isTaken = onVerdict !== undefined && verdicts.next().value === undefined
      onVerdict?.(isTaken ? answer.now : undefined, this.#admission.timeline.now())
    }
    for (const asking of askings) {
      const verdict = verdicts.next().value
      if (asking.ticket.state !== "asked") this.#unwanted(asking, verdict, taken)
      // What was admitted before the lease was over has been settled with it.
      else if (!isCurrent) this.#queue.push(asking)
      else if (verdict === undefined) this.#grant(asking, taken)
      else this.#refused(asking, verdict)
      addContended(asking, changed)
    }
    const sights = answer.sights.values()
    const tightened = answer.tightened.values()
    for (const { asserts, frees, looksAt, onSight, onTightened } of errands) {
      for (const ticket of asserts ?? []) {
        ticket.takenAt = answer.now
        ticket.aheadMillis = 0
      }
      if (frees !== undefined) this.#blocked.retry(changed, ({ node }) => frees.nodes.includes(node))
      if (looksAt !== undefined) this.#see(looksAt, sights.next().value)
      onSight?.()
      if (onTightened !== undefined) onTightened(tightened.next().value ?? [])
    }
    for (const node of watched) {
      this.#see(node, sights.next().value)
      this.#admission.noteUse(node.gates)
    }
    // The message may have come before the refusal after which it was sent.
    if (isWoken) this.#blocked.retry(changed)
    this.#blocked.retry(changed, isForgotten)
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

  #refused(asking: Asking, { askAgainInMillis, index, readyInMillis, reserved, ticket: turn, used }: Refused): void {
    const { amounts, hold, route, ticket } = asking
    const now = this.#admission.timeline.now()
    const at = readyInMillis < AFTER_SETTLEMENT ? now + readyInMillis : readyInMillis
    hold.turn = turn
    this.#listen()
    forEachState(asking, (state, amount) => state.comesBy(amount, at))
    this.#takeBack(asking)
    const gate = hold.path.gates[route.indices[index] ?? -1]
    this.#noteTurn(hold, gate)
    if (gate === undefined) {
      this.#admission.hearPause(route.nodes[-1 - index]!, at)
    } else {
      // Whom nobody wakes asks again: not all processes at once.
      const lateBy = at < AFTER_SETTLEMENT ? 0 : Math.floor((askAgainInMillis * this.#around.random()) / 10)
      const asksAt = now + askAgainInMillis + lateBy
      this.#blocked.block(gate, amounts[index]!, { at, asksAt, reserved, used })
    }
    ticket.answer("refused")
  }

  /** Somebody asked, and went on or away before there was an answer. */
  #unwanted(asking: Asking, verdict: Verdict, taken: Taken): void {
    const { amounts, hold, route } = asking
    noteAnswered(asking)
    if (verdict === undefined) this.#outbox.settle(route, amounts, taken, undefined)
    else if (verdict.ticket !== undefined) {
      this.#outbox.add(withdrawal(route, verdict.ticket, hold.path.gates[route.indices[verdict.index] ?? -1]))
    }
  }

  /** Begins anew when the store has ended a lease or has lost its data. Nothing of the batch was done. */
  #expelled({ askings, errands }: Note, why: "Lapsed" | "Forgotten", isCurrent: boolean): void {
    if (isCurrent) {
      this.#courier.rename()
      this.#stocks.forget()
      for (const hold of this.#turns.keys()) this.#noteTurn(hold, undefined)
      if (why === "Lapsed") this.#lapse()
      else this.#assertAll()
    }
    this.#queue.push(...askings.filter(({ ticket }) => ticket.state === "asked"))
    for (const errand of errands) {
      const { operation } = errand
      if (operation._tag === "Settle") {
        // What was settled with the lease is not settled again. What was lost with the data was used all the same.
        if (why === "Forgotten" && errand.frees !== undefined)
          this.#outbox.charge(errand.frees, operation.actuals, operation.usage)
      } else if (errand.onVerdict !== undefined) errand.onVerdict(undefined, this.#admission.timeline.now())
      else if (operation._tag !== "Withdraw" && operation._tag !== "Assert") this.#outbox.add(errand)
    }
    this.#drop(askings.filter(({ ticket }) => ticket.state !== "asked"))
  }

  /** The store has settled what this process held, because it had not heard of it for too long. */
  #lapse(): void {
    const late = this.#outbox.dropSettles()
    for (const { hold, ticket } of this.#held.values()) {
      ticket.state = "over"
      tell(hold.path, { _tag: "LeaseExpired", call: hold.arrival, budget: hold.node.name, estimate: hold.estimate })
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

  /** The store cannot be reached: whoever asks gets along without it, or fails. */
  #cutOff(cause: unknown): void {
    if (!this.#isCutOff) {
      this.#trouble = { cause }
      for (const gate of this.#gates()) if (gate.state instanceof SharedState) gate.state.cutOff(true)
      this.#stocks.close()
      for (const node of this.#nodes.keys())
        tell(this.#admission.path(node), { _tag: "StoreUnreachable", budget: node.name, cause })
      this.#log(`the store of the budgets of "${this.group}" cannot be reached`, cause)
    }
    for (const { askings, errands } of this.#courier.notes()) {
      for (const asking of askings) this.#goApart(asking)
      for (const { onSight } of errands) onSight?.()
    }
    for (const asking of this.#queue.splice(0)) this.#goApart(asking)
    this.#admission.recheck(this.#gates())
    this.#aim(this.#admission.timeline.now())
  }

  #reached(): void {
    if (!this.#isCutOff) return
    this.#trouble = undefined
    for (const gate of this.#gates()) if (gate.state instanceof SharedState) gate.state.cutOff(false)
    for (const node of this.#nodes.keys()) tell(this.#admission.path(node), { _tag: "StoreReached", budget: node.name })
    this.#log(`the store of the budgets of "${this.group}" can be reached again`)
    this.#admission.recheck(this.#gates())
  }

  /** Lets somebody who asks get along without the store, as the policy says. */
  #goApart(asking: Asking): void {
    const { hold, ticket } = asking
    const { whenUnreachable } = this.#settings
    if (ticket.state !== "asked") return noteAnswered(asking)
    if (whenUnreachable === "fail") {
      this.#takeBack(asking)
      const budget = hold.node.name
      return ticket.answer(BudgetError.make(new BudgetError.BudgetStoreError({ budget, cause: this.#trouble?.cause })))
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
      noteAnswered(asking)
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

  /** Hears from now on when there may be room. Before anybody was refused, there is nothing to hear. */
  #listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    const wake = (): void => {
      for (const note of this.#courier.notes()) note.isWoken = true
      const changed = new Set<Gate>()
      this.#blocked.retry(changed)
      this.#admission.recheck(changed)
    }
    const onWake = (member: string): void => {
      if (member === this.#courier.membership.name) wake()
    }
    this.#around.fork(
      this.#store.listen(this.group, onWake).pipe(
        // What was said before could not be heard.
        Effect.andThen(Effect.sync(wake)),
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
    const changed = new Set<Gate>()
    this.#courier.tend(now)
    this.#blocked.tend(now, changed)
    this.#stocks.tend(now)
    this.#admission.recheck(changed)
    if (this.#renewAt <= now) this.#send([], [])
    if (!this.#outbox.isEmpty) this.#schedule()
    this.#aim(now)
  }

  get #renewAt(): number {
    // Whatever is on its way renews the lease, too.
    if (this.#held.size === 0 || !this.#courier.isIdle) return Number.POSITIVE_INFINITY
    return this.#courier.lastSentAt + Math.floor(this.#settings.leaseMillis / 3)
  }

  /** Sets the alarm to what is due next. One that rings too early finds nothing to do. */
  #aim(now: number): void {
    const next = Math.min(this.#blocked.dueAt, this.#stocks.dueAt, this.#courier.dueAt, this.#renewAt)
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

/** Takes back a request that the store knows as waiting. */
const withdrawal = (route: SharedRoute, turn: number, gate: Gate | undefined): Errand => {
  const operation: Operation = { _tag: "Withdraw", route, ticket: turn }
  return gate === undefined ? { operation } : { operation, leaves: { gate, turn } }
}

/** Whether somebody waits at a gate in this process of whom the store does not know. */
const isForgotten = ({ isContended, state }: Gate): boolean =>
  isContended && state instanceof SharedState && state.isForgotten

type Applied = Extract<Answer, { _tag: "Applied" }>

/** How many may ask in one batch. */
const ASKINGS_MAX = 256
