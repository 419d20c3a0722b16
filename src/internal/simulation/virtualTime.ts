import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scheduler from "effect/Scheduler"
import { Heap, type HeapItem, NOT_IN_HEAP } from "../heap.ts"

/** Something that happens at an instant. Of two at the same one, that which was planned first happens first. */
interface Wake extends HeapItem {
  readonly at: number
  readonly order: number
  readonly act: () => void
}

/**
 * A clock that stands still until it is told to go on, and the fibers that live by it.
 *
 * Between two instants everybody who can do something does it, on one queue of tasks and on the stack of whoever moves
 * the clock: simulated time costs only the work that is done in it.
 */
export class VirtualTime implements Clock.Clock {
  now: number
  readonly #wakes = new Heap<Wake>((a, b) => (a.at === b.at ? a.order < b.order : a.at < b.at))
  #planned = 0
  readonly #tasks: Array<() => void> = []
  readonly #context: Context.Context<never>

  constructor(now: number) {
    this.now = now
    const dispatcher: Scheduler.SchedulerDispatcher = {
      scheduleTask: (task) => void this.#tasks.push(task),
      flush: () => this.rest()
    }
    const scheduler: Scheduler.Scheduler = {
      executionMode: "async",
      // Nobody else is kept waiting: all of it is one slice of the work of whoever moves the clock.
      shouldYield: () => false,
      makeDispatcher: () => dispatcher
    }
    this.#context = Context.make(Clock.Clock, this).pipe(Context.add(Scheduler.Scheduler, scheduler))
  }

  /** When the next thing happens, or infinity. */
  get nextAt(): number {
    return this.#wakes.first?.at ?? Number.POSITIVE_INFINITY
  }

  /** Lets the next thing happen, and everybody do what they can do then. */
  step(): void {
    const wake = this.#wakes.first
    if (wake === undefined) return
    this.#wakes.remove(wake)
    this.now = Math.max(this.now, wake.at)
    wake.act()
    this.rest()
  }

  /** Everybody does what they can do now. */
  rest(): void {
    const tasks = this.#tasks
    for (let index = 0; index < tasks.length; index++) tasks[index]!()
    tasks.length = 0
  }

  /** Plans something. Returns how to call it off. */
  after(millis: number, act: () => void): () => void {
    const wake: Wake = { at: this.now + millis, order: ++this.#planned, act, heapIndex: NOT_IN_HEAP }
    this.#wakes.add(wake)
    return () => {
      if (wake.heapIndex !== NOT_IN_HEAP) this.#wakes.remove(wake)
    }
  }

  /** Starts a fiber that lives by this clock. */
  run<A, E>(effect: Effect.Effect<A, E>, onExit: (exit: Exit.Exit<A, E>) => void): void {
    Effect.runForkWith(this.#context)(effect).addObserver(onExit)
  }

  /** Runs something that takes no time. */
  runNow<A>(effect: Effect.Effect<A>): A {
    let result: Exit.Exit<A> | undefined
    this.run(effect, (exit) => (result = exit))
    this.rest()
    if (result === undefined) throw new Error("VirtualTime: it takes time")
    return Effect.runSync(result)
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return this.sleepMillis(Duration.toMillis(duration))
  }

  sleepMillis(millis: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const callOff = this.after(millis, () => resume(Effect.void))
      return Effect.sync(callOff)
    })
  }

  currentTimeMillisUnsafe(): number {
    return this.now
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.now) * 1_000_000n
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  readonly currentTimeMillis = Effect.sync(() => this.now)
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = this.currentTimeNanos
}
