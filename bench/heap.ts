import { Effect } from "effect"

/** A point from which on the heap is watched. */
export const watchHeap: Effect.Effect<{ readonly grownBytes: Effect.Effect<number> }> = Effect.suspend(() =>
  Effect.map(settledBytes, (before) => ({ grownBytes: Effect.map(settledBytes, (after) => after - before) }))
)

/** What the garbage collector leaves when nothing more can be collected. */
const settledBytes: Effect.Effect<number> = Effect.promise(async () => {
  const { gc } = globalThis
  if (gc === undefined) throw new Error("bench: run it with --expose-gc, as `npm run bench` does")
  let bytes = Number.POSITIVE_INFINITY
  while (true) {
    // What has ended is let go of in later turns of the event loop.
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
    gc()
    const { heapUsed } = process.memoryUsage()
    if (heapUsed >= bytes - NOISE_BYTES) return heapUsed
    bytes = heapUsed
  }
})

const TURNS = 3
const NOISE_BYTES = 4_096
