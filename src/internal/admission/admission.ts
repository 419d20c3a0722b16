import * as Effect from "effect/Effect"
import type * as Limit from "../../Limit.ts"
import * as Meter from "../../Meter.ts"
import type * as Usage from "../../Usage.ts"
import { NOT_IN_HEAP } from "../heap.ts"
import { CapState } from "../limit/cap.ts"
import { PauseState } from "../limit/pause.ts"
import { SharedState } from "../limit/shared.ts"
import { starting } from "../limit/start.ts"
import { AFTER_SETTLEMENT, type LimitState, NEVER } from "../limit/state.ts"
import { isSpokenOf, type ProviderLimit, type Tightening, tightening } from "../limit/tighten.ts"
import { type Alarm, Timeline } from "../timeline.ts"
import { candidates, noteOvertaking, overtakableAt } from "./backfill.ts"
import { largestPassing } from "./elastic.ts"
import { Hold } from "./hold.ts"
import { Line, type Outcome, type Waiter } from "./line.ts"
import type { OnTightened } from "./link.ts"
import { isHeard, tell } from "./listeners.ts"
import type { BudgetNode, Conduct, Gate, Path } from "./node.ts"
import { isPinned, park, pin, unpark } from "./parking.ts"
import { invalidEstimate, reasonOf, refusal } from "./refusal.ts"
import { Carving, type SliceNode } from "./slice.ts"

/** What keeps a request out: the gate that will let it in last, and when. */
export interface Obstacle {
  readonly gate: Gate
  readonly amount: number
  /** An instant, `AFTER_SETTLEMENT` or `NEVER`. */
  readonly at: number
}

/** What is kept in a cap. */
export interface Kept {
  readonly state: CapState
  readonly amount: number
}

/**
 * Lets requests pass all gates of their path at one instant, or keeps them in line until they can.
 *
 * Whoever waits holds nothing. The head of a line waits at the gate that will let it in last and keeps back only
 * younger requests, and only there. It goes to another gate when it has its turn in vain or keeps somebody out in vain.
 * When that has happened a few times, it is pinned: it keeps its place at all its gates at once, so that nothing but
 * backfilling passes it any more. The oldest pinned request is kept back by nobody, and what was admitted before it
 * settles or leaves its window: it gets its turn.
 *
 * Budgets under one clock share one admission, which is the only writer of their ledgers.
 */
export class Admission {
  readonly timeline: Timeline
  /** Makes the state of a limit that nobody has used yet. */
  readonly start: (limit: Limit.Limit) => LimitState
  #arrivals = 0
  /** Grows when a budget gets or loses a gate, which makes known paths outdated. */
  #edition = 1
  readonly #dirty: Array<Gate> = []

  private constructor(timeline: Timeline) {
    this.timeline = timeline
    this.start = starting(timeline.readWallOffset)
  }

  /** The admission of the clock that is current. */
  static readonly current: Effect.Effect<Admission> = Effect.map(Timeline.current, (timeline) => {
    let admission = admissions.get(timeline)
    if (admission === undefined) {
      admission = new Admission(timeline)
      admissions.set(timeline, admission)
    }
    return admission
  })

