import type * as Limit from "../../Limit.ts"
import { CapState } from "./cap.ts"
import { ConcurrencyState } from "./concurrency.ts"
import { FixedWindowState } from "./fixedWindow.ts"
import { PerCallState } from "./perCall.ts"
import { SlidingWindowState } from "./slidingWindow.ts"
import type { LimitState } from "./state.ts"
import { TokenBucketState } from "./tokenBucket.ts"

/** Starts limits that nobody has used yet. `wallOffset` says how far the clock is ahead of the calendar. */
export const starting =
  (wallOffset: () => number) =>
  (limit: Limit.Limit): LimitState => {
    switch (limit._tag) {
      case "Cap":
        return new CapState(limit)
      case "Concurrency":
        return new ConcurrencyState(limit)
      case "SlidingWindow":
        return new SlidingWindowState(limit)
      case "FixedWindow":
        return new FixedWindowState(limit, wallOffset)
      case "TokenBucket":
        return new TokenBucketState(limit)
      case "PerCall":
        return new PerCallState(limit)
    }
  }
