import Bottleneck from "bottleneck"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { call } from "../peers/call.ts"
import { inFlight } from "./inFlight.ts"
import { openMax, WINDOW_MILLIS, windowTokensMax } from "./limits.ts"
import type { Peer } from "./peer.ts"

/** It forgets its settings after this time without a job: between two rounds of a slow machine it must not. */
const FORGOTTEN_AFTER_MILLIS = 3_600_000

const library = "bottleneck"

export const bottleneck: Peer = {
  library,
  remark: `${library}: schedule, clustered over ioredis; concurrency and a reservoir, which is a cap or a fixed window; each step of a job is a timer; no settlement`,
  contender: ({ prefix, server }, lanes) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.promise(async () => {
          const limiter = new Bottleneck({
            id: prefix,
            datastore: "ioredis",
            Redis,
            clientOptions: addressOf(server.url),
            timeout: FORGOTTEN_AFTER_MILLIS,
            maxConcurrent: openMax,
            reservoir: windowTokensMax,
            reservoirRefreshAmount: windowTokensMax,
            reservoirRefreshInterval: WINDOW_MILLIS
          })
          await limiter.ready()
          return limiter
        }),
        (limiter) => Effect.promise(() => limiter.disconnect())
      ),
      (limiter) => ({
        ...inFlight(library, lanes, async () => {
          await limiter.schedule(call)
          return true
        }),
        isTimerBound: true
      })
    )
}

const addressOf = (url: string) => {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}
