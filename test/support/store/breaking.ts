/** Ways to break a store: something is wrong with what it hears, what it answers, or whom it wakes. */
import * as Effect from "effect/Effect"
import type {
  Answer,
  Batch,
  Operation,
  Refused,
  SharedBudget,
  Sight,
  Store,
  Verdict
} from "../../../src/StoreProtocol.ts"

export type SharedLimit = SharedBudget["limits"][number]
export type Applied = Extract<Answer, { readonly _tag: "Applied" }>
export type Break = (store: Store) => Store

/** Something is wrong with what the store hears. */
export const hearing =
  (hear: (batch: Batch) => Batch): Break =>
  (store) => ({ ...store, apply: (batch) => store.apply(hear(batch)) })

export const hearingOperations = (hear: (operation: Operation) => ReadonlyArray<Operation>): Break =>
  hearing((batch) => ({ ...batch, operations: batch.operations.flatMap(hear) }))

export const hearingOperation = (hear: (operation: Operation) => Operation): Break =>
  hearingOperations((operation) => [hear(operation)])

export const hearingBudgets = (hear: (budget: SharedBudget) => SharedBudget): Break =>
  hearingOperation((operation) =>
    "route" in operation
      ? { ...operation, route: { budgets: operation.route.budgets.map(hear) } }
      : { ...operation, budget: hear(operation.budget) }
  )

export const hearingLimits = (hear: (limit: SharedLimit, key: string) => SharedLimit): Break =>
  hearingBudgets((budget) => ({ ...budget, limits: budget.limits.map((limit) => hear(limit, budget.key)) }))

export const hearingAmounts = (hear: (amount: number) => number): Break =>
  hearingOperation((operation) =>
    "amounts" in operation ? { ...operation, amounts: operation.amounts.map(hear) } : operation
  )

/** Something is wrong with what it answers. */
export const answering =
  (answer: (answer: Applied, batch: Batch) => Answer): Break =>
  (store) => ({
    ...store,
    apply: (batch) =>
      Effect.map(store.apply(batch), (given) => (given._tag === "Applied" ? answer(given, batch) : given))
  })

export const answeringRefusals = (answer: (refused: Refused) => Verdict): Break =>
  answering((given) => ({
    ...given,
    verdicts: given.verdicts.map((verdict) => (verdict === undefined ? undefined : answer(verdict)))
  }))

export const answeringSights = (answer: (sight: Sight) => Sight): Break =>
  answering((given) => ({ ...given, sights: given.sights.map(answer) }))

/** It wakes others, or nobody. */
export const waking =
  (wake: (member: string, onWake: (member: string) => void) => void): Break =>
  (store) => ({ ...store, listen: (group, onWake) => store.listen(group, (member) => wake(member, onWake)) })
