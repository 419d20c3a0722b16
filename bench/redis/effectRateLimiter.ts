import { Context, Effect, Layer, type Scope } from "effect"
import { RateLimiter } from "effect/persistence"
import { layerAt } from "../../test/support/redis/server.ts"
import { estimateTokens } from "../amounts.ts"
import { inFlightEffects } from "./inFlight.ts"
import { windowTokensMax } from "./limits.ts"
import type { Peer, Place } from "./peer.ts"

const library = "effect RateLimiter"

const limiter = ({ prefix, server }: Place): Effect.Effect<RateLimiter.RateLimiter, never, Scope.Scope> =>
  Effect.map(
    Layer.build(
      RateLimiter.layer.pipe(
        Layer.provide(RateLimiter.layerStoreRedis({ prefix })),
        Layer.provide(layerAt(server.url)),
        Layer.orDie
      )
    ),
    (services) => Context.get(services, RateLimiter.RateLimiter)
  )

export const effectRateLimiter: Peer = {
  library,
  remark: `${library}: one consume of the tokens, in one script; the window alone; nothing is settled or given back`,
  contender: (place, lanes) =>
    Effect.map(limiter(place), ({ consume }) =>
      inFlightEffects(
        library,
        lanes,
        consume({ key: "budget", limit: windowTokensMax, window: "1 minute", tokens: estimateTokens })
      )
    )
}
