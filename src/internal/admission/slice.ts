import type * as Limit from "../../Limit.ts"
import type { Meter } from "../../Meter.ts"
import * as Usage from "../../Usage.ts"
import type { Ledger } from "../ledger.ts"
import { CapState } from "../limit/cap.ts"
import { CarvingState } from "../limit/carving.ts"
import { Hold } from "./hold.ts"
import { BudgetNode, type Conduct, Gate, type Path, pathThrough } from "./node.ts"

/**
 * A budget that is carved out of another one. At first it asks for what it sets aside: then its path is the caps of the
 * other one's path. While it is open, its calls pass a gate of what was set aside instead of those. After its end it is
 * an ordinary budget inside the other one.
 */
export class SliceNode extends BudgetNode {
  readonly #from: BudgetNode
  #phase: "asking" | "open" | "ended" = "asking"
  #carved: ReadonlyArray<Gate> = []

  constructor(name: string, weight: number, from: BudgetNode, ledger: Ledger, conduct: Conduct) {
    super(name, weight, [from], ledger, conduct)
    this.#from = from
  }

  get isOpen(): boolean {
    return this.#phase === "open"
  }

  /** Of several caps on one meter, the smallest decides what is set aside. */
  capOn(meter: Meter): Limit.Cap | undefined {
    let smallest: Limit.Cap | undefined
    for (const { state } of this.gates) {
      if (!(state instanceof CapState) || state.limit.meter !== meter) continue
      if (smallest === undefined || state.limit.max < smallest.max) smallest = state.limit
    }
    return smallest
  }

  /** Opens it over the caps from which everything has been taken. */
  open(caps: ReadonlyArray<Gate>): void {
    const meters = new Set(caps.map(({ meter }) => meter))
    this.#carved = [...meters].flatMap((meter) => {
      const cap = this.capOn(meter)
      const states = caps.flatMap((gate) =>
        gate.meter === meter && gate.state instanceof CapState ? [gate.state] : []
      )
      return cap === undefined ? [] : [new Gate(this, new CarvingState(cap, states))]
    })
    this.#phase = "open"
    this.forgetPath()
  }

  close(): void {
    for (const { state } of this.#carved) if (state instanceof CarvingState) state.close()
    this.#carved = []
    this.#phase = "ended"
  }

  protected override findPath(edition: number): Path {
    if (this.#phase !== "asking") return super.findPath(edition)
    const around = this.#from.path(edition)
    const caps = around.gates.filter(({ meter, state }) => state instanceof CapState && this.capOn(meter) !== undefined)
    // What a store counts is not set aside.
    return { ...pathThrough([this, ...around.nodes], caps), shared: undefined }
  }

  protected override get ways(): ReadonlyArray<Gate> {
    return [...this.gates, ...this.#carved]
  }
}

/** A request of what a slice sets aside. It is no call, so that budgets do not count it as open. */
export class Carving extends Hold {
  declare readonly node: SliceNode

  constructor(node: SliceNode, arrival: number) {
    super(node, Usage.zero, undefined, 0, arrival)
  }

  override measureOn(path: Path): string | undefined {
    this.path = path
    this.amounts = path.gates.map(({ meter }) => this.node.capOn(meter)?.max ?? 0)
    return undefined
  }

  override take(now: number): void {
    const { gates } = this.path
    for (const [index, { state }] of gates.entries())
      if (this.amounts[index]! > 0) state.take(this.amounts[index]!, now)
    this.takenAt = now
    this.status = "open"
    this.node.open(gates)
  }
}

/** Whether a path would count its reservations twice in a cap, as it leads through two slices of the same budget. */
export const isCarvedTwice = ({ gates }: Path): boolean => {
  const caps = gates.flatMap(({ state }) => (state instanceof CarvingState ? [...state.beneath()] : []))
  return new Set(caps).size < caps.length
}
