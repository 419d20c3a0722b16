import * as Context from "effect/Context"
import type * as Tracer from "effect/Tracer"
import type { BudgetNode } from "./admission/node.ts"
import type { Timeline } from "./timeline.ts"

/** Whoever sees what budgets do. */
export interface Observer {
  /** Begins to see a budget. What it returns ends what must not outlive it. */
  readonly observe: (node: BudgetNode, timeline: Timeline) => () => void
}

/** Who sees the budgets that are made here: nobody, unless a program provides somebody. It is read once for each. */
export const CurrentObserver = Context.Reference<Observer | undefined>("effect-budget/CurrentObserver", {
  defaultValue: () => undefined
})

const spans = new WeakMap<object, Tracer.Span>()

/** Notes the span of a reservation, for those who make calls with it. */
export const noteSpan = (reservation: object, span: Tracer.Span): void => {
  spans.set(reservation, span)
}

/** The span of a reservation, if it has one. */
export const spanOf = (reservation: object): Tracer.Span | undefined => spans.get(reservation)
