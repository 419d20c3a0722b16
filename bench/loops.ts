/**
 * Contenders from what is repeated: an effect or a promise. Each loop counts the outcomes that it expects, so that
 * nothing is optimised away and nothing fails unseen.
 */
import { Effect, Exit, type Scope } from "effect"
import type { Contender } from "./harness.ts"

/** Repeats an effect, which succeeds. */
export const repeating = <E>(library: string, effect: Effect.Effect<unknown, E>): Contender => ({
  library,
  opsPerRun: 1,
  run: (runs) => Effect.runPromise(repeat(runs, effect, () => true))
})

/** Repeats an effect, which fails, within one scope. */
export const refusing = <A, E>(library: string, effect: Effect.Effect<A, E, Scope.Scope>): Contender => ({
  library,
  opsPerRun: 1,
  run: (runs) => Effect.runPromise(Effect.scoped(repeat(runs, Effect.exit(effect), Exit.isFailure)))
})

/** Lets callers do something at the same time, each in its own fiber, wave after wave. */
export const crowding = <E>(library: string, callers: ReadonlyArray<Effect.Effect<unknown, E>>): Contender => {
  const wave = Effect.forEach(callers, (caller) => caller, { concurrency: "unbounded", discard: true })
  return {
    library,
    opsPerRun: callers.length,
    run: (runs) =>
      Effect.runPromise(
        Effect.map(
          repeat(runs, wave, () => true),
          (waves) => waves * callers.length
        )
      )
  }
}

/** Repeats a promise, which is awaited each time. It says whether it came out as it should. */
export const repeatingPromise = (library: string, operation: () => Promise<boolean>): Contender => ({
  library,
  opsPerRun: 1,
  run: async (runs) => {
    let done = 0
    for (let index = 0; index < runs; index++) if (await operation()) done++
    return done
  }
})

/** Lets callers do something at the same time, each with its own promise, wave after wave. */
export const crowdingPromises = (library: string, callers: number, operation: () => Promise<unknown>): Contender => ({
  library,
  opsPerRun: callers,
  run: async (runs) => {
    let done = 0
    const counted = async (): Promise<void> => {
      await operation()
      done++
    }
    for (let index = 0; index < runs; index++) await Promise.all(Array.from({ length: callers }, counted))
    return done
  }
})

/** Repeats a synchronous function. It says whether it came out as it should. */
export const repeatingSync = (library: string, operation: () => boolean): Contender => ({
  library,
  opsPerRun: 1,
  run: (runs) => {
    let done = 0
    for (let index = 0; index < runs; index++) if (operation()) done++
    return Promise.resolve(done)
  }
})

const repeat = <A, E, R>(
  runs: number,
  effect: Effect.Effect<A, E, R>,
  isExpected: (value: A) => boolean
): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    let left = runs
    let done = 0
    const loop = Effect.whileLoop({
      while: () => left > 0,
      body: () => effect,
      step: (value) => {
        left--
        if (isExpected(value)) done++
      }
    })
    return Effect.map(loop, () => done)
  })