  /** The way of a reservation of a budget, as it is now. */
  path(node: BudgetNode): Path {
    return node.path(this.#edition)
  }

  /** A request of an estimate that may be nonsense. With `least` it is elastic, and asks for that. */
  ask(node: BudgetNode, estimate: Usage.Usage, least: Usage.Usage | undefined, priority: number): Hold {
    return least === undefined
      ? new Hold(node, estimate, undefined, priority, ++this.#arrivals)
      : new Hold(node, least, estimate, priority, ++this.#arrivals)
  }

  /** A request of what a slice sets aside. When it is let in, the slice is open. */
  askToCarve(node: SliceNode): Hold {
    return new Carving(node, ++this.#arrivals)
  }

  /** Takes what is asked for, and measured, if that is possible at once. Otherwise says what is in the way. */
  tryTake(hold: Hold, now: number): Obstacle | undefined {
    this.#serveEarlier(hold, now)
    const obstacle = this.#obstacle(hold, now)
    if (obstacle !== undefined && !this.#hasToAsk(hold, obstacle, now)) return obstacle
    this.#take(hold, now)
    return undefined
  }

  /**
   * Whether to ask a store in spite of an obstacle: somebody who does not wait wants to know how long it lasts, or
   * something may have been given back of which nobody was told, because the store knows of nobody who waits here.
   */
  #hasToAsk(hold: Hold, { amount, at, gate }: Obstacle, now: number): boolean {
    const { isContended, state } = gate
    if (isContended || !(state instanceof SharedState) || !this.#mayAskAgain(hold, gate)) return false
    const isUncertain = at === AFTER_SETTLEMENT && state.isForgotten
    const isWorthIt = isUncertain || (!hold.isPatient && !state.knows(amount, now))
    return isWorthIt && this.#passesHere(hold, now)
  }

  /** Whoever was refused asks again at once only where it waits: elsewhere it would not become known by that. */
  #mayAskAgain(hold: Hold, gate: Gate): boolean {
    return hold.ticket === undefined || (hold.isPatient && hold.path.shared?.link.waitsAt(hold) === gate)
  }

  /** Whether the limits that are this process's own let a request in. */
  #passesHere(hold: Hold, now: number): boolean {
    return hold.path.gates.every((gate, index) => {
      const amount = hold.amounts[index]!
      if (amount === 0 || gate.isShadow || gate.state instanceof SharedState) return true
      return gate.state.readyAt(amount, now) <= now && this.#passableAt(gate, hold, amount, now) <= now
    })
  }

  /** Whether an obstacle is certain to outlast an instant: nothing that is open could give anything back before. */
  outlasts({ amount, gate }: Obstacle, now: number, until: number): boolean {
    const readyAt = gate.state.readyAt(amount, now)
    return readyAt > until && readyAt < AFTER_SETTLEMENT && gate.state.reserved === 0 && !gate.isContended
  }

  /** Puts a request that found an obstacle in line. It may be let in before this returns. */
  wait(hold: Hold, obstacle: Obstacle, until: number, now: number): Waiter {
    const line = this.#lineOf(hold.node)
    const formerHead = line.head
    const waiter = line.join(hold, obstacle.gate, hold.waiter?.since ?? now)
    hold.waiter = waiter
    this.#noteWaiting(hold)
    if (formerHead === undefined) park(line, obstacle.gate)
    else if (line.head === waiter) this.#headChanged(line, formerHead)
    this.#touchAll(line.gates)
    if (until < AFTER_SETTLEMENT) {
      waiter.deadline = alarm(hold.arrival, (time) => this.#expire(waiter, time))
      this.timeline.set(waiter.deadline, until)
    }
    this.#run(now)
    return waiter
  }

  /** Ends the waiting of a request that is not wanted any more, as if it had never asked. */
  withdraw(hold: Hold): void {
    const { path, turn, waiter } = hold
    if (turn !== undefined) path.shared?.link.leave(hold, path.shared)
    if (waiter === undefined || waiter.outcome !== undefined) return
    this.#end(waiter, "withdrawn")
    this.#run(this.timeline.now())
  }

  /** Settles with what was really used, which is valid. */
  commit(hold: Hold, actual: Usage.Usage): void {
    const { counting, gates, hasThresholds, nodes } = hold.path
    let now: number | undefined
    hold.status = "committed"
    if (hasThresholds) seeThresholds(counting, (now = this.timeline.now()))
    for (let index = 0; index < gates.length; index++) {
      const { meter, state } = gates[index]!
      const excess = state.settle(hold.amounts[index]!, meter.measure(actual), hold.takenAt)
      if (excess > 0) state.charge(excess, (now ??= this.timeline.now()))
    }
    for (const { ledger } of nodes) ledger.settle(actual)
    this.#settleShared(hold, actual)
    if (now !== undefined && hasThresholds) this.#tellReached(counting, now)
    this.#afterSettlement(hold.path)
  }

  /** Gives everything back. */
  release(hold: Hold): void {
    const { gates, nodes } = hold.path
    hold.status = "released"
    for (let index = 0; index < gates.length; index++) {
      gates[index]!.state.settle(hold.amounts[index]!, 0, hold.takenAt)
    }
    for (const { ledger } of nodes) ledger.open--
    this.#settleShared(hold, undefined)
    this.#afterSettlement(hold.path)
  }

  /** Takes a hold back that a store has not let in. */
  takeBack(hold: Hold): void {
    const { gates, nodes, shared } = hold.path
    hold.status = "asked"
    hold.refusals++
    for (let index = 0; index < gates.length; index++) {
      if (shared?.indices.includes(index) === true) continue
      gates[index]!.state.settle(hold.amounts[index]!, 0, hold.takenAt)
    }
    for (const { ledger } of nodes) ledger.open--
    hold.shrink()
    this.#afterSettlement(hold.path)
  }

  /** Looks again at gates of which something new is known. */
  recheck(gates: Iterable<Gate>): void {
    for (const gate of gates) if (gate.isContended) this.#touch(gate)
    this.#run(this.timeline.now())
  }

  /** Tells which thresholds are reached and who waits in vain, where a store has told how full limits are. */
  noteUse(gates: ReadonlyArray<Gate>): void {
    const now = this.timeline.now()
    seeThresholds(gates, now)
    this.#tellReached(gates, now)
    for (const gate of gates) if (gate.largestWaiting > 0) this.#failHopeless(gate)
  }

  /** Records usage that had no reservation, which is valid. */
  charge(path: Path, usage: Usage.Usage): void {
    const { counting, gates, hasThresholds, nodes } = path
    const now = this.timeline.now()
    if (hasThresholds) seeThresholds(counting, now)
    for (const { meter, state } of gates) {
      const amount = meter.measure(usage)
      if (amount > 0) state.charge(amount, now)
    }
    for (const { ledger } of nodes) ledger.charge(usage)
    path.shared?.link.charge(path, path.shared, usage)
    if (hasThresholds) this.#tellReached(counting, now)
    this.#afterSettlement(path)
  }

  /** Charges what others have used of a provider's limit, as far as the budget's own limits have more left. */
  tighten(node: BudgetNode, said: ProviderLimit, onTightened: OnTightened): void {
    const now = this.timeline.now()
    const wall = now - this.timeline.wallOffset
    if (node.shared !== undefined) {
      const limits = node.asShared?.limits.filter((limit) => isSpokenOf(limit, said, wall)) ?? []
      return node.shared.link.tighten(node, limits, said.remaining, onTightened)
    }
    const tightened: Array<Tightening> = []
    seeThresholds(node.gates, now)
    for (const gate of node.gates) {
      const found = tightening(gate.state, said, now, wall)
      if (found === undefined) continue
      gate.state.charge(found.by, now)
      tightened.push(found)
      // Who starts later now can be overtaken by some who could not overtake it before.
      if (gate.isContended) this.#touch(gate)
    }
    this.#tellReached(node.gates, now)
    this.#run(now)
    onTightened(tightened)
  }

  /** Admits nothing before an instant of the clock, and then everything or, gradually, one after the other. */
  pause(node: BudgetNode, untilWall: number, isGradual: boolean): void {
    const now = this.timeline.now()
    node.shared?.link.pause(node, untilWall - (now - this.timeline.wallOffset), isGradual)
    // The slots of a gradual end are the store's.
    this.#pauseHere(node, untilWall, isGradual && node.shared === undefined, now)
  }

  /** Keeps to a pause that a store has told of. */
  hearPause(node: BudgetNode, until: number): void {
    this.#pauseHere(node, until - this.timeline.wallOffset, false, this.timeline.now())
  }

  #pauseHere(node: BudgetNode, untilWall: number, isGradual: boolean, now: number): void {
    const isFirst = node.ledger.pause === undefined
    node.ledger.pauseUntil(untilWall + this.timeline.wallOffset, isGradual, now)
    if (isFirst) this.#rebuild(node, now)
    for (const gate of node.gates) if (gate.isContended) this.#touch(gate)
    this.#run(now)
  }

  /** Puts other limits in place, and another conduct. Those that keep their name keep what they have counted. */
  update(node: BudgetNode, limits: ReadonlyArray<Limit.Limit>, conduct = node.conduct): void {
    const now = this.timeline.now()
    node.ledger.update(limits, now)
    if (conduct !== node.conduct) this.#conduct(node, conduct)
    this.#rebuild(node, now)
    seeThresholds(node.gates, now)
    this.#tellReached(node.gates, now)
    this.#run(now)
  }

  /** Gives back what a slice has set aside and nobody uses any more. Who calls it from now on passes all gates. */
  endSlice(node: SliceNode): void {
    if (!node.isOpen) return
    const before = this.path(node)
    const now = this.timeline.now()
    node.close()
    this.#edition++
    this.#rebuild(node, now)
    this.#afterSettlement(before)
  }

  /** Reserves a usage in a budget's own caps, and in what it has carved, for which nobody waits. It is known to fit. */
  keep(node: BudgetNode, usage: Usage.Usage): ReadonlyArray<Kept> {
    const own = this.path(node).gates.filter((gate) => gate.node === node)
    const kept = own.flatMap(({ meter, state }) =>
      state instanceof CapState ? [{ state, amount: meter.measure(usage) }] : []
    )
    for (const { amount, state } of kept) state.keep(amount)
    return kept
  }

  /** Gives back what was kept. */
  giveBack(node: BudgetNode, kept: ReadonlyArray<Kept>): void {
    for (const { amount, state } of kept) state.giveBack(amount)
    this.#afterSettlement(this.path(node))
  }

  #settleShared(hold: Hold, actual: Usage.Usage | undefined): void {
    const { path, ticket } = hold
    if (ticket !== undefined && path.shared !== undefined) path.shared.link.settle(hold, path.shared, ticket, actual)
  }

  #conduct(node: BudgetNode, conduct: Conduct): void {
    node.conduct = conduct
    for (const gate of node.gates) gate.watch()
    this.#edition++
  }

  /** Ends the waiting of everyone in a budget's line. */
  close(node: BudgetNode): void {
    for (const waiter of node.line?.waiters() ?? []) this.#end(waiter, "closed")
    this.#run(this.timeline.now())
  }

  /** Lets those in first who came earlier and can go by now: a timer can be late, or just about to ring. */
  #serveEarlier({ node, path }: Hold, now: number): void {
    for (const gate of path.gates) if (gate.alarm !== undefined && isOverdue(gate.alarm, now)) this.#touch(gate)
    if (node.line !== undefined) this.#touchAll(node.line.gates)
    if (this.#dirty.length > 0) this.#run(now)
  }

  /** What keeps a request out. Or what would, if the shadow limits of its path were real and the others were not. */
  #obstacle(hold: Hold, now: number, ofShadows = false): Obstacle | undefined {
    const { gates } = hold.path
    const amounts = hold.amounts
    let worst: Gate | undefined
    let worstAmount = 0
    let worstAt = now
    for (let index = 0; index < gates.length; index++) {
      const amount = amounts[index]!
      if (amount === 0) continue
      const gate = gates[index]!
      if (gate.isShadow !== ofShadows) continue
      let at = gate.state.readyAt(amount, now)
      if (at <= now && (gate.isContended || hold.node.line !== undefined))
        at = this.#passableAt(gate, hold, amount, now)
      if (at > worstAt) {
        worst = gate
        worstAmount = amount
        worstAt = at
      }
    }
    return worst === undefined ? undefined : { gate: worst, amount: worstAmount, at: worstAt }
  }

