import Bottleneck from "bottleneck"
import { Effect, Latch, type Scope } from "effect"
import { plenty } from "../amounts.ts"
import type { Contender } from "../harness.ts"
import { crowdingPromises, repeatingPromise } from "../loops.ts"
import { call } from "./call.ts"

const library = "bottleneck"

export const remark = `${library}: schedule; concurrency and a reservoir; each step of a job is a timer, so milliseconds per call; no settlement`

export const passing: Effect.Effect<Contender, never, Scope.Scope> = Effect.map(
  make({ maxConcurrent: 10, reservoir: plenty }),
  (limiter) =>
    timerBound(
      repeatingPromise(library, async () => {
        await limiter.schedule(call)
        return true
      })
    )
)

export const waiting = (concurrency: number, callers: number): Effect.Effect<Contender, never, Scope.Scope> =>
  Effect.map(make({ maxConcurrent: concurrency }), (limiter) =>
    timerBound(crowdingPromises(library, callers, () => limiter.schedule(call)))
  )

/** Refuses whoever would have to queue, while the only place is taken. */
export const refused: Effect.Effect<Contender, never, Scope.Scope> = Effect.gen(function* () {
  const limiter = yield* make({ maxConcurrent: 1, highWater: 0, strategy: Bottleneck.strategy.OVERFLOW })
  const taken = yield* Latch.make()
  const free = yield* Latch.make()
  const occupant = limiter.schedule(() => Effect.runPromise(Effect.andThen(taken.open, free.await)))
  yield* taken.await
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      free.open,
      Effect.promise(() => occupant)
    )
  )
  return timerBound(
    repeatingPromise(library, async () => {
      try {
        await limiter.schedule(call)
        return false
      } catch (error) {
        return error instanceof Bottleneck.BottleneckError
      }
    })
  )
})

const timerBound = (contender: Contender): Contender => ({ ...contender, isTimerBound: true })

function make(options: Bottleneck.ConstructorOptions): Effect.Effect<Bottleneck, never, Scope.Scope> {
  return Effect.acquireRelease(
    Effect.sync(() => new Bottleneck(options)),
    (limiter) => Effect.promise(() => limiter.disconnect())
  )
}
