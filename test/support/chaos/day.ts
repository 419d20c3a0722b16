/**
 * A day that passes as fast as it can be worked off: a clock whose sleeps end in order, and a queue of fibers that are
 * ready. Everything that happens has a place in one order.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as EffectRandom from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import { Heap, type HeapItem } from "../../../src/internal/heap.ts"
import type { Random } from "../random.ts"

interface Sleep extends HeapItem {
  readonly until: number
  readonly order: number
  readonly end: () => void
}

export class Day {
  /** Millis since it began. */
  now = 0
  readonly #sleeps = new Heap<Sleep>((a, b) => (a.until === b.until ? a.order < b.order : a.until < b.until))
  #ready: Array<() => void> = []
  #order = 0
  readonly #context: Context.Context<never>

  constructor(random: Random) {
    this.#context = Context.make(Clock.Clock, this.#clock()).pipe(
      Context.add(Scheduler.Scheduler, this.#scheduler()),
      Context.add(Logger.CurrentLoggers, new Set<Logger.Logger<unknown, unknown>>()),
      Context.add(EffectRandom.Random, {
        nextIntUnsafe: () => random.int(Number.MIN_SAFE_INTEGER / 4, Number.MAX_SAFE_INTEGER / 4),
        nextDoubleUnsafe: () => random.fraction()
      })
    )
  }

  /** Orders what happens at one instant, too. */
  tick(): number {
    return ++this.#order
  }

  start<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.#context)(effect)
  }

  /** Lets time pass until nobody sleeps any more. */
  pass(): void {
    this.#rest()
    for (let sleep = this.#sleeps.first; sleep !== undefined; sleep = this.#sleeps.first) {
      this.now = Math.max(this.now, sleep.until)
      this.#sleeps.remove(sleep)
      sleep.end()
      this.#rest()
    }
  }

  #rest(): void {
    while (this.#ready.length > 0) {
      const tasks = this.#ready
      this.#ready = []
      for (const task of tasks) task()
    }
  }

  #scheduler(): Scheduler.Scheduler {
    return {
      executionMode: "async",
      shouldYield: () => false,
      makeDispatcher: () => ({ scheduleTask: (task) => this.#ready.push(task), flush: () => {} })
    }
  }

  #clock(): Clock.Clock {
    const nanos = () => BigInt(this.now) * 1_000_000n
    return {
      currentTimeMillisUnsafe: () => this.now,
      currentTimeMillis: Effect.sync(() => this.now),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: nanos,
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.callback<void>((resume) => {
          const millis = Duration.toMillis(duration)
          const sleep: Sleep = {
            until: Math.ceil(this.now + millis),
            order: this.tick(),
            heapIndex: -1,
            end: () => resume(Effect.void)
          }
          if (Number.isFinite(millis)) this.#sleeps.add(sleep)
          return Effect.sync(() => {
            if (sleep.heapIndex !== -1) this.#sleeps.remove(sleep)
          })
        })
    }
  }
}
