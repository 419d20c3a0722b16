import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { consecutive } from "effect/persistence/CircuitBreaker"
import * as Breaker from "../../src/Breaker.ts"

/** A breaker in memory whose circuits open with the second failure in a row, for five seconds. */
export const makeBreaker = (options: Breaker.Options = {}) =>
  Effect.map(
    Layer.build(Breaker.layerMemory({ tripPolicy: consecutive(2), ...options })),
    Context.get(Breaker.CircuitBreaker)
  )

/** The circuit of the questions of the tests. */
export const key = Breaker.key({ provider: "openai", model: "gpt-4o-mini" })

/** Opens it. */
export const openCircuit = (breaker: Breaker.CircuitBreaker) =>
  Effect.repeat(Effect.exit(breaker.execute(Effect.fail("down"), { key })), { times: 1 })
