import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Breaker from "../../Breaker.ts"
import * as Deadline from "../../Deadline.ts"

/** The circuit that a call goes through. */
export interface Circuit {
  readonly breaker: Breaker.CircuitBreaker
  readonly key: string
}

/**
 * Makes a call that has been admitted, if its circuit lets it through now, for as long as its deadline allows, and
 * records its end in the circuit.
 */
export const send = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  circuit: Circuit | undefined,
  outcomeOf: (exit: Exit.Exit<A, E | Deadline.DeadlineExceeded>) => Breaker.Outcome | Effect.Effect<Breaker.Outcome>
): Effect.Effect<A, E | Breaker.CircuitBreakerError | Deadline.DeadlineExceeded, R> => {
  const bounded = Deadline.enforce(call)
  return circuit === undefined ? bounded : circuit.breaker.execute(bounded, { key: circuit.key, classify: outcomeOf })
}
