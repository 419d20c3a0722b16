import { Effect } from "effect"
import PQueue from "p-queue"
import { plenty } from "../amounts.ts"
import type { Contender } from "../harness.ts"
import { crowdingPromises, repeatingPromise } from "../loops.ts"
import { call } from "./call.ts"

const library = "p-queue"

export const remark = `${library}: add; concurrency and a fixed interval that counts calls, not amounts; cannot refuse; no settlement`

export const passing: Effect.Effect<Contender> = Effect.sync(() => {
  const queue = new PQueue({ concurrency: 10, intervalCap: plenty, interval: 60_000 })
  return repeatingPromise(library, async () => {
    await queue.add(call)
    return true
  })
})

export const waiting = (concurrency: number, callers: number): Effect.Effect<Contender> =>
  Effect.sync(() => {
    const queue = new PQueue({ concurrency })
    return crowdingPromises(library, callers, () => queue.add(call))
  })
