/**
 * A wall-clock bound on a task.
 *
 * It is cooperative: nothing is cut off by it alone. It travels with the task, into whatever the task calls and forks,
 * and whoever meets it keeps to it: a reservation does not wait past it, a guarded call has what is left of it as its
 * timeout, and code of one's own asks for it with {@link check}, {@link remaining} or {@link enforce}.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { traceless } from "./internal/traceless.ts"

/**
 * A wall-clock bound on a task.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deadline {
  /** Names the task in errors. */
  readonly task: string
  /** When the task began, in epoch millis. */
  readonly startedAt: number
  /** When it has to be over, in epoch millis. */
  readonly endsAt: number
  /** How far it was when it last said so: see {@link progress}. */
  readonly progress: string | undefined
}

/**
 * The time of a task is over, or is known not to be enough.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends Data.TaggedError("DeadlineExceeded")<{
  readonly task: string
  /** How long it may take. */
  readonly allowed: Duration.Duration
  /** How long it has taken. */
  readonly elapsed: Duration.Duration
  /** How far it was when it last said so. */
  readonly progress: string | undefined
}> {
  override get message(): string {
    const { allowed, elapsed, progress, task } = this
    const time = Duration.isLessThan(elapsed, allowed)
      ? `has too little left of its ${Duration.format(allowed)} after ${Duration.format(elapsed)}`
      : `has had its ${Duration.format(allowed)}: ${Duration.format(elapsed)} have passed`
    return `${task} ${time}${progress === undefined ? "" : `, and was at: ${progress}`}`
  }
}

/**
 * The deadline of the task that is running, if it has one.
 *
 * @category services
 * @since 0.1.0
 */
export const Current: Context.Reference<Deadline | undefined> = Context.Reference("effect-budget/Deadline", {
  defaultValue: (): Deadline | undefined => undefined
})

/**
 * Gives a task a deadline, counted from when it starts.
 *
 * **Details**
 *
 * A task within a task keeps the earlier deadline of the two: one that has less time left than it is given runs under
 * the outer deadline, by the outer name. Fibers that it forks inherit its deadline.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { TestClock } from "effect/testing"
 * import { Deadline } from "effect-budget"
 *
 * const report = Effect.gen(function* () {
 *   for (const chapter of [1, 2, 3, 4]) {
 *     yield* Deadline.check
 *     yield* Deadline.progress(`chapter ${chapter} of 4`)
 *     yield* TestClock.adjust("25 seconds") // the work
 *   }
 *   return "done"
 * })
 *
 * const program = report.pipe(
 *   Deadline.within("1 minute", { task: "report" }),
 *   Effect.catchTag("DeadlineExceeded", (error) => Effect.succeed(error.message))
 * )
 *
 * await Effect.runPromise(Effect.provide(program, TestClock.layer())) // => "report has had its 1m: 1m 15s have passed, and was at: chapter 3 of 4"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const within =
  (duration: Duration.Input, options?: { readonly task?: string | undefined }) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) => {
      const outer = fiber.getRef(Current)
      const startedAt = nowIn(fiber)
      const endsAt = startedAt + Duration.toMillis(duration)
      if (endsAt === Number.POSITIVE_INFINITY || (outer !== undefined && outer.endsAt <= endsAt)) return self
      const task = options?.task ?? outer?.task ?? "the task"
      return Effect.provideService(self, Current, new RunningTask(task, startedAt, endsAt))
    })

/**
 * What is left until the deadline: never less than nothing, and infinite without one.
 *
 * @category getters
 * @since 0.1.0
 */
export const remaining: Effect.Effect<Duration.Duration> = Effect.withFiber((fiber) => {
  const deadline = fiber.getRef(Current)
  const millis = deadline === undefined ? Number.POSITIVE_INFINITY : deadline.endsAt - nowIn(fiber)
  return Effect.succeed(Duration.millis(Math.max(0, millis)))
})

/**
 * Fails when the deadline is over.
 *
 * @category combinators
 * @since 0.1.0
 */
export const check: Effect.Effect<void, DeadlineExceeded> = Effect.withFiber((fiber) => {
  const deadline = fiber.getRef(Current)
  if (deadline === undefined) return Effect.void
  const now = nowIn(fiber)
  return now < deadline.endsAt ? Effect.void : Effect.fail(exceeded(deadline, now))
})

/**
 * Takes note of how far the task is, for the error in case it has to stop there.
 *
 * @category combinators
 * @since 0.1.0
 */
export const progress = (note: string): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const deadline = fiber.getRef(Current)
    if (deadline instanceof RunningTask) deadline.progress = note
    return Effect.void
  })

/**
 * Interrupts an effect at the deadline, and does not begin it after that. For what does not ask by itself: a request, a
 * computation of somebody else's.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Deadline } from "effect-budget"
 *
 * const program = Effect.never.pipe(Deadline.enforce, Deadline.within("10 millis", { task: "answer" }))
 *
 * const error = await Effect.runPromise(Effect.flip(program))
 * error._tag // => "DeadlineExceeded"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const enforce = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
  Effect.withFiber((fiber) => {
    const deadline = fiber.getRef(Current)
    if (deadline === undefined) return self
    const now = nowIn(fiber)
    if (now >= deadline.endsAt) return Effect.fail(exceeded(deadline, now))
    return Effect.timeoutOrElse(self, {
      duration: deadline.endsAt - now,
      orElse: () => Effect.fail(exceeded(deadline, nowIn(fiber)))
    })
  })

/**
 * What a deadline that is over says at an instant (epoch millis), or one of which too little is left: for adapters.
 *
 * @category errors
 * @since 0.1.0
 */
export const exceeded = ({ endsAt, progress, startedAt, task }: Deadline, now: number): DeadlineExceeded =>
  traceless(
    () =>
      new DeadlineExceeded({
        task,
        allowed: Duration.millis(endsAt - startedAt),
        elapsed: Duration.millis(now - startedAt),
        progress
      })
  )

class RunningTask implements Deadline {
  readonly task: string
  readonly startedAt: number
  readonly endsAt: number
  progress: string | undefined

  constructor(task: string, startedAt: number, endsAt: number) {
    this.task = task
    this.startedAt = startedAt
    this.endsAt = endsAt
    this.progress = undefined
  }
}

const nowIn = (fiber: Fiber.Fiber<unknown, unknown>): number => fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
