/** Two processes that share a budget, and what they do with it, on the `TestClock`. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import type * as Budget from "../../../src/Budget.ts"
import * as BudgetStore from "../../../src/BudgetStore.ts"
import type { Store } from "../../../src/StoreProtocol.ts"
import { tokens } from "./user.ts"

/** Makes something in each of them. */
export const inTwoProcesses = Effect.fnUntraced(function* <A, E, R>(
  make: Effect.Effect<Store>,
  made: Effect.Effect<A, E, R>
): Effect.fn.Return<{ readonly here: A; readonly elsewhere: A }, E, Exclude<R, BudgetStore.BudgetStore> | Scope.Scope> {
  const store = yield* make
  // In the first milliseconds of all time, a store believes that it has just woken everybody.
  yield* TestClock.setTime(STARTED_AT)
  const process = Effect.flatMap(Layer.build(BudgetStore.layer(Effect.succeed(store))), (context) =>
    Effect.provide(made, context)
  )
  return { here: yield* process, elsewhere: yield* process }
})

export const STARTED_AT = 1_000

/** A call that says when it was let in. */
export const callAt = (budget: Budget.Budget, amount: number, options: Omit<Budget.ReserveOptions, "least"> = {}) =>
  budget.spend({ ...options, estimate: tokens(amount) })(Clock.currentTimeMillis)

export const used = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ limits }) => limits.map(({ used }) => used))
