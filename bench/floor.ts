/** What any reservation in Effect must cost at least: something in place before, and something run afterwards. */
import { Effect } from "effect"
import type { Contender } from "./harness.ts"
import { repeating } from "./loops.ts"

export const FLOOR = "floor"

/** A bare `Effect.acquireUseRelease` around nothing, or around a body that a scenario's calls have. */
export const floor = (body: Effect.Effect<void> = Effect.void): Contender =>
  repeating(
    FLOOR,
    Effect.acquireUseRelease(
      Effect.void,
      () => body,
      () => Effect.void
    )
  )
