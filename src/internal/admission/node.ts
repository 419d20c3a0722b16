import type { SharedBudget } from "../../StoreProtocol.ts"
import { isBuiltIn, type Meter } from "../../Meter.ts"
import type { Ledger } from "../ledger.ts"
import { CarvingState } from "../limit/carving.ts"
import { SharedState } from "../limit/shared.ts"
import type { LimitState } from "../limit/state.ts"
import { Thresholds } from "../limit/thresholds.ts"
import type { Alarm } from "../timeline.ts"
import type { FairQueue } from "./fairQueue.ts"
import type { Line, Waiter } from "./line.ts"
import type { Shared, SharedRoute } from "./link.ts"
import type { Happening } from "./listeners.ts"
import type { Tracing } from "./tracing.ts"

/** One limit of a budget, and who waits at it. */
export class Gate {
  /** Of two that open at the same instant, the younger one is served first: it may be the one of an inner budget. */
  readonly number = ++gatesMade
  readonly node: BudgetNode
  readonly state: LimitState
  /** Which thresholds of the limit have been told. Absent where nobody has set any. */
  thresholds: Thresholds | undefined
  meter: Meter
  /** The lines whose head waits here, in fair order. */
  queue: FairQueue | undefined
  /** The heads that keep their place at all their gates at once, the oldest first. */
  pinned: Array<Waiter> | undefined
  alarm: Alarm | undefined
  /** Whether something has changed here that may let a waiter in. */
  isDirty = false
  /** At least the largest amount that anybody waits for under this gate. Kept for caps. */
  largestWaiting = 0

  constructor(node: BudgetNode, state: LimitState) {
    this.node = node
    this.state = state
    this.meter = state.limit.meter
    this.watch()
  }

  /** Whether anybody can ever wait here. A ceiling per call lets in at once or never: there is no turn to keep. */
  get canKeepWaiting(): boolean {
    return this.state.limit._tag !== "PerCall" && !this.isShadow
  }

  /** Whether the limit counts and reports, but keeps nobody out. */
  get isShadow(): boolean {
    return this.node.conduct.isShadow
  }

  /** Watches the thresholds of its budget. What was told stays told. */
  watch(): void {
    const { thresholds } = this.node.conduct
    const { limit } = this.state
    // What was set aside for a slice fills up with the slice's own cap.
    const hasNone = limit._tag === "PerCall" || limit._tag === "Pause" || this.state instanceof CarvingState
    if (thresholds.length === 0 || hasNone) this.thresholds = undefined
    else if (this.thresholds !== undefined) this.thresholds.watch(thresholds)
    else this.thresholds = new Thresholds(thresholds, limit._tag === "Cap" ? "afterRaise" : "afterUse", limit.max)
  }

  /** Takes over the meter of a rule that was replaced. Says whether it is another one. */
  follow(): boolean {
    const { meter } = this.state.limit
    if (meter === this.meter) return false
    this.meter = meter
    return true
  }

  get isContended(): boolean {
    return this.queue !== undefined || this.pinned !== undefined
  }

  /** Whose turn it is. */
  get head(): Waiter | undefined {
    return this.pinned?.[0] ?? this.queue?.first?.head
  }
}

/** What a budget does with its limits, besides admitting. */
export interface Conduct {
  /** Whether its limits count and report, but keep nobody out. */
  readonly isShadow: boolean
  /** Fractions of each maximum that are told when they are reached. */
  readonly thresholds: ReadonlyArray<number>
}

const plainConduct: Conduct = { isShadow: false, thresholds: [] }

/** A budget in the tree of budgets: its counters, its gates, and the line of those who wait for it. */
export class BudgetNode {
  readonly name: string
  /** Its share where it competes with others for a limit that they have in common. */
  weight: number
  readonly within: ReadonlyArray<BudgetNode>
  readonly ledger: Ledger
  conduct: Conduct
  /** Where its counters are, if others share them. */
  readonly shared: Shared | undefined
  gates: ReadonlyArray<Gate>
  line: Line | undefined
  /** Who is told what happens here. Absent while nobody listens. */
  listeners: Set<(event: Happening) => void> | undefined
  /** Who is told that it has other limits. */
  limitListeners: Set<() => void> | undefined
  /** What puts its reservations into spans. Absent unless a program wants that. */
  tracing: Tracing | undefined
  #lines: Set<Line> | undefined
  #path: Path | undefined
  #pathEdition = 0

  constructor(
    name: string,
    weight: number,
    within: ReadonlyArray<BudgetNode>,
    ledger: Ledger,
    conduct: Conduct = plainConduct,
    shared?: Shared
  ) {
    this.name = name
    this.weight = weight
    this.within = within
    this.ledger = ledger
    this.conduct = conduct
    this.shared = shared
    this.gates = statesOf(ledger).map((state) => new Gate(this, state))
  }

  /** Everything that a reservation of this budget has to pass. An edition is valid until any budget changes its gates. */
  path(edition: number): Path {
    if (this.#path === undefined || this.#pathEdition !== edition) {
      this.#path = this.findPath(edition)
      this.#pathEdition = edition
    }
    return this.#path
  }

