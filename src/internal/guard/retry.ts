import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Breaker from "../../Breaker.ts"
import * as CallFailure from "../../CallFailure.ts"
import * as Deadline from "../../Deadline.ts"

/** How often, and after how long, a call that failed is made again. */
export interface Retrying {
  readonly retries: number
  readonly schedule: Schedule.Schedule<unknown, unknown>
  readonly readFailure: (cause: Cause.Cause<unknown>) => CallFailure.CallFailure
}

/**
 * Makes an attempt again while that may help. Nothing is held in between. Where the provider has said when to come back,
 * the budget is paused until then, and the next attempt waits there with everyone else.
 */
export const retrying = <A, E, R>(
  attempt: Effect.Effect<A, E, R>,
  { readFailure, retries, schedule }: Retrying
): Effect.Effect<A, E | Deadline.DeadlineExceeded, R> =>
  retries === 0
    ? attempt
    : Effect.flatMap(Schedule.toStep(schedule), (step) => {
        const attemptWith = (left: number): Effect.Effect<A, E | Deadline.DeadlineExceeded, R> =>
          left === 0
            ? attempt
            : Effect.catchCause(attempt, (cause) => {
                const failure = readFailure(cause)
                if (Cause.hasInterrupts(cause) || !CallFailure.isTransient(failure)) return Effect.failCause(cause)
                if (isPaused(failure)) return attemptWith(left - 1)
                return Clock.currentTimeMillis.pipe(
                  Effect.flatMap((now) => step(now, Cause.squash(cause))),
                  Effect.matchCauseEffect({
                    // The schedule has ended.
                    onFailure: () => Effect.failCause(cause),
                    onSuccess: ([, delay]) => Effect.andThen(wait(delay), attemptWith(left - 1))
                  })
                )
              })
        return attemptWith(retries)
      })

/**
 * Asks again whenever a circuit has not let a call through, for as long as the deadline allows: when it says that it may
 * be closed again, or, while somebody else finds out, now and then. Nothing is held meanwhile.
 */
export const untilClosed = <A, E, R>(
  attempt: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Deadline.DeadlineExceeded, R> =>
  Effect.flatMap(Schedule.toStep(nowAndThen), (step) => {
    const again: Effect.Effect<A, E | Deadline.DeadlineExceeded, R> = attempt.pipe(
      Effect.catch((error): typeof again => {
        if (!(error instanceof Breaker.CircuitBreakerError)) return Effect.fail(error)
        if (error.reason._tag === "CircuitBreakerStoreError") return Effect.fail(error)
        return Clock.currentTimeMillis.pipe(
          Effect.flatMap((now) => step(now, error)),
          Effect.orDie,
          Effect.flatMap(([, delay]) => wait(Duration.max(delay, Breaker.retryAfterOf(error) ?? Duration.zero))),
          Effect.andThen(again)
        )
      })
    )
    return again
  })

const isPaused = ({ feedback, kind }: CallFailure.CallFailure): boolean =>
  kind === "Throttled" || feedback.retryAfterMillis !== undefined

/** Fails at once when the deadline comes before the end of the wait. */
const wait = (delay: Duration.Duration): Effect.Effect<void, Deadline.DeadlineExceeded> =>
  Effect.gen(function* () {
    const deadline = yield* Deadline.Current
    const now = yield* Clock.currentTimeMillis
    if (deadline !== undefined && now + Duration.toMillis(delay) >= deadline.endsAt) {
      return yield* Effect.fail(Deadline.exceeded(deadline, now))
    }
    yield* Effect.sleep(delay)
  })

/** Waits twice as long each time, up to a maximum, and with jitter: who failed together does not come back together. */
export const backingOff = (first: Duration.Duration, most: Duration.Duration) =>
  Schedule.exponential(first).pipe(
    Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, most))),
    Schedule.jittered
  )

const nowAndThen = backingOff(Duration.millis(50), Duration.seconds(1))
