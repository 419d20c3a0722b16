import { Effect } from "effect"
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible"
import { actualTokens, estimateTokens, fullTokensMax, fullTokensUsed, plenty } from "../amounts.ts"
import type { Contender } from "../harness.ts"
import { repeatingPromise } from "../loops.ts"
import { call, KEY } from "./call.ts"

const library = "rate-limiter-flexible"

export const remark = `${library}: consume + reward, memory; a fixed window; no settlement (reward is the nearest), no waiting`

export const passing: Effect.Effect<Contender> = Effect.sync(() => {
  const limiter = new RateLimiterMemory({ points: plenty, duration: 60 })
  return repeatingPromise(library, async () => {
    await limiter.consume(KEY, estimateTokens)
    await call()
    await limiter.reward(KEY, estimateTokens - actualTokens)
    return true
  })
})

export const refused: Effect.Effect<Contender> = Effect.promise(async () => {
  const limiter = new RateLimiterMemory({ points: fullTokensMax, duration: 3_600 })
  await limiter.consume(KEY, fullTokensUsed)
  return repeatingPromise(library, async () => {
    try {
      await limiter.consume(KEY, estimateTokens)
      return false
    } catch (answer) {
      return answer instanceof RateLimiterRes
    }
  })
})
