import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as AiError from "effect/ai/AiError"
import type * as Dialect from "../../Dialect.ts"
import type { Destination, GovernedCall, Governor } from "../../Governor.ts"
import { Answer, type AnyPart } from "./answer.ts"
import { endingOfFailure, hearFailure } from "./failure.ts"
import { refusalError } from "./refusal.ts"
import { endingOf } from "./usage.ts"

/** One round of a provider: what is asked for, and where. */
export interface Asking {
  readonly governor: Governor
  readonly call: Dialect.Call
  readonly destination: Destination
  /** The method of the language model, for errors. */
  readonly method: string
}

/**
 * Asks for a whole answer within a budget. It is admitted before `ask` begins, which is given the bound of a shorter
 * answer, and settled when `ask` has ended, before anyone sees the answer.
 */
export const governAnswer = <P extends AnyPart>(
  asking: Asking,
  ask: (maxOutputTokens: number | undefined) => Effect.Effect<ReadonlyArray<P>, AiError.AiError>
): Effect.Effect<ReadonlyArray<P>, AiError.AiError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const round = yield* begin(asking)
      return yield* Effect.onExit(
        Effect.suspend(() => ask(round.send())),
        (exit) => {
          if (Exit.isSuccess(exit)) round.answer.see(exit.value)
          return round.end(exit)
        }
      )
    })
  )

/**
 * Asks for a streamed answer within a budget. It is admitted before `ask` begins and settled with the part that says
 * what was used, before anyone sees that part, or else when the stream ends, however it does.
 */
export const governStream = <P extends AnyPart>(
  asking: Asking,
  ask: (maxOutputTokens: number | undefined) => Stream.Stream<P, AiError.AiError>
): Stream.Stream<P, AiError.AiError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const round = yield* begin(asking)
      yield* Effect.addFinalizer((exit) => round.end(exit))
      return Stream.suspend(() => ask(round.send())).pipe(
        Stream.mapArrayEffect((parts) => {
          round.answer.see(parts)
          return round.answer.isFinished ? Effect.as(round.end(Exit.void), parts) : Effect.succeed(parts)
        })
      )
    })
  )

/** Until the scope is closed, an interruption leaves no trace as long as nothing was sent. */
const begin = (asking: Asking): Effect.Effect<Round, AiError.AiError, Scope.Scope> =>
  asking.governor.admit(asking.call, asking.destination).pipe(
    Effect.mapError((refusal) => refusalError(refusal, asking.method)),
    Effect.map((call) => new Round(call))
  )

class Round {
  readonly answer = new Answer()
  readonly #call: GovernedCall
  #isSent = false

  constructor(call: GovernedCall) {
    this.#call = call
  }

  send(): number | undefined {
    this.#isSent = true
    return this.#call.maxOutputTokens
  }

  /** Only the first end counts. */
  end(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { inputTokens } = this.#call.granted
    if (!this.#isSent) return this.#call.settle({ _tag: "Unsent" })
    const error = Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause)
    const ending = this.answer.hasBegun ? endingOf(this.answer, inputTokens) : this.#endingUnbegun(exit, error)
    return Effect.uninterruptible(Effect.andThen(this.#call.settle(ending), hearFailure(this.#call, error)))
  }

  #endingUnbegun(exit: Exit.Exit<unknown, unknown>, error: unknown) {
    const { inputTokens } = this.#call.granted
    return Exit.isSuccess(exit) ? endingOf(this.answer, inputTokens) : endingOfFailure(error, inputTokens)
  }
}
