import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Breaker from "../../Breaker.ts"
import type * as Budget from "../../Budget.ts"
import type { CallFailure } from "../../CallFailure.ts"
import type { DeadlineExceeded } from "../../Deadline.ts"
import * as Usage from "../../Usage.ts"
import { hear, hearAnswer } from "../governor/hear.ts"
import { type Circuit, send } from "../governor/send.ts"

/** By what a guard makes calls. */
export interface Means {
  readonly circuit: Circuit
  readonly timeout: Duration.Duration | undefined
  readonly readFailure: (cause: Cause.Cause<unknown>) => CallFailure
}

/** What can end a call besides itself. */
export type Cut = Breaker.CircuitBreakerError | DeadlineExceeded | Cause.TimeoutError

/** One attempt at a call. */
export class Attempt {
  readonly budget: Budget.Budget
  readonly #means: Means
  #isSent = false

  constructor(means: Means, budget: Budget.Budget) {
    this.#means = means
    this.budget = budget
  }

  /** Makes the call, if the circuit lets it, for as long as it may take. Runs while the reservation is open. */
  send<A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E | Cut, R> {
    const { circuit, readFailure, timeout } = this.#means
    const sent = Effect.suspend(() => {
      this.#isSent = true
      return call
    })
    const bounded = timeout === undefined ? sent : Effect.timeout(sent, timeout)
    const heard = Effect.onExit(bounded, (exit) =>
      exit._tag === "Success" ? this.#hearAnswer : this.#hearFailure(readFailure(exit.cause))
    )
    return send(heard, circuit, (end) => Breaker.outcomeOf(end, readFailure))
  }

  /** What the attempt costs when it fails and nothing was recorded. */
  owed(cause: Cause.Cause<unknown>, estimate: Usage.Usage): Budget.Owed | Usage.Usage {
    if (!this.#isSent) return "release"
    switch (this.#means.readFailure(cause).ending) {
      case "Unsent":
        return "release"
      case "Rejected":
        return { ...Usage.zero, requests: estimate.requests }
      case "Unseen":
        return "charge"
    }
  }

  readonly #hearAnswer = Effect.sync(() => hearAnswer(this.budget))

  #hearFailure({ feedback, status }: CallFailure): Effect.Effect<void> {
    return status === undefined ? Effect.void : hear(this.budget, feedback, status)
  }
}
