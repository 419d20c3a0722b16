import type { Scenario } from "../harness.ts"
import * as Bottleneck from "../peers/bottleneck.ts"
import * as EffectSemaphore from "../peers/effectSemaphore.ts"
import * as PQueue from "../peers/pQueue.ts"
import { guarded } from "./guarded.ts"
import { liveWindow } from "./liveWindow.ts"
import { observed } from "./observed.ts"
import { refusal } from "./refusal.ts"
import { tenants } from "./tenants.ts"
import { oneCap, oneWindow, threeLimits } from "./uncontended.ts"
import { waiting } from "./waiting.ts"

/** How large scenarios are. */
export interface Sizes {
  readonly live: number
  readonly waitingFew: number
  readonly waitingMany: number
  readonly tenantsFew: number
  readonly tenantsMany: number
}

export const scenarios = (sizes: Sizes): ReadonlyArray<Scenario> => [
  threeLimits,
  oneCap,
  oneWindow,
  liveWindow(sizes.live),
  waiting(sizes.waitingFew, 7, [EffectSemaphore.waiting, PQueue.waiting, Bottleneck.waiting]),
  // Without bottleneck: its timers would make one round take half a minute.
  waiting(sizes.waitingMany, 15, [EffectSemaphore.waiting, PQueue.waiting]),
  tenants(sizes.tenantsFew, sizes.tenantsMany),
  refusal,
  guarded,
  observed
]
