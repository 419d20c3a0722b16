import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { Heap, type HeapItem, NOT_IN_HEAP } from "./heap.ts"

/** Something that happens at an instant. Of two at the same instant, the one with the lower rank rings first. */
export interface Alarm extends HeapItem {
  at: number
  readonly rank: number
  ring(now: number): void
}

/**
 * Time as budgets see it: the clock's milliseconds, which never run backwards, and the alarms set on them.
 *
 * All budgets that live under one clock share its timeline, so that a path has one time. There is one timer, at the
 * next alarm, and none while no alarm is set.
 */
export class Timeline {
  /** How far `now` is ahead of the clock, which was set back by as much. */
  wallOffset = 0
  readonly #clock: Clock.Clock
  readonly #context: Context.Context<never>
  readonly #alarms = new Heap<Alarm>(ringsBefore)
  #wall = Number.NEGATIVE_INFINITY
  #timer: Fiber.Fiber<void> | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #isRinging = false

  private constructor(clock: Clock.Clock, scheduler: Scheduler.Scheduler) {
    this.#clock = clock
    this.#context = Context.make(Clock.Clock, clock).pipe(Context.add(Scheduler.Scheduler, scheduler))
  }

  /** The timeline of the clock that is current. */
  static readonly current: Effect.Effect<Timeline> = Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    let timeline = timelines.get(clock)
    if (timeline === undefined) {
      timeline = new Timeline(clock, fiber.getRef(Scheduler.Scheduler))
      timelines.set(clock, timeline)
    }
    return Effect.succeed(timeline)
  })

  /** `wallOffset`, for whoever needs it later: one function for all. */
  readonly readWallOffset = (): number => this.wallOffset

  now(): number {
    const wall = this.#clock.currentTimeMillisUnsafe()
    const setBackBy = this.#wall - wall
    this.#wall = wall
    if (setBackBy > 0) this.#setBack(setBackBy)
    return wall + this.wallOffset
  }

  /** Sets an alarm, or moves one that is set. */
  set(alarm: Alarm, at: number): void {
    if (alarm.heapIndex !== NOT_IN_HEAP && alarm.at === at) return
    alarm.at = at
    if (alarm.heapIndex === NOT_IN_HEAP) this.#alarms.add(alarm)
    else this.#alarms.moved(alarm)
    this.#aim()
  }

  cancel(alarm: Alarm): void {
    if (alarm.heapIndex === NOT_IN_HEAP) return
    this.#alarms.remove(alarm)
    if (this.#alarms.first === undefined) this.#aim()
  }

  #setBack(millis: number): void {
    this.wallOffset += millis
    if (this.#timer === undefined) return
    this.#stop()
    this.#aim()
  }

  /** Aims the timer at the first alarm. One that is aimed too early is left: it finds nothing to ring and aims anew. */
  #aim(): void {
    if (this.#isRinging) return
    const first = this.#alarms.first
    if (first === undefined) return this.#stop()
    if (this.#timerAt <= first.at) return
    this.#stop()
    this.#timerAt = first.at
    const wait = Duration.millis(Math.max(0, first.at - this.now()))
    this.#timer = Effect.runForkWith(this.#context)(
      Effect.flatMap(this.#clock.sleep(wait), () => Effect.sync(() => this.#ring()))
    )
  }

  #stop(): void {
    this.#timer?.interruptUnsafe()
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }

  #ring(): void {
    // This fiber is the timer: it ends by itself.
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#isRinging = true
    const now = this.now()
    let alarm = this.#alarms.first
    while (alarm !== undefined && alarm.at <= now) {
      this.#alarms.remove(alarm)
      alarm.ring(now)
      alarm = this.#alarms.first
    }
    this.#isRinging = false
    this.#aim()
  }
}

const timelines = new WeakMap<Clock.Clock, Timeline>()

const ringsBefore = (a: Alarm, b: Alarm): boolean => (a.at === b.at ? a.rank < b.rank : a.at < b.at)
