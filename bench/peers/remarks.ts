import * as Bottleneck from "./bottleneck.ts"
import * as EffectRateLimiter from "./effectRateLimiter.ts"
import * as EffectSemaphore from "./effectSemaphore.ts"
import * as Limiter from "./limiter.ts"
import * as LlmBudget from "./llmBudget.ts"
import * as PQueue from "./pQueue.ts"
import * as RateLimiterFlexible from "./rateLimiterFlexible.ts"

/** What each library does here, and what it lacks beside a reservation. */
export const remarks: ReadonlyArray<string> = [
  LlmBudget.remark,
  EffectRateLimiter.remark,
  EffectSemaphore.remark,
  RateLimiterFlexible.remark,
  Bottleneck.remark,
  Limiter.remark,
  PQueue.remark
]
