import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { BudgetEvent } from "../BudgetEvent.ts"
import type { Happening } from "./admission/listeners.ts"
import type { BudgetNode } from "./admission/node.ts"
import type { Timeline } from "./timeline.ts"

/** The events of a budget from now on. A listener that is too slow loses the oldest ones and slows nobody down. */
export const events = (node: BudgetNode, timeline: Timeline): Stream.Stream<BudgetEvent> =>
  Stream.callback<BudgetEvent>(
    (queue) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const listener = (happening: Happening): void => {
            Queue.offerUnsafe(queue, { ...happening, at: timeline.now() - timeline.wallOffset })
          }
          node.listeners ??= new Set()
          node.listeners.add(listener)
          return listener
        }),
        (listener) =>
          Effect.sync(() => {
            node.listeners?.delete(listener)
            if (node.listeners?.size === 0) node.listeners = undefined
          })
      ),
    { bufferSize: LAG_MAX, strategy: "sliding" }
  )

// How many events a listener may lag behind.
const LAG_MAX = 4_096
