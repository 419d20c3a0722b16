import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import * as Breaker from "../../Breaker.ts"
import type * as Budget from "../../Budget.ts"
import { BudgetError } from "../../BudgetError.ts"
import * as CallFailure from "../../CallFailure.ts"
import * as Deadline from "../../Deadline.ts"
import type { Guard, Options, Refusal } from "../../Guard.ts"
import type { Reservation } from "../../Reservation.ts"
import * as Usage from "../../Usage.ts"
import { Attempt, type Means } from "./attempt.ts"
import { backingOff, retrying, untilClosed } from "./retry.ts"

/** A guard of the budget that each call has. */
export class GuardImpl implements Guard {
  readonly #means: Means
  readonly #budget: Effect.Effect<Budget.Budget>
  readonly #retries: number
  readonly #whenOpen: "fail" | "wait"
  readonly #schedule: Schedule.Schedule<unknown, unknown>

  constructor(
    options: Options<unknown>,
    breaker: Breaker.CircuitBreaker,
    budget: Effect.Effect<Budget.Budget>,
    clock: Clock.Clock
  ) {
    const { failureOf, key, retries = RETRIES, schedule = backOff, timeout, whenOpen = "fail" } = options
    if (!Usage.isAmount(retries)) {
      throw new RangeError(`Guard.make: retries must be a whole number of zero or more, got ${String(retries)}`)
    }
    this.#means = {
      circuit: { breaker, key },
      timeout: timeout === undefined ? undefined : Duration.fromInputUnsafe(timeout),
      readFailure: (cause) =>
        CallFailure.fromCause(
          cause,
          (error) => failureOf?.(error) ?? CallFailure.of(error, clock.currentTimeMillisUnsafe())
        )
    }
    this.#budget = budget
    this.#retries = retries
    this.#whenOpen = whenOpen
    this.#schedule = schedule
  }

  spend<A>(
    options: Budget.SpendOptions | Budget.SpendActualOptions<A>
  ): <E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal | Cause.TimeoutError, R> {
    const { estimate } = options
    return (self) =>
      this.#guard((attempt) => {
        const onFailure = options.onFailure ?? ((cause: Cause.Cause<unknown>) => attempt.owed(cause, estimate))
        const call = attempt.send(self)
        return options.actual === undefined
          ? attempt.budget.spend({ ...options, onFailure })(call)
          : attempt.budget.spend<A>({ ...options, onFailure })(call)
      })
  }

  withReservation<A, E, R>(
    estimate: Usage.Usage,
    body: (reservation: Reservation) => Effect.Effect<A, E, R>,
    options?: Budget.ReserveOptions
  ): Effect.Effect<A, E | Refusal | Cause.TimeoutError, R> {
    return this.#guard((attempt) =>
      attempt.budget.withReservation(estimate, (reservation) => attempt.send(Effect.suspend(() => body(reservation))), {
        ...options,
        onFailure: options?.onFailure ?? ((cause) => attempt.owed(cause, estimate))
      })
    )
  }

  #guard<A, E, R>(
    make: (attempt: Attempt) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | Breaker.CircuitBreakerError | Deadline.DeadlineExceeded, R> {
    const { circuit, readFailure } = this.#means
    const attempt = Effect.flatMap(this.#budget, (budget) => make(new Attempt(this.#means, budget)))
    // What is over, or open, refuses before anything is reserved.
    const guarded = Deadline.check.pipe(
      Effect.andThen(Breaker.check(circuit.breaker, circuit.key)),
      Effect.andThen(attempt),
      Effect.mapError(unwrapped)
    )
    return retrying(this.#whenOpen === "wait" ? untilClosed(guarded) : guarded, {
      retries: this.#retries,
      schedule: this.#schedule,
      readFailure
    })
  }
}

/** A deadline that was met in the budget's line is the same as one that is met elsewhere. */
const unwrapped = <E>(error: E): E | Deadline.DeadlineExceeded =>
  error instanceof BudgetError && error.reason._tag === "DeadlineExceeded" ? error.reason.deadline : error

const RETRIES = 2

const backOff = backingOff(Duration.millis(500), Duration.seconds(30))
