/** What programs and tests that are written by hand are made of. */
import * as Usage from "../../../src/Usage.ts"
import type { Log } from "./log.ts"
import { PERIOD_MILLIS } from "./naiveLimit.ts"
import type { BudgetPlan, Call, Program } from "./program.ts"

/** A call that asks at once, for one request and nothing else, and ends as soon as it is admitted. */
export const plainCall = (call: Partial<Call> & Pick<Call, "id">): Call => ({
  budget: 0,
  at: 0,
  isEarly: false,
  via: "reserve",
  estimate: Usage.make({}),
  least: undefined,
  priority: 0,
  maxWait: undefined,
  hasDeadline: false,
  onFailure: undefined,
  hasOnWait: false,
  steps: [],
  end: "success",
  actual: undefined,
  interruptAt: undefined,
  isInterruptedOnWake: false,
  ...call
})

/** A program that is written by hand. */
export const plainProgram = (
  budgets: ReadonlyArray<Partial<BudgetPlan>>,
  calls: ReadonlyArray<Partial<Call>>,
  rest: Partial<Program> = {}
): Program => ({
  budgets: budgets.map((plan, index) => ({
    name: `budget${index}`,
    limits: [],
    within: [],
    weight: 1,
    onFailure: "release",
    isShadow: false,
    isShared: false,
    ...plan
  })),
  calls: calls.map((call, id) => plainCall({ ...call, id })),
  deeds: [],
  startsAt: 1_000_000 * PERIOD_MILLIS,
  yields: 0,
  shuffles: false,
  isWatched: false,
  heard: [],
  ...rest
})

export const tokens = (inputTokens: number, outputTokens = 0): Usage.Usage => ({
  ...Usage.zero,
  inputTokens,
  outputTokens
})
export const lasting = (millis: number): Pick<Call, "steps"> => ({ steps: [{ do: "sleep", millis }] })
export const times = <A>(count: number, make: (index: number) => A): ReadonlyArray<A> =>
  Array.from({ length: count }, (_, index) => make(index))

/** When each call of a budget starts. */
export const startsOf = ({ entries, program }: Log, budget: number): ReadonlyArray<number> =>
  entries.flatMap((entry) =>
    entry.is === "started" && program.calls[entry.call]!.budget === budget ? [entry.now - program.startsAt] : []
  )

export const startOf = ({ entries, program }: Log, call: number): number | undefined => {
  const started = entries.find((entry) => entry.is === "started" && entry.call === call)
  return started === undefined ? undefined : started.now - program.startsAt
}

export const countUntil = (starts: ReadonlyArray<number>, until: number): number =>
  starts.filter((start) => start <= until).length
