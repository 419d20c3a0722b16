/**
 * A world with a `TestClock` of its own, in which nothing happens by itself: every fiber runs on one queue of tasks,
 * which is worked off until nothing is left to do at this instant. So one knows what happened in which order, when the
 * world is at rest, and when the next thing will happen.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Random } from "../random.ts"

export interface Manner {
  /** How likely a fiber is to yield before any of its operations. */
  readonly yields: number
  /** Whether fibers that are ready run in any order, instead of the order in which they became ready. */
  readonly shuffles: boolean
}

/** A clock that knows who sleeps by it. */
export class WatchedClock implements Clock.Clock {
  readonly #inner: TestClock.TestClock
  readonly #sleeps = new Set<{ readonly until: number }>()
  /** How many sleeps went on to their end. */
  fired = 0
  sleepingMax = 0
  readonly currentTimeMillis: Effect.Effect<number>
  readonly currentTimeNanos: Effect.Effect<bigint>
  readonly monotonicTimeNanos: Effect.Effect<bigint>

  constructor(inner: TestClock.TestClock) {
    this.#inner = inner
    this.currentTimeMillis = inner.currentTimeMillis
    this.currentTimeNanos = inner.currentTimeNanos
    this.monotonicTimeNanos = inner.monotonicTimeNanos
  }

  get sleeping(): number {
    return this.#sleeps.size
  }

  get nextDue(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { until } of this.#sleeps) next = Math.min(next, until)
    return next
  }

  currentTimeMillisUnsafe(): number {
    return this.#inner.currentTimeMillisUnsafe()
  }

  currentTimeNanosUnsafe(): bigint {
    return this.#inner.currentTimeNanosUnsafe()
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.#inner.monotonicTimeNanosUnsafe()
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.uninterruptibleMask((restore) => {
      const sleep = { until: this.currentTimeMillisUnsafe() + Duration.toMillis(duration) }
      this.#sleeps.add(sleep)
      this.sleepingMax = Math.max(this.sleepingMax, this.#sleeps.size)
      return Effect.onExit(restore(this.#inner.sleep(duration)), (exit) =>
        Effect.sync(() => {
          this.#sleeps.delete(sleep)
          if (exit._tag === "Success") this.fired++
        })
      )
    })
  }
}

export class World {
  /** By what the budgets sleep. */
  readonly budgetClock: WatchedClock
  /** By what everybody else sleeps. */
  readonly programClock: WatchedClock
  readonly #clock: TestClock.TestClock
  readonly #manner: Manner
  readonly #random: Random
  readonly #ready: Array<() => void> = []
  /** Tasks of the clock, which goes on when everybody else is at rest. */
  readonly #late: Array<() => void> = []
  readonly #clockContext: Context.Context<never>
  /** Runs after every task. */
  afterTask: () => void = () => {}
  /** How many times somebody went on until he had to wait. Within one, nobody else did anything. */
  steps = 0

  constructor(startsAt: number, manner: Manner, random: Random) {
    this.#manner = manner
    this.#random = random
    this.#clock = Effect.runSync(
      Effect.provideService(TestClock.make({ warningDelay: "1 hour" }), Scope.Scope, Scope.makeUnsafe())
    )
    this.budgetClock = new WatchedClock(this.#clock)
    this.programClock = new WatchedClock(this.#clock)
    this.#clockContext = Context.make(
      Scheduler.Scheduler,
      this.#schedulerInto(this.#late, () => {}, steady)
    )
    this.setTime(startsAt)
  }

  get now(): number {
    return this.#clock.currentTimeMillisUnsafe()
  }

  /** When the next sleep is over. */
  get nextDue(): number {
    return Math.min(this.budgetClock.nextDue, this.programClock.nextDue)
  }

  /** Lets all sleeps up to an instant end in their order, everybody coming to rest in between. */
  setTime(wall: number): void {
    Effect.runForkWith(this.#clockContext)(this.#clock.setTime(wall))
    this.rest()
  }

  /** Starts a fiber of its own, which is told of when it is about to go on. */
  fork<A, E>(
    effect: Effect.Effect<A, E>,
    clock: WatchedClock = this.programClock,
    onReady: () => void = () => {}
  ): Fiber.Fiber<A, E> {
    const yields = this.#manner.yields === 0 ? steady : () => this.#random.chance(this.#manner.yields)
    const context = Context.make(Clock.Clock, clock).pipe(
      Context.add(Scheduler.Scheduler, this.#schedulerInto(this.#ready, onReady, yields)),
      Context.add(Logger.CurrentLoggers, silence)
    )
    this.steps++
    const fiber = Effect.runForkWith(context)(effect)
    this.afterTask()
    return fiber
  }

  /** Works until nobody has anything left to do at this instant. */
  rest(): void {
    for (let task = this.#next(); task !== undefined; task = this.#next()) {
      if (++this.steps > STEPS_MAX) throw new Error(`the program has not come to an end after ${STEPS_MAX} steps`)
      task()
      this.afterTask()
    }
  }

  #next(): (() => void) | undefined {
    const ready = this.#ready
    if (ready.length === 0) return this.#late.shift()
    if (!this.#manner.shuffles) return ready.shift()
    return ready.splice(this.#random.int(0, ready.length - 1), 1)[0]
  }

  #schedulerInto(
    queue: Array<() => void>,
    onReady: () => void,
    shouldYield: Scheduler.Scheduler["shouldYield"]
  ): Scheduler.Scheduler {
    return {
      executionMode: "async",
      shouldYield,
      makeDispatcher: () => ({
        scheduleTask: (task) => {
          onReady()
          queue.push(task)
        },
        flush: () => {}
      })
    }
  }
}

const steady = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.currentOpCount >= 2_048

const silence: ReadonlySet<Logger.Logger<unknown, unknown>> = new Set()

// No program of this size needs as many: one that does never ends.
const STEPS_MAX = 200_000
