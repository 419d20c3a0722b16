/** Whoever does not want to wait finds a full limit, and is told so. */
import { Effect } from "effect"
import { Budget, Limit, Usage } from "effect-budget"
import { fullTokensMax, fullTokensUsed } from "../amounts.ts"
import { floor } from "../floor.ts"
import type { Scenario } from "../harness.ts"
import * as Bottleneck from "../peers/bottleneck.ts"
import * as EffectRateLimiter from "../peers/effectRateLimiter.ts"
import * as Limiter from "../peers/limiter.ts"
import * as LlmBudget from "../peers/llmBudget.ts"
import * as RateLimiterFlexible from "../peers/rateLimiterFlexible.ts"
import { refusingToReserve, refusingToSpend, SPEND, TRY_RESERVE } from "./ours.ts"

const NS_MAX = 1_500

export const refusal: Scenario = {
  name: "refusal",
  work: "a request that finds a window full for an hour is refused at once: its error is made and seen",
  contenders: Effect.gen(function* () {
    const limits = [Limit.slidingWindow("tokens", fullTokensMax, "1 hour")]
    const budget = yield* Budget.make({ name: "full", limits })
    yield* Effect.orDie(budget.charge(Usage.make({ inputTokens: fullTokensUsed })))
    return [
      floor(),
      refusingToReserve(budget),
      refusingToSpend(budget),
      yield* EffectRateLimiter.refused,
      yield* LlmBudget.refused,
      yield* RateLimiterFlexible.refused,
      yield* Limiter.refused,
      yield* Bottleneck.refused
    ]
  }),
  targets: [
    { library: TRY_RESERVE, max: NS_MAX, of: "nsPerOp" },
    { library: SPEND, max: NS_MAX, of: "nsPerOp" }
  ]
}
