import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Budget from "../../Budget.ts"
import type * as Feedback from "../../Feedback.ts"
import { outermostOf } from "../budget.ts"
import { backoffOf } from "./backoff.ts"

/** Takes note, for all who share the key of a budget, of what the provider says of its limits. */
export const hear = (budget: Budget.Budget, feedback: Feedback.Feedback, status: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.forEach(
      outermostOf(budget),
      (outermost) => {
        const pausedUntil = backoffOf(outermost).pauseUntil(feedback, status, now)
        const tightening = Effect.forEach(feedback.windows, (window) => outermost.tighten(window), { discard: true })
        return pausedUntil === undefined
          ? tightening
          : Effect.andThen(tightening, outermost.pauseUntil(pausedUntil, { resume: "gradual" }))
      },
      { discard: true }
    )
  )

/** Takes note that a call was answered: the next time that nothing says when to come back, it is soon. */
export const hearAnswer = (budget: Budget.Budget): void => {
  for (const outermost of outermostOf(budget)) backoffOf(outermost).reset()
}
