/** Reserve, run and commit where nothing keeps a call back. */
import { Effect } from "effect"
import { Budget, Limit } from "effect-budget"
import { plenty } from "../amounts.ts"
import { FLOOR, floor } from "../floor.ts"
import type { Scenario, Target } from "../harness.ts"
import * as Bottleneck from "../peers/bottleneck.ts"
import * as EffectRateLimiter from "../peers/effectRateLimiter.ts"
import * as Limiter from "../peers/limiter.ts"
import * as LlmBudget from "../peers/llmBudget.ts"
import * as PQueue from "../peers/pQueue.ts"
import * as RateLimiterFlexible from "../peers/rateLimiterFlexible.ts"
import { SPEND, spending, spendingAnew, WITH_RESERVATION, withReservation } from "./ours.ts"

const cap = Limit.cap("tokens", plenty)
const window = Limit.slidingWindow("tokens", plenty, "1 minute")

const make = (...limits: ReadonlyArray<Limit.Limit>) => Budget.make({ name: "uncontended", limits })

const atMostOfFloor = (max: number): ReadonlyArray<Target> =>
  [SPEND, WITH_RESERVATION].map((library) => ({ library, max, of: { ratioTo: FLOOR } }))

export const threeLimits: Scenario = {
  name: "uncontended, cap + window + concurrency",
  work: "reserve + run nothing + commit, over a cap, a sliding window and a concurrency limit",
  contenders: Effect.gen(function* () {
    const budget = yield* make(cap, window, Limit.concurrency(10))
    return [
      floor(),
      spending(budget),
      withReservation(budget),
      spendingAnew(budget),
      yield* LlmBudget.passing(LlmBudget.capAndWindow),
      yield* EffectRateLimiter.passing,
      yield* RateLimiterFlexible.passing,
      yield* Limiter.passing,
      yield* PQueue.passing,
      yield* Bottleneck.passing
    ]
  }),
  targets: atMostOfFloor(1.6)
}

export const oneCap: Scenario = {
  name: "uncontended, one cap",
  work: "reserve + run nothing + commit, over a cap",
  contenders: Effect.gen(function* () {
    const budget = yield* make(cap)
    return [floor(), spending(budget), withReservation(budget), yield* LlmBudget.passing(LlmBudget.cap)]
  }),
  targets: atMostOfFloor(1.3)
}

export const oneWindow: Scenario = {
  name: "uncontended, one window",
  work: "reserve + run nothing + commit, over a sliding window (peers: the window that they have)",
  contenders: Effect.gen(function* () {
    const budget = yield* make(window)
    return [
      floor(),
      spending(budget),
      withReservation(budget),
      yield* LlmBudget.passing(LlmBudget.window),
      yield* EffectRateLimiter.passing,
      yield* RateLimiterFlexible.passing,
      yield* Limiter.passing
    ]
  }),
  targets: atMostOfFloor(1.3)
}
