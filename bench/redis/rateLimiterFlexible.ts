import { Effect } from "effect"
import { RateLimiterRedis, RateLimiterUnion } from "rate-limiter-flexible"
import { actualTokens, estimateTokens } from "../amounts.ts"
import { connect } from "./client.ts"
import { inFlight } from "./inFlight.ts"
import { capTokensMax, WINDOW_MILLIS, windowTokensMax } from "./limits.ts"
import type { Peer } from "./peer.ts"

const library = "rate-limiter-flexible"

export const rateLimiterFlexible: Peer = {
  library,
  remark: `${library}: consume of a union + reward of each; a cap and a fixed window, not taken together: what one refuses stays taken of the other; no concurrency, no waiting`,
  contender: ({ prefix, server }, lanes) =>
    Effect.map(connect(server.url), (storeClient) => {
      const shared = { storeClient, useRedisPackage: true }
      const cap = new RateLimiterRedis({ ...shared, keyPrefix: `${prefix}cap`, points: capTokensMax, duration: 0 })
      const window = new RateLimiterRedis({
        ...shared,
        keyPrefix: `${prefix}window`,
        points: windowTokensMax,
        duration: WINDOW_MILLIS / 1_000
      })
      const union = new RateLimiterUnion(cap, window)
      return inFlight(library, lanes, async () => {
        await union.consume("budget", estimateTokens)
        const unused = estimateTokens - actualTokens
        await Promise.all([cap.reward("budget", unused), window.reward("budget", unused)])
        return true
      })
    })
}
