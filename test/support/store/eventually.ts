/** Waiting for what other processes do, by the real clock. */
import * as Effect from "effect/Effect"

/** Looks again and again until a check finds nothing wrong with what is seen. Fails as the check does, in the end. */
export const eventually = <A, E, R>(look: Effect.Effect<A, E, R>, check: (seen: A) => void): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const giveUpAt = performance.now() + PATIENCE_MILLIS
    while (true) {
      const seen = yield* look
      try {
        check(seen)
        return seen
      } catch (error) {
        if (performance.now() > giveUpAt) return yield* Effect.die(error)
      }
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MILLIS)))
    }
  })

const PATIENCE_MILLIS = 20_000
const LOOK_EVERY_MILLIS = 5
