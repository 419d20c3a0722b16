import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { BudgetEvent } from "../BudgetEvent.ts"
import { type Happening, listen } from "./admission/listeners.ts"
import type { BudgetNode } from "./admission/node.ts"
import type { Timeline } from "./timeline.ts"

/** The events of a budget from now on. A listener that is too slow loses the oldest ones and slows nobody down. */
export const events = (node: BudgetNode, timeline: Timeline): Stream.Stream<BudgetEvent> =>
  Stream.callback<BudgetEvent>(
    (queue) =>
      listening(node, (happening) => {
        Queue.offerUnsafe(queue, { ...happening, at: timeline.now() - timeline.wallOffset })
      }),
    { bufferSize: LAG_MAX, strategy: "sliding" }
  )

/** Tells a listener what happens in a budget, at once and on the stack of whoever does it, while the scope is open. */
export const listening = (
  node: BudgetNode,
  listener: (happening: Happening) => void
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => listen(node, listener)),
      (unlisten) => Effect.sync(unlisten)
    )
  )

// How many events a listener may lag behind.
const LAG_MAX = 4_096
