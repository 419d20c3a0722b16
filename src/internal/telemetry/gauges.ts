import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { BudgetNode } from "../admission/node.ts"
import { fullness } from "../limit/fullness.ts"
import type { LimitState } from "../limit/state.ts"
import type { Timeline } from "../timeline.ts"
import type { BoundedLabel } from "./labels.ts"
import { type Definition, gauges, labelsOf } from "./metrics.ts"

/**
 * Gauges of budgets, which are read when somebody asks for the metrics. They cost a call nothing, and they are right
 * also when nothing happens: what a window counts becomes less without any event.
 *
 * Budgets that have the same labels are one series: it is the sum of theirs, or the fullest of them.
 */
export class Gauges {
  readonly #context: Context.Context<never>
  readonly #series = new Map<string, Series>()

  constructor(context: Context.Context<never>) {
    this.#context = context
  }

  /** Shows a budget, and its limits as they change. What it returns ends that. */
  show(node: BudgetNode, timeline: Timeline, budget: string, limits: BoundedLabel): () => void {
    const hideBudget = [
      this.#add(gauges.open, [budget], sum, () => node.ledger.open),
      this.#add(gauges.waiting, [budget], sum, () => [...node.lines].reduce((waiting, line) => waiting + line.size, 0))
    ]
    let hideLimits: ReadonlyArray<() => void> = []
    const showLimits = (): void => {
      for (const hide of hideLimits) hide()
      hideLimits = node.ledger.states.flatMap((state) => this.#showLimit(state, timeline, budget, limits))
    }
    showLimits()
    node.limitListeners ??= new Set()
    node.limitListeners.add(showLimits)
    return () => {
      node.limitListeners?.delete(showLimits)
      for (const hide of [...hideBudget, ...hideLimits]) hide()
    }
  }

  #showLimit(state: LimitState, timeline: Timeline, budget: string, limits: BoundedLabel): ReadonlyArray<() => void> {
    const { limit } = state
    // A ceiling per call holds nothing, and a pause is no amount.
    if (limit._tag === "PerCall" || limit._tag === "Pause") return []
    const { name, scale } = limit.meter
    const named = [budget, limits.of(limit.name)]
    const measured = [...named, name]
    const used = (): number => state.used(timeline.now())
    return [
      this.#add(gauges.limit, measured, sum, () => state.limit.max / scale),
      this.#add(gauges.used, measured, sum, () => used() / scale),
      this.#add(gauges.reserved, measured, sum, () => state.reserved / scale),
      this.#add(gauges.utilisation, named, highest, () => fullness(used(), state.limit.max))
    ]
  }

  #add(definition: Definition, labels: ReadonlyArray<string>, together: Together, read: () => number): () => void {
    const key = [definition.name, ...labels].join("\0")
    let series = this.#series.get(key)
    if (series === undefined) {
      series = new Series(definition, labels, together, this.#context)
      this.#series.set(key, series)
    }
    const { sources } = series
    sources.add(read)
    return () => {
      sources.delete(read)
      if (sources.size > 0) return
      this.#series.get(key)?.registration.remove()
      this.#series.delete(key)
    }
  }
}

type Together = (a: number, b: number) => number

const sum: Together = (a, b) => a + b
const highest: Together = Math.max

/** One series, of one budget or of several. */
class Series {
  readonly sources = new Set<() => number>()
  readonly registration: Metric.Registration

  constructor(
    definition: Definition,
    labels: ReadonlyArray<string>,
    together: Together,
    context: Context.Context<never>
  ) {
    const { description, name } = definition
    const metric = Metric.gauge(name, { description, attributes: labelsOf(definition, labels) })
    const get = () => {
      let value = 0
      for (const read of this.sources) value = together(value, read())
      return { value }
    }
    this.registration = Metric.registerUnsafe(metric, context, { get, update: nothing, modify: nothing })
  }
}

const nothing = (): void => {}
