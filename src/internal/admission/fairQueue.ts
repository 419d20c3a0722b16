import { Heap, type HeapItem, NOT_IN_HEAP } from "../heap.ts"
import type { Line, Waiter } from "./line.ts"
import type { BudgetNode } from "./node.ts"

/**
 * The lines that wait at one gate, in the order of start-time fair queueing (Goyal, Vin and Cheng, 1996).
 *
 * Every budget directly inside the gate's own is a flow, and the gate's own line is one. Flows are served in
 * proportion to their weights, counted in the gate's amounts. A flow shares what it gets among its own line and the
 * budgets inside it in the same way.
 */
export class FairQueue {
  /** How many lines wait. */
  size = 0
  readonly #flows: Flows

  constructor(owner: BudgetNode) {
    this.#flows = new Flows(owner, undefined)
  }

  /** The line whose turn it is. */
  get first(): Line | undefined {
    let flow = this.#flows.active.first
    while (flow?.inner !== undefined) flow = flow.inner.active.first
    return flow?.line
  }

  add(line: Line): void {
    let flows = this.#flows
    const chain = line.node.chainFrom(flows.owner) ?? []
    for (const node of chain.slice(0, -1)) flows = flows.of(node).open()
    const flow = flows.of(line.node)
    const own = flow.inner === undefined || flow.node === flows.owner ? flow : flow.inner.of(flow.node)
    own.line = line
    line.flow = own
    own.activate(line.head!.hold.arrival)
    this.size++
  }

  /** Takes note that somebody else is now the head of a line. */
  headChanged(line: Line): void {
    line.flow!.rank(line.head!.hold.arrival)
  }

  remove(line: Line): void {
    line.flow!.line = undefined
    line.flow!.deactivate()
    line.flow = undefined
    this.size--
  }

  /** The first few of the lines that wait, in fair order. */
  some(count: number): ReadonlyArray<Line> {
    const lines: Array<Line> = []
    this.#flows.collect(count, lines)
    return lines
  }

  /** Everyone who waits, in the order in which they would be served if nobody came or left. */
  order(amountOf: (waiter: Waiter) => number): Iterable<Waiter> {
    return this.#flows.order(amountOf)
  }
}

/** What one budget, or one line, gets of its share. */
export class Flow implements HeapItem {
  heapIndex = NOT_IN_HEAP
  readonly node: BudgetNode
  readonly outer: Flows
  /** Who waits in this flow: one line, or the flows inside it. */
  line: Line | undefined
  inner: Flows | undefined
  isActive = false
  /** Virtual time of its next service. */
  start = 0
  /** Arrival of its head: breaks ties. */
  arrival = 0

  constructor(node: BudgetNode, outer: Flows) {
    this.node = node
    this.outer = outer
  }

  /** Makes room for flows inside this one. A line that waits alone becomes one of them. */
  open(): Flows {
    if (this.inner !== undefined) return this.inner
    this.inner = new Flows(this.node, this)
    if (this.line !== undefined) {
      const own = this.inner.of(this.node)
      own.line = this.line
      own.line.flow = own
      this.line = undefined
      own.activate(this.arrival)
    }
    return this.inner
  }

  activate(arrival: number): void {
    if (this.isActive) return
    this.arrival = arrival
    this.isActive = true
    this.outer.activate(this)
  }

  deactivate(): void {
    this.isActive = false
    this.outer.deactivate(this)
  }

  rank(arrival: number): void {
    this.arrival = arrival
    this.outer.rank(this)
  }

  /** Counts an amount that it was served. */
  serve(amount: number): void {
    this.outer.serve(this, amount)
  }
}

/**
 * Flows that share what their owner gets.
 *
 * Virtual time advances by what is served divided by the weight of all who wait, and at least to the start of the
 * service. The first keeps a stream of flows that are new each time from holding back one that was served before.
 */
