import { Effect } from "effect"
import { RateLimiter } from "effect/persistence"
import { estimateTokens, fullTokensMax, fullTokensUsed, plenty } from "../amounts.ts"
import type { Contender } from "../harness.ts"
import { refusing, repeating } from "../loops.ts"
import { KEY } from "./call.ts"

const library = "effect RateLimiter"

export const remark = `${library}: consume, memory store; a fixed window (or a bucket) per key; fails or sleeps; nothing is settled or given back`

const limiter = Effect.provide(RateLimiter.make, RateLimiter.layerStoreMemory)

export const passing: Effect.Effect<Contender> = Effect.map(limiter, ({ consume }) =>
  repeating(
    library,
    Effect.andThen(consume({ key: KEY, limit: plenty, window: "1 minute", tokens: estimateTokens }), Effect.void)
  )
)

const full = { key: KEY, limit: fullTokensMax, window: "1 hour" } as const

export const refused: Effect.Effect<Contender> = Effect.flatMap(limiter, ({ consume }) =>
  Effect.as(
    Effect.orDie(consume({ ...full, tokens: fullTokensUsed })),
    refusing(library, consume({ ...full, tokens: estimateTokens }))
  )
)
