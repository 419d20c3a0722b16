import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Budget from "../../src/Budget.ts"
import type { BudgetEvent } from "../../src/BudgetEvent.ts"

/** Listens to a budget as long as the scope is open. The effect that it returns says what was heard since the last time. */
export const listenTo = (
  budget: Budget.Budget
): Effect.Effect<Effect.Effect<ReadonlyArray<BudgetEvent>>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const heard: Array<BudgetEvent> = []
    yield* Effect.forkScoped(
      Stream.runForEach(budget.events, (event) => Effect.sync(() => heard.push(event))),
      { startImmediately: true }
    )
    yield* othersRun
    return Effect.map(othersRun, () => heard.splice(0))
  })

/** Lets every other fiber run until it waits for something. */
export const othersRun = Effect.repeat(Effect.yieldNow, { times: 10 })