  protected findPath(_edition: number): Path {
    const nodes = [...new Set(this.#upwards())]
    return pathThrough(
      nodes,
      nodes.flatMap((node) => node.ways)
    )
  }

  protected forgetPath(): void {
    this.#path = undefined
  }

  /** The gates that whoever is inside this budget has to pass because of it. */
  protected get ways(): ReadonlyArray<Gate> {
    return this.gates
  }

  /** Puts a gate before each state of the ledger, keeping those that are there. Says whether that changed any path. */
  rebuildGates(): boolean {
    const before = this.gates
    const known = new Map(before.map((gate) => [gate.state, gate]))
    this.gates = statesOf(this.ledger).map((state) => known.get(state) ?? new Gate(this, state))
    // Of a limit that is gone nothing is told any more.
    for (const gate of before) if (!this.gates.includes(gate)) gate.thresholds = undefined
    // On the way to a store, a path also says how large the limits are.
    const isChanged =
      this.shared !== undefined ||
      this.gates.length !== before.length ||
      this.gates.some((gate, index) => gate !== before[index])
    for (const changed of this.limitListeners ?? []) changed()
    return this.gates.reduce((changed, gate) => gate.follow() || changed, isChanged)
  }

  /** How a store sees it. */
  get asShared(): SharedBudget | undefined {
    if (this.shared === undefined) return undefined
    const limits = this.ledger.states.flatMap(({ limit }) =>
      limit._tag === "PerCall" || limit._tag === "Pause" ? [] : [limit]
    )
    return { key: this.shared.key, limits, isShadow: this.conduct.isShadow }
  }

  /** The lines in which somebody waits, of this budget and of those inside it. */
  get lines(): Iterable<Line> {
    return this.#lines ?? []
  }

  addLine(line: Line): void {
    this.#lines ??= new Set()
    this.#lines.add(line)
  }

  removeLine(line: Line): void {
    this.#lines?.delete(line)
    if (this.#lines?.size === 0) this.#lines = undefined
  }

  /** The budgets from the one directly inside `ancestor` down to this one. */
  chainFrom(ancestor: BudgetNode): ReadonlyArray<BudgetNode> | undefined {
    if (this === ancestor) return []
    for (const outer of this.within) {
      const chain = outer.chainFrom(ancestor)
      if (chain !== undefined) return [...chain, this]
    }
    return undefined
  }

  #upwards(): ReadonlyArray<BudgetNode> {
    return [this, ...this.within.flatMap((outer) => outer.#upwards())]
  }
}

/** A budget and all budgets around it, with the gates of all of them. */
export interface Path {
  readonly nodes: ReadonlyArray<BudgetNode>
  readonly gates: ReadonlyArray<Gate>
  /** The gates whose counters change with a reservation: those it passes, and those that a slice has passed for it. */
  readonly counting: ReadonlyArray<Gate>
  /** The meters that users have made, of which nobody knows what they measure. */
  readonly ownMeters: ReadonlyArray<Meter>
  readonly hasShadows: boolean
  readonly hasThresholds: boolean
  /** What of it a store has to be asked for. */
  readonly shared: SharedRoute | undefined
}

/** The path through budgets with these gates. Where a slice has set something aside already, nobody passes again. */
export const pathThrough = (nodes: ReadonlyArray<BudgetNode>, counting: ReadonlyArray<Gate>): Path => {
  const passed = new Set<LimitState>()
  for (const { state } of counting) {
    if (state instanceof CarvingState) for (const cap of state.beneath()) passed.add(cap)
  }
  const gates = passed.size === 0 ? counting : counting.filter(({ state }) => !passed.has(state))
  const ownMeters = gates.map((gate) => gate.meter).filter((meter) => !isBuiltIn(meter))
  return {
    nodes,
    gates,
    counting,
    ownMeters,
    hasShadows: nodes.some(({ conduct }) => conduct.isShadow),
    hasThresholds: counting.some(({ thresholds }) => thresholds !== undefined),
    shared: routeThrough(nodes, gates)
  }
}

const routeThrough = (nodes: ReadonlyArray<BudgetNode>, gates: ReadonlyArray<Gate>): SharedRoute | undefined => {
  const link = nodes.find(({ shared }) => shared !== undefined)?.shared?.link
  if (link === undefined) return undefined
  const indices = [...gates.keys()].filter((index) => gates[index]!.state instanceof SharedState)
  return {
    link,
    indices,
    budgets: nodes.flatMap((node) => node.asShared ?? []),
    nodes: nodes.filter(({ shared }) => shared !== undefined),
    states: gates.flatMap(({ state }) => (state instanceof SharedState ? [state] : [])),
    meters: indices.map((index) => gates[index]!.meter)
  }
}

const statesOf = (ledger: Ledger): ReadonlyArray<LimitState> =>
  ledger.pause === undefined ? ledger.states : [ledger.pause, ...ledger.states]

let gatesMade = 0
