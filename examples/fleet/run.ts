/**
 * What happened in a run: written down while it goes on, counted afterwards.
 */
import { type Cause, Effect } from "effect"
import type { Guard } from "effect-budget"
import type { Document } from "./documents.ts"
import type { Plan } from "./plan.ts"
import type { Attempt, Provider } from "./provider.ts"
import { CallFailed, type Summary } from "./summarise.ts"

export type Outcome =
  | { readonly _tag: "Completed"; readonly waitedMillis: number; readonly document: Document; readonly text: string }
  | { readonly _tag: "Failed"; readonly error: CallFailed }
  | { readonly _tag: "Refused"; readonly error: Guard.Refusal }

export interface Run {
  readonly title: string
  readonly calls: number
  readonly startedMillis: number
  /** Every request that the provider saw. */
  readonly attempts: ReadonlyArray<Attempt>
  /** Every call that an agent is done with. */
  readonly outcomes: Array<Outcome>
}

export interface FinishedRun extends Run {
  readonly wallMillis: number
}

/** Runs beside the fleet and ends with it. */
export type Watch = (run: Run) => Effect.Effect<never>

export const begin = (title: string, plan: Plan, provider: Provider): Run => ({
  title,
  calls: plan.agents * plan.tasksPerAgent,
  startedMillis: performance.now(),
  attempts: provider.attempts,
  outcomes: []
})

export const finish = (run: Run): FinishedRun => ({ ...run, wallMillis: performance.now() - run.startedMillis })

/** The documents that one agent is given: the fleet deals them out in turn, and begins again when they run out. */
export const tasksOf = (agent: number, plan: Plan, documents: ReadonlyArray<Document>): ReadonlyArray<Document> =>
  Array.from({ length: plan.tasksPerAgent }, (_, task) => documents[(task * plan.agents + agent) % documents.length]!)

/**
 * One agent: it takes its documents one after the other and goes on to the next when a call does not succeed.
 *
 * What a call waited is all the time in which the provider did not work on it: in the budget's line, or between a 429
 * and the retry.
 */
export const work = Effect.fnUntraced(function* <R>(
  run: Run,
  tasks: ReadonlyArray<Document>,
  call: (document: Document) => Effect.Effect<Summary, CallFailed | Cause.TimeoutError | Guard.Refusal, R>
) {
  for (const document of tasks) {
    const asked = performance.now()
    const outcome = yield* call(document).pipe(
      Effect.map(({ processingMillis, text }): Outcome => {
        const waitedMillis = Math.max(0, performance.now() - asked - processingMillis)
        return { _tag: "Completed", waitedMillis, document, text }
      }),
      Effect.catchTags({
        CallFailed: (error) => Effect.succeed<Outcome>({ _tag: "Failed", error }),
        TimeoutError: (cause) =>
          Effect.succeed<Outcome>({ _tag: "Failed", error: new CallFailed({ status: undefined, cause }) }),
        BudgetError: (error) => Effect.succeed<Outcome>({ _tag: "Refused", error }),
        CircuitBreakerError: (error) => Effect.succeed<Outcome>({ _tag: "Refused", error }),
        DeadlineExceeded: (error) => Effect.succeed<Outcome>({ _tag: "Refused", error })
      })
    )
    run.outcomes.push(outcome)
  }
})

export const count = (run: Run, tag: Outcome["_tag"]): number =>
  run.outcomes.filter((outcome) => outcome._tag === tag).length

/** How many requests reached the provider while it was down. */
export const inOutage = (run: Run): number => run.attempts.filter((attempt) => attempt.failed).length

/** How many requests the provider answered with 429. */
export const throttled = (run: Run): number => run.attempts.filter((attempt) => attempt.refused).length
