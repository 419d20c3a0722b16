import { Effect } from "effect"
import { RateLimiter } from "limiter"
import { estimateTokens, fullTokensMax, fullTokensUsed, plenty } from "../amounts.ts"
import type { Contender } from "../harness.ts"
import { repeatingPromise, repeatingSync } from "../loops.ts"
import { call } from "./call.ts"

const library = "limiter"

export const remark = `${library}: removeTokens, and tryRemoveTokens, which is no promise; a bucket; one caller at a time sleeps; no refund`

export const passing: Effect.Effect<Contender> = Effect.sync(() => {
  const limiter = new RateLimiter({ tokensPerInterval: plenty, interval: "minute" })
  return repeatingPromise(library, async () => {
    await limiter.removeTokens(estimateTokens)
    await call()
    return true
  })
})

export const refused: Effect.Effect<Contender> = Effect.sync(() => {
  const limiter = new RateLimiter({ tokensPerInterval: fullTokensMax, interval: "hour" })
  limiter.tryRemoveTokens(fullTokensUsed)
  return repeatingSync(library, () => !limiter.tryRemoveTokens(estimateTokens))
})
