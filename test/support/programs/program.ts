/**
 * A program as data: budgets, the calls that are made, and what else happens. It says everything beforehand, so that a
 * program can be run again with something left out.
 */
import type * as Limit from "../../../src/Limit.ts"
import type * as Usage from "../../../src/Usage.ts"

export interface Program {
  /** Each stands behind those that it is within. */
  readonly budgets: ReadonlyArray<BudgetPlan>
  readonly calls: ReadonlyArray<Call>
  readonly deeds: ReadonlyArray<Deed>
  /** What the clock shows at first. Everything else says how many milliseconds later it happens. */
  readonly startsAt: number
  readonly yields: number
  readonly shuffles: boolean
  /** Whether a snapshot of every budget is taken whenever the world is at rest. */
  readonly isWatched: boolean
  /** For how long is taken ahead from a store. Where this is left out, every call asks. */
  readonly aheadMillis?: number
  /** The budgets to whose events somebody listens. */
  readonly heard: ReadonlyArray<number>
}

export interface BudgetPlan {
  readonly name: string
  readonly limits: ReadonlyArray<Limit.Limit>
  readonly within: ReadonlyArray<number>
  readonly weight: number
  readonly onFailure: "release" | "charge"
  /** Whether its limits only count and report. */
  readonly isShadow: boolean
  /** Whether its counters are in a store. */
  readonly isShared: boolean
}

export interface Call {
  readonly id: number
  readonly budget: number
  readonly at: number
  /** Whether it sleeps until it asks, so that it may ask before a timer of the same instant rings. */
  readonly isEarly: boolean
  readonly via: "reserve" | "tryReserve" | "withReservation" | "spend"
  readonly estimate: Usage.Usage
  /** The least that is acceptable, of an elastic call. One that is made by `spend` does not know what it is granted. */
  readonly least: Usage.Usage | undefined
  readonly priority: number
  readonly maxWait: number | undefined
  /** Whether `maxWait` is the time that its task has, not what it asks with. */
  readonly hasDeadline: boolean
  readonly onFailure: "release" | "charge" | undefined
  readonly hasOnWait: boolean
  /** What it does while it runs. One that is made by `spend` only sleeps. */
  readonly steps: ReadonlyArray<Step>
  readonly end: "success" | "failure" | "defect" | "never"
  /** What `spend` reads from the result: a usage, an error, or nothing since there is no `actual`. */
  readonly actual: Usage.Usage | "throws" | undefined
  readonly interruptAt: number | undefined
  /** Whether it is interrupted between its admission (or refusal) and its going on. */
  readonly isInterruptedOnWake: boolean
}

export type Step =
  | { readonly do: "sleep"; readonly millis: number }
  | { readonly do: "commit"; readonly usage: Usage.Usage }
  | { readonly do: "record"; readonly usage: Usage.Usage }
  | { readonly do: "release" }

export type Deed = { readonly at: number } & (
  | { readonly do: "charge"; readonly budget: number; readonly usage: Usage.Usage }
  | { readonly do: "pause"; readonly budget: number; readonly until: number; readonly isGradual: boolean }
  | { readonly do: "update"; readonly budget: number; readonly limits: ReadonlyArray<Limit.Limit> }
  | { readonly do: "close"; readonly budget: number }
  | { readonly do: "setBack"; readonly millis: number }
)

/** Whether the order within an instant is known: fibers yield, or a store is asked. */
export const isExact = ({ budgets, yields }: Program): boolean =>
  yields === 0 && !budgets.some(({ isShared }) => isShared)

/** What a call asks for as long as it waits. */
export const demandOf = ({ estimate, least }: Call): Usage.Usage => least ?? estimate

/** A budget and all budgets around it. */
export const pathOf = (budgets: ReadonlyArray<BudgetPlan>, budget: number): ReadonlySet<number> => {
  const path = new Set([budget])
  for (const outer of budgets[budget]!.within) for (const around of pathOf(budgets, outer)) path.add(around)
  return path
}
