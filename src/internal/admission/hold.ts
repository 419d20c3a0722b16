import * as Usage from "../../Usage.ts"
import type { BudgetNode, Gate, Path } from "./node.ts"

/**
 * An estimate on its way: asked for, open, then committed or released, each at most once.
 *
 * `amounts` says what the estimate measures at each gate of the path.
 */
export class Hold {
  readonly node: BudgetNode
  readonly estimate: Usage.Usage
  /** Higher goes first within the budget. */
  readonly priority: number
  /** The order of arrival. */
  readonly arrival: number
  path: Path
  amounts: Array<number>
  status: "asked" | "open" | "committed" | "released" = "asked"
  takenAt = 0
  /** The usage so far of a call that is still running. */
  recorded: Usage.Usage | undefined

  constructor(node: BudgetNode, path: Path, estimate: Usage.Usage, priority: number, arrival: number) {
    this.node = node
    this.path = path
    this.estimate = estimate
    this.priority = priority
    this.arrival = arrival
    this.amounts = measure(path, estimate)
  }

  /** Measures the estimate again after the limits of the path have changed. */
  follow(path: Path): void {
    this.path = path
    this.amounts = measure(path, this.estimate)
  }

  amountAt(gate: Gate): number {
    return this.amounts[this.path.gates.indexOf(gate)] ?? 0
  }

  /** Takes the estimate from every limit of the path, at one instant. */
  take(now: number): void {
    const { gates, nodes } = this.path
    for (let index = 0; index < gates.length; index++) {
      if (this.amounts[index]! > 0) gates[index]!.state.take(this.amounts[index]!, now)
    }
    for (const node of nodes) node.ledger.open++
    this.takenAt = now
    this.status = "open"
  }

  /** Whether it goes before another that waits in the same line. */
  isBefore(that: Hold): boolean {
    return this.priority === that.priority ? this.arrival < that.arrival : this.priority > that.priority
  }
}

/** What a usage measures at each gate of a path. */
export const measure = (path: Path, usage: Usage.Usage): Array<number> =>
  path.gates.map((gate) => gate.state.limit.meter.measure(usage))

/** What is wrong with a usage, or with what it measures on a path. */
export const problemWith = (path: Path, usage: Usage.Usage, amounts: ReadonlyArray<number>): string | undefined => {
  if (!Usage.isValid(usage)) return Usage.problem(usage)
  for (let index = 0; index < amounts.length; index++) {
    if (Usage.isAmount(amounts[index]!)) continue
    const { name } = path.gates[index]!.state.limit.meter
    return `${name} must measure a non-negative safe integer, got ${String(amounts[index])}`
  }
  return undefined
}
