import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { type Happening, listen } from "../admission/listeners.ts"
import type { BudgetNode } from "../admission/node.ts"
import type { Observer } from "../observer.ts"
import type { Timeline } from "../timeline.ts"
import { Counting } from "./counting.ts"
import { Gauges } from "./gauges.ts"
import { Instruments } from "./instruments.ts"
import { BoundedLabel } from "./labels.ts"
import { logRefusal } from "./refusalLog.ts"
import { Spans } from "./spans.ts"

/** What an observer does. */
export interface Manner {
  readonly spans: boolean
  readonly refusalLogs: boolean
  readonly labelsMax: number
  readonly labelOf: (budget: string) => string
}

/** Makes an observer that counts in the registry of metrics that is current. */
export const makeObserver = (manner: Manner): Effect.Effect<Telescope> =>
  Effect.map(Effect.context<never>(), (context) => new Telescope(manner, context))

/** Sees many budgets. */
export class Telescope implements Observer {
  readonly #manner: Manner
  readonly #context: Context.Context<never>
  readonly #view: View
  readonly #labelOf: (budget: string) => string
  readonly #limits: BoundedLabel
  readonly #counting: Counting

  constructor(manner: Manner, context: Context.Context<never>) {
    this.#manner = manner
    this.#context = context
    this.#view = viewOf(context)
    const budgets = new BoundedLabel(this.#view.budgets, manner.labelsMax, manner.labelOf)
    this.#labelOf = (budget) => budgets.of(budget)
    this.#limits = new BoundedLabel(this.#view.limits, manner.labelsMax, (limit) => limit)
    this.#counting = new Counting(new Instruments(contextOfMetrics(context)), this.#labelOf, this.#limits)
  }

  /** A budget that is left and used again, as one of a family, is heard on. What is done to it last may come after its end. */
  observe(node: BudgetNode, timeline: Timeline): () => void {
    const { gauges, heard } = this.#view
    if (!heard.has(node)) heard.set(node, this.#hear(node))
    return gauges.show(node, timeline, this.#labelOf(node.name), this.#limits)
  }

  /** Sees a budget until the end, unless it is seen already. */
  observeUntil(node: BudgetNode, timeline: Timeline): () => void {
    const { heard } = this.#view
    if (heard.has(node)) return () => {}
    const hide = this.observe(node, timeline)
    const unlisten = heard.get(node)
    return () => {
      hide()
      unlisten?.()
      heard.delete(node)
    }
  }

  #hear(node: BudgetNode): () => void {
    const { refusalLogs } = this.#manner
    const spans = this.#manner.spans && node.tracing === undefined ? new Spans(node.name) : undefined
    if (spans !== undefined) node.tracing = spans
    const unlisten = listen(node, (event) => {
      if (this.#view.isNews(event)) {
        this.#counting.count(event)
        if (refusalLogs && event._tag === "Refused") logRefusal(event, spans?.of(event.call), this.#context)
      }
      spans?.hear(event)
    })
    return () => {
      unlisten()
      if (node.tracing === spans) node.tracing = undefined
    }
  }
}

/** What is seen in one registry of metrics, by however many observers. */
class View {
  readonly gauges: Gauges
  /** The labels that its metrics have. */
  readonly budgets = new Set<string>()
  readonly limits = new Set<string>()
  /** How to stop hearing each budget. */
  readonly heard = new WeakMap<BudgetNode, () => void>()
  #last: Happening | undefined

  constructor(context: Context.Context<never>) {
    this.gauges = new Gauges(contextOfMetrics(context))
  }

  /** Of a path with several budgets, each is told the same event, one after the other: it counts once. */
  isNews(event: Happening): boolean {
    if (this.#last === event) return false
    this.#last = event
    return true
  }
}

const views = new WeakMap<Metric.MetricRegistry, View>()

const viewOf = (context: Context.Context<never>): View => {
  const registry = Context.get(context, Metric.MetricRegistry)
  let view = views.get(registry)
  if (view === undefined) {
    view = new View(context)
    views.set(registry, view)
  }
  return view
}

/** Nothing but what metrics read: small, so that it is found fast. */
const contextOfMetrics = (context: Context.Context<never>): Context.Context<never> =>
  Context.make(Metric.MetricRegistry, Context.get(context, Metric.MetricRegistry)).pipe(
    Context.add(Metric.CurrentMetricAttributes, Context.get(context, Metric.CurrentMetricAttributes))
  )
