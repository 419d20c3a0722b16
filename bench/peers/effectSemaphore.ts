import { Effect, Semaphore } from "effect"
import type { Contender } from "../harness.ts"
import { crowding } from "../loops.ts"

const library = "effect Semaphore"

export const remark = `${library}: withPermit; concurrency alone, and not first come, first served`

export const waiting = (permits: number, callers: number): Effect.Effect<Contender> =>
  Effect.sync(() => {
    const semaphore = Semaphore.makeUnsafe(permits)
    return crowding(library, new Array<Effect.Effect<void>>(callers).fill(semaphore.withPermit(Effect.yieldNow)))
  })