class Flows {
  readonly owner: BudgetNode
  readonly active = new Heap<Flow>(isServedBefore)
  readonly #outer: Flow | undefined
  readonly #known = new Map<BudgetNode, Flow>()
  /** Flows that wait no more but are still ahead of virtual time: what they were served is not forgotten yet. */
  readonly #resting = new Heap<Flow>(isServedBefore)
  #virtualTime = 0
  #activeWeight = 0

  constructor(owner: BudgetNode, outer: Flow | undefined) {
    this.owner = owner
    this.#outer = outer
  }

  /** The flow of a budget inside the owner, or of the owner's own line. */
  of(node: BudgetNode): Flow {
    let flow = this.#known.get(node)
    if (flow === undefined) {
      flow = new Flow(node, this)
      this.#known.set(node, flow)
    }
    return flow
  }

  activate(flow: Flow): void {
    if (flow.heapIndex !== NOT_IN_HEAP) this.#resting.remove(flow)
    flow.start = Math.max(flow.start, this.#virtualTime)
    this.active.add(flow)
    this.#activeWeight += this.#weightOf(flow)
    this.#outer?.activate(flow.arrival)
    this.#rankOuter()
  }

  deactivate(flow: Flow): void {
    this.active.remove(flow)
    this.#activeWeight = this.active.first === undefined ? 0 : this.#activeWeight - this.#weightOf(flow)
    if (flow.start > this.#virtualTime) this.#resting.add(flow)
    else this.#known.delete(flow.node)
    if (this.active.first === undefined) this.#outer?.deactivate()
    else this.#rankOuter()
  }

  rank(flow: Flow): void {
    this.active.moved(flow)
    this.#rankOuter()
  }

  /** Whoever is first here stands for all of them outside. */
  #rankOuter(): void {
    this.#outer?.rank(this.active.first!.arrival)
  }

  serve(flow: Flow, amount: number): void {
    this.#virtualTime = Math.max(this.#virtualTime + amount / this.#activeWeight, flow.start)
    flow.start += amount / this.#weightOf(flow)
    this.active.moved(flow)
    this.#forgetRested()
    this.#outer?.serve(amount)
  }

  collect(count: number, lines: Array<Line>): void {
    for (const flow of this.active.inOrder()) {
      if (lines.length === count) return
      if (flow.line === undefined) flow.inner?.collect(count, lines)
      else lines.push(flow.line)
    }
  }

  *order(amountOf: (waiter: Waiter) => number): Generator<Waiter, void> {
    const turns = new Heap<Turn>(isServedBefore)
    for (const flow of this.active.items) {
      const waiters = flow.line === undefined ? flow.inner!.order(amountOf) : flow.line.waiters()
      turns.add({
        start: flow.start,
        arrival: flow.arrival,
        weight: this.#weightOf(flow),
        waiters,
        heapIndex: NOT_IN_HEAP
      })
    }
    for (let turn = turns.first; turn !== undefined; turn = turns.first) {
      const next = turn.waiters.next()
      if (next.done === true) {
        turns.remove(turn)
        continue
      }
      yield next.value
      turn.start += amountOf(next.value) / turn.weight
      turns.moved(turn)
    }
  }

  /** A budget's own line competes with the budgets inside it at weight 1: the weight is what it has among its peers. */
  #weightOf(flow: Flow): number {
    return flow.node === this.owner ? 1 : flow.node.weight
  }

  #forgetRested(): void {
    let rested = this.#resting.first
    while (rested !== undefined && rested.start <= this.#virtualTime) {
      this.#resting.remove(rested)
      this.#known.delete(rested.node)
      rested = this.#resting.first
    }
  }
}

/** A flow's turn in an order that is only imagined. */
interface Turn extends HeapItem {
  start: number
  readonly arrival: number
  readonly weight: number
  readonly waiters: Iterator<Waiter, void>
}

const isServedBefore = (
  a: { readonly start: number; readonly arrival: number },
  b: { readonly start: number; readonly arrival: number }
): boolean => (a.start === b.start ? a.arrival < b.arrival : a.start < b.start)