  /** When a request that there is room for may pass those who wait at the gate, and the head of its own line. */
  #passableAt(gate: Gate, hold: Hold, amount: number, now: number): number {
    if (!gate.canKeepWaiting) return now
    const { head } = gate
    const at = head === undefined ? now : overtakableAt(head, gate, hold, amount, now)
    const ownHead = hold.node.line?.head
    return ownHead === undefined || ownHead === head
      ? at
      : Math.max(at, overtakableAt(ownHead, gate, hold, amount, now))
  }

  /** Grants an elastic request that can be let in as much as passes all gates now, by the rules for who asks for it. */
  #stretch(hold: Hold, most: Usage.Usage, now: number): void {
    const passes = (usage: Usage.Usage): boolean =>
      hold.askFor(usage) && hold.hadRoom() && this.#obstacle(hold, now) === undefined
    hold.askFor(largestPassing({ least: hold.estimate, most }, passes))
  }

  #take(hold: Hold, now: number): void {
    // As for any limit, an elastic request is asked for its least.
    if (hold.path.hasShadows && isHeard(hold.path)) this.#noteShadow(hold, now)
    if (hold.most !== undefined && hold.refusals < STRETCHES_MAX) this.#stretch(hold, hold.most, now)
    const { counting, gates, hasThresholds } = hold.path
    if (hasThresholds) seeThresholds(counting, now)
    for (let index = 0; index < gates.length; index++) {
      const gate = gates[index]!
      if (gate.isContended && hold.amounts[index]! > 0) noteOvertaking(gate.head!, hold, now)
    }
    hold.take(now)
    if (hasThresholds) this.#tellReached(counting, now)
  }

  #noteShadow(hold: Hold, now: number): void {
    const obstacle = this.#obstacle(hold, now, true)
    if (obstacle === undefined) return
    const { arrival: call, estimate, node } = hold
    hold.shadowed = { _tag: "Shadowed", call, budget: node.name, estimate, reason: reasonOf(obstacle, now) }
  }

  #tellReached(gates: ReadonlyArray<Gate>, now: number): void {
    for (const { node, state, thresholds } of gates) {
      const { limit } = state
      if (thresholds === undefined || limit._tag === "Pause") continue
      const used = state.used(now)
      for (const threshold of thresholds.reached(used, limit.max)) {
        tell(this.path(node), { _tag: "ThresholdReached", budget: node.name, limit, threshold, used })
      }
    }
  }

  #noteWaiting(hold: Hold): void {
    for (const gate of hold.path.gates) {
      if (gate.state.limit._tag === "Cap" && !gate.isShadow)
        gate.largestWaiting = Math.max(gate.largestWaiting, hold.amountAt(gate))
    }
  }

  #afterSettlement({ counting, nodes }: Path): void {
    for (const gate of counting) {
      if (gate.isContended) this.#touch(gate)
      if (gate.largestWaiting > 0) this.#failHopeless(gate)
    }
    // Behind a head that waits elsewhere, somebody may have waited for this.
    for (const { line } of nodes) if (line !== undefined) this.#touchAll(line.gates)
    if (this.#dirty.length > 0) this.#run(this.timeline.now())
  }

  /** Fails whoever asks for more than a cap will ever give again. */
  #failHopeless(gate: Gate): void {
    const now = this.timeline.now()
    if (gate.isShadow || gate.state.readyAt(gate.largestWaiting, now) !== NEVER) return
    gate.largestWaiting = 0
    for (const line of gate.node.lines) {
      for (const waiter of line.waiters()) {
        const amount = waiter.hold.amountAt(gate)
        if (gate.state.readyAt(amount, now) !== NEVER) gate.largestWaiting = Math.max(gate.largestWaiting, amount)
        else if (amount > 0) this.#end(waiter, refusal({ gate, amount, at: NEVER }, now))
      }
    }
  }

  /** Lets in whoever has become able to go. */
  #run(now: number): void {
    for (let gate = this.#dirty.pop(); gate !== undefined; gate = this.#dirty.pop()) {
      gate.isDirty = false
      this.#serve(gate, now)
    }
  }

  #serve(gate: Gate, now: number): void {
    let wakeAt = AFTER_SETTLEMENT
    for (let { head } = gate; head !== undefined; head = gate.head) {
      const obstacle = this.#obstacle(head.hold, now)
      if (obstacle === undefined) this.#admit(head, now)
      else if (obstacle.at === NEVER) this.#end(head, refusal(obstacle, now))
      else if (obstacle.gate !== gate && this.#isInVain(head, gate, now)) this.#passOn(head, obstacle.gate)
      else {
        const readyAt = gate.state.readyAt(head.hold.amountAt(gate), now)
        wakeAt = Math.min(readyAt > now ? readyAt : AFTER_SETTLEMENT, this.#backfill(gate, head, now))
        break
      }
    }
    if (wakeAt < AFTER_SETTLEMENT) this.timeline.set((gate.alarm ??= this.#alarmOf(gate)), wakeAt)
    else if (gate.alarm !== undefined) this.timeline.cancel(gate.alarm)
  }

  /** Lets those behind a head pass it who do not delay it. Says when the next one might. */
  #backfill(gate: Gate, head: Waiter, now: number): number {
    let nextAt = AFTER_SETTLEMENT
    // Where everyone needs the same and there is none of it, nobody needs to be asked.
    if (gate.meter === Meter.reservations && gate.state.readyAt(1, now) > now) return nextAt
    for (const waiter of candidates(gate, head)) {
      if (waiter.outcome !== undefined) continue
      const { line } = waiter
      const obstacle = this.#obstacle(waiter.hold, now)
      if (obstacle === undefined) this.#admit(waiter, now)
      // It was not its turn here, so that it is not in vain that it goes where it will be let in last.
      else if (obstacle.gate !== gate && waiter === line.head && !isPinned(line))
        this.#move(line, waiter, obstacle.gate)
      else nextAt = Math.min(nextAt, obstacle.at)
    }
    return nextAt
  }

  /**
   * Whether a head had better wait where it will be let in last: it has its turn in vain, or keeps somebody out in
   * vain. Before, it stays, so that where it waits does not depend on how often somebody looks.
   */
  #isInVain(head: Waiter, gate: Gate, now: number): boolean {
    if (isPinned(head.line)) return false
    // Where the gates of a budget change, it may have come to stand at one that keeps nobody out.
    if (gate.isShadow) return true
    const amount = head.hold.amountAt(gate)
    return amount === 0 || gate.state.readyAt(amount, now) <= now || this.#keepsOut(head, gate, now)
  }

  /** Whether there is room at a gate for somebody behind its head. */
  #keepsOut(head: Waiter, gate: Gate, now: number): boolean {
    return candidates(gate, head).some(({ hold }) => {
      const amount = hold.amountAt(gate)
      const isRoom = amount > 0 && gate.state.readyAt(amount, now) <= now
      return isRoom && overtakableAt(head, gate, hold, amount, now) > now
    })
  }

  #admit(waiter: Waiter, now: number): void {
    this.#take(waiter.hold, now)
    const { flow, gates } = waiter.line
    flow?.serve(waiter.hold.amountAt(gates[0]!))
    this.#end(waiter, "admitted")
  }

  /** Ends a waiting that has taken as long as it may. Whom no limit keeps back, those before it did. */
  #expire(waiter: Waiter, now: number): void {
    const gate = waiter.line.gates[0]!
    const obstacle = this.#obstacle(waiter.hold, now) ?? { gate, amount: waiter.hold.amountAt(gate), at: now }
    this.#end(waiter, refusal(obstacle, now))
    this.#run(now)
  }

  #end(waiter: Waiter, outcome: Outcome): void {
    this.#leave(waiter)
    waiter.end(outcome)
  }

  #leave(waiter: Waiter): void {
    const { line } = waiter
    const wasHead = line.head === waiter
    if (waiter.deadline !== undefined) this.timeline.cancel(waiter.deadline)
    line.leave(waiter)
    if (line.head === undefined) {
      this.#touchAll(unpark(line, waiter))
      line.node.line = undefined
      for (const node of waiter.hold.path.nodes) node.removeLine(line)
    } else if (wasHead) {
      this.#headChanged(line, waiter)
    }
    this.#touchAll(line.gates)
  }

  #headChanged(line: Line, former: Waiter): void {
    const { gate } = line.head!
    // While the gates of its budget change, it waits nowhere.
    if (line.gates.length === 0) return
    // Where the former head waited was its own affair. The next one begins where it has found an obstacle.
    if (isPinned(line) || line.gates[0] !== gate) this.#move(line, former, gate)
    else if (line.flow !== undefined) line.gates[0]!.queue!.headChanged(line)
  }

  /** Lets a head that had its turn in vain wait at another gate, or at all of them when that has happened too often. */
  #passOn(head: Waiter, gate: Gate): void {
    if (!(gate.state instanceof PauseState)) head.moves++
    if (head.moves < MOVES_MAX) return this.#move(head.line, head, gate)
    this.#touchAll(unpark(head.line, head))
    pin(head)
    this.#touchAll(head.line.gates)
  }

  #move(line: Line, head: Waiter, gate: Gate): void {
    this.#touchAll(unpark(line, head))
    line.head!.gate = gate
    park(line, gate)
    this.#touch(gate)
  }

  /** Gives a budget the gates of its ledger and lets everyone who waits for it, or inside it, start anew there. */
  #rebuild(node: BudgetNode, now: number): void {
    for (const line of node.lines) this.#touchAll(unpark(line, line.head!))
    if (node.rebuildGates()) this.#edition++
    for (const line of node.lines) {
      for (const waiter of line.waiters()) this.#remeasure(waiter, now)
    }
    for (const line of node.lines) this.#parkAnew(line, now)
  }

  /** Measures a waiter on its changed path, and ends its waiting when it can never pass there. */
  #remeasure(waiter: Waiter, now: number): void {
    const { hold } = waiter
    const problem = hold.measureOn(this.path(hold.node))
    if (problem !== undefined) return this.#end(waiter, invalidEstimate(hold, problem))
    this.#noteWaiting(hold)
    const obstacle = this.#obstacle(hold, now)
    if (obstacle?.at === NEVER) this.#end(waiter, refusal(obstacle, now))
    else waiter.gate = obstacle?.gate ?? hold.path.gates[0] ?? waiter.gate
  }

  /** Parks a line at a gate, or lets everyone in where there is none any more. */
  #parkAnew(line: Line, now: number): void {
    for (let { head } = line; head !== undefined; head = line.head) {
      const gate = this.#obstacle(head.hold, now)?.gate ?? head.hold.path.gates[0]
      if (gate === undefined) {
        this.#admit(head, now)
        continue
      }
      head.gate = gate
      park(line, gate)
      return this.#touch(gate)
    }
  }

  #lineOf(node: BudgetNode): Line {
    if (node.line !== undefined) return node.line
    const line = new Line(node)
    node.line = line
    for (const around of this.path(node).nodes) around.addLine(line)
    return line
  }

  #touchAll(gates: ReadonlyArray<Gate>): void {
    for (const gate of gates) this.#touch(gate)
  }

  #touch(gate: Gate): void {
    if (gate.isDirty) return
    gate.isDirty = true
    this.#dirty.push(gate)
  }

  #alarmOf(gate: Gate): Alarm {
    return alarm(-gate.number, (now) => {
      this.#touch(gate)
      this.#run(now)
    })
  }
}

const seeThresholds = (gates: ReadonlyArray<Gate>, now: number): void => {
  for (const { state, thresholds } of gates) thresholds?.see(state.used(now), state.limit.max)
}

const admissions = new WeakMap<Timeline, Admission>()

// How often a store is asked for more than the least: each refusal only says that it was too much.
const STRETCHES_MAX = 3

// How often a request may have its turn in vain before it keeps its place at all its gates.
const MOVES_MAX = 4

const isOverdue = (alarm: Alarm, now: number): boolean => alarm.heapIndex !== NOT_IN_HEAP && alarm.at <= now

const alarm = (rank: number, ring: (now: number) => void): Alarm => ({ rank, at: 0, heapIndex: NOT_IN_HEAP, ring })
