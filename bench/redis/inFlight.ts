/** Contenders from an operation, of which as many as wanted are in flight all the time. */
import { Effect } from "effect"
import type { Contender } from "../harness.ts"

/** Lanes of promises, each of which does one operation after the other. An operation says whether it came out well. */
export const inFlight = (library: string, lanes: number, operation: () => Promise<boolean>): Contender => ({
  library,
  opsPerRun: lanes,
  run: async (runs) => {
    let done = 0
    const lane = async (): Promise<void> => {
      for (let run = 0; run < runs; run++) if (await operation()) done++
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    return done
  }
})

/** Lanes of fibers. An operation that fails ends the benchmark. */
export const inFlightEffects = <E>(
  library: string,
  lanes: number,
  operation: Effect.Effect<unknown, E>
): Contender => ({
  library,
  opsPerRun: lanes,
  run: (runs) =>
    Effect.runPromise(
      Effect.suspend(() => {
        let done = 0
        const lane = Effect.suspend(() => {
          let run = 0
          return Effect.whileLoop({
            while: () => run++ < runs,
            body: () => operation,
            step: () => void done++
          })
        })
        const all = Effect.all(new Array<typeof lane>(lanes).fill(lane), { concurrency: "unbounded", discard: true })
        return Effect.map(all, () => done)
      })
    )
})
