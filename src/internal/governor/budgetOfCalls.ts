import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Budget from "../../Budget.ts"

/** Says the budget of a call: a tag's is the one that is provided where the call is made, or else where this is run. */
export const budgetOfCalls = <Id>(
  budget: Budget.Budget | Budget.Tag<Id>
): Effect.Effect<Effect.Effect<Budget.Budget>, never, Id> =>
  isTag(budget)
    ? Effect.map(budget, (built) =>
        Effect.map(Effect.context<never>(), (context) =>
          Option.getOrElse(Context.getOption(context, budget), () => built)
        )
      )
    : Effect.succeed(Effect.succeed(budget))

const isTag = <Id>(budget: Budget.Budget | Budget.Tag<Id>): budget is Budget.Tag<Id> => "key" in budget
