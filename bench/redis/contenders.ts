/** Who is measured. Everybody is compared with the bare pair. */
import { barePair } from "./barePair.ts"
import { bottleneck } from "./bottleneck.ts"
import { effectRateLimiter } from "./effectRateLimiter.ts"
import { llmBudget } from "./llmBudget.ts"
import { ours, oursAhead } from "./ours.ts"
import type { Peer } from "./peer.ts"
import { oursInProcesses } from "./processes.ts"
import { rateLimiterFlexible } from "./rateLimiterFlexible.ts"

export const peers: ReadonlyArray<Peer> = [
  barePair,
  ours,
  oursAhead,
  oursInProcesses,
  effectRateLimiter,
  rateLimiterFlexible,
  llmBudget,
  bottleneck
]
