import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AiError from "effect/ai/AiError"
import * as Deadline from "../../Deadline.ts"
import type * as Dialect from "../../Dialect.ts"
import type { Destination, GovernedCall, Governor, Refusal } from "../../Governor.ts"
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
      // Seen at once: an interruption while the circuit takes note of it does not change what it has cost.
      const asked = round.send((bound) =>
        Effect.onExit(ask(bound), (exit) =>
          Effect.sync(() => {
            if (Exit.isSuccess(exit)) round.answer.see(exit.value)
          })
        )
      )
      return yield* Effect.onExit(asked, (exit) => round.end(exit))
    })
  )

/**
 * Asks for a streamed answer within a budget. It is admitted before `ask` begins and settled with the part that says
 * what was used, before anyone sees that part, or else when the stream ends, however it does.
 *
 * The first parts say how the provider is: with them the circuit knows the outcome, however slowly the others are read.
 * The deadline bounds the waiting for any of them.
 */
export const governStream = <P extends AnyPart>(
  asking: Asking,
  ask: (maxOutputTokens: number | undefined) => Stream.Stream<P, AiError.AiError>
): Stream.Stream<P, AiError.AiError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const round = yield* begin(asking)
      yield* Effect.addFinalizer((exit) => round.end(exit))
      const pull = round.pulling(ask, yield* Effect.scope)
      return Stream.fromPull(Effect.succeed(pull)).pipe(
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
    Effect.map((call) => new Round(call, asking.method))
  )

class Round {
  readonly answer = new Answer()
  readonly #call: GovernedCall
  readonly #method: string
  #isSent = false

  constructor(call: GovernedCall, method: string) {
    this.#call = call
    this.#method = method
  }

  /** Asks the provider, if the circuit and the deadline allow it. */
  send<A>(
    ask: (maxOutputTokens: number | undefined) => Effect.Effect<A, AiError.AiError>
  ): Effect.Effect<A, AiError.AiError> {
    const asking = Effect.suspend(() => {
      this.#isSent = true
      return ask(this.#call.maxOutputTokens)
    })
    return Effect.mapError(this.#call.send(asking), (error) => this.#told(error))
  }

  /** The stream of an answer, pull by pull. The first one asks the provider. */
  pulling<P>(
    ask: (maxOutputTokens: number | undefined) => Stream.Stream<P, AiError.AiError>,
    scope: Scope.Scope
  ): Pull.Pull<NonEmptyReadonlyArray<P>, AiError.AiError> {
    let next: Pull.Pull<NonEmptyReadonlyArray<P>, AiError.AiError> | undefined
    const first = this.send((bound) =>
      Effect.flatMap(Channel.toPullScoped(Stream.toChannel(ask(bound)), scope), (pull) => {
        next = Effect.mapError(Deadline.enforce(pull), (error) => (Cause.isDone(error) ? error : this.#told(error)))
        // An end is no error, as far as the circuit is concerned.
        return Pull.catchDone(pull, () => Effect.succeed(undefined))
      })
    )
    const begin = Effect.flatMap(first, (parts) => (parts === undefined ? Cause.done() : Effect.succeed(parts)))
    return Effect.suspend(() => next ?? begin)
  }

  /** Only the first end counts. */
  end(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { inputTokens } = this.#call.granted
    if (!this.#isSent) return this.#call.settle({ _tag: "Unsent" })
    const error = Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause)
    const ending = this.answer.hasBegun ? endingOf(this.answer, inputTokens) : this.#endingUnbegun(exit, error)
    return Effect.uninterruptible(Effect.andThen(this.#call.settle(ending), hearFailure(this.#call, error)))
  }

  #told(error: AiError.AiError | Refusal): AiError.AiError {
    return AiError.isAiError(error) ? error : refusalError(error, this.#method)
  }

  #endingUnbegun(exit: Exit.Exit<unknown, unknown>, error: unknown) {
    const { inputTokens } = this.#call.granted
    return Exit.isSuccess(exit) ? endingOf(this.answer, inputTokens) : endingOfFailure(error, inputTokens)
  }
}
