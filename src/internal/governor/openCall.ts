import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"
import * as Breaker from "../../Breaker.ts"
import type * as Budget from "../../Budget.ts"
import * as BudgetError from "../../BudgetError.ts"
import * as CallFailure from "../../CallFailure.ts"
import * as Deadline from "../../Deadline.ts"
import type * as Dialect from "../../Dialect.ts"
import type * as Feedback from "../../Feedback.ts"
import type { Ending, GovernedCall, Refusal } from "../../Governor.ts"
import type { Kind, OutputHistory } from "../../OutputHistory.ts"
import type { UnknownModel } from "../../Pricing.ts"
import type { Reservation } from "../../Reservation.ts"
import type { TokenCounter } from "../../TokenCounter.ts"
import * as Usage from "../../Usage.ts"
import { spanOf } from "../observer.ts"
import { hear, hearAnswer } from "./hear.ts"
import { type Circuit, send } from "./send.ts"

/** What a governor knows of a call that it has admitted. */
interface Admission {
  readonly kind: Kind
  readonly answers: number
  readonly budget: Budget.Budget
  readonly circuit: Circuit | undefined
  readonly reservation: Reservation
  /** The output tokens that were asked for, and those that the request allows, of all answers. */
  readonly expected: number
  readonly allowed: number
  readonly counter: TokenCounter["Service"]
  readonly withCost: (
    usage: Usage.Usage,
    units?: Readonly<Record<string, number>>
  ) => Effect.Effect<Usage.Usage, UnknownModel>
  readonly history: OutputHistory
}

/** A call between its admission and its end. */
export class OpenCall implements GovernedCall {
  readonly maxOutputTokens: number | undefined
  readonly #admission: Admission
  #isSettled = false

  constructor(admission: Admission) {
    const { answers, expected } = admission
    this.#admission = admission
    this.maxOutputTokens =
      this.granted.outputTokens < expected ? Math.floor(this.granted.outputTokens / answers) : undefined
  }

  get granted(): Usage.Usage {
    return this.#admission.reservation.granted
  }

  send<A, E, R>(
    call: Effect.Effect<A, E, R>,
    isFailure: (answer: A) => boolean = () => false
  ): Effect.Effect<A, E | Refusal, R> {
    const { budget, circuit, reservation } = this.#admission
    let isBegun = false
    const span = spanOf(reservation)
    const beneath = span === undefined ? call : Effect.provideService(call, Tracer.ParentSpan, span)
    const begun = Effect.suspend(() => {
      isBegun = true
      return beneath
    })
    const sent = send(begun, circuit, (exit) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const end = Exit.isSuccess(exit) && isFailure(exit.value) ? Exit.fail(exit.value) : exit
        return Breaker.outcomeOf(end, (cause) => CallFailure.fromCause(cause, (error) => CallFailure.of(error, now)))
      })
    )
    // Admitted at the very instant at which it would have had to be over: the same as one that was not admitted.
    return Effect.mapError(sent, (error) =>
      !isBegun && error instanceof Deadline.DeadlineExceeded
        ? BudgetError.make(
            new BudgetError.DeadlineExceeded({ budget: budget.name, deadline: error, obstacle: undefined })
          )
        : error
    )
  }

  settle(ending: Ending): Effect.Effect<void> {
    return Effect.uninterruptible(
      Effect.suspend(() => {
        if (this.#isSettled) return Effect.void
        this.#isSettled = true
        const { budget, reservation } = this.#admission
        switch (ending._tag) {
          case "Answered":
            hearAnswer(budget)
            this.#learn(ending.report)
            return this.#commit(ending.report.usage, ending.report.units)
          case "Seen":
            return Effect.flatMap(this.#seen(ending.report, ending.text), (usage) =>
              this.#commit(usage, ending.report?.units)
            )
          case "Unseen":
            return reservation.commit(this.granted)
          case "Rejected":
            return reservation.commit(Usage.make({}))
          case "Unsent":
            return reservation.release
        }
      })
    )
  }

  hear(feedback: Feedback.Feedback, status: number): Effect.Effect<void> {
    return hear(this.#admission.budget, feedback, status)
  }

  /** A report that makes no sense, or that cannot be priced, charges the estimate: the budget says so. */
  #commit(usage: Usage.Usage, units?: Readonly<Record<string, number>>): Effect.Effect<void> {
    const { reservation, withCost } = this.#admission
    return Usage.isValid(usage)
      ? Effect.matchEffect(withCost(usage, units), {
          onSuccess: (priced) => reservation.commit(priced),
          onFailure: () => reservation.commit({ ...usage, costNanoUsd: Number.NaN })
        })
      : reservation.commit(usage)
  }

  /** What has been used as far as anybody knows: at least what was reported, and at least what was seen. */
  #seen(report: Dialect.Report | undefined, text: string): Effect.Effect<Usage.Usage> {
    const known = report?.usage ?? Usage.make({ inputTokens: this.granted.inputTokens })
    if (text === "") return Effect.succeed(known)
    return Effect.map(this.#admission.counter.count(text), (tokens) => ({
      ...known,
      outputTokens: Math.max(known.outputTokens, tokens)
    }))
  }

  /** What a shortened answer has used says nothing about what it would have used. */
  #learn({ usage }: Dialect.Report): void {
    const { allowed, history, kind } = this.#admission
    if (this.maxOutputTokens !== undefined || !Usage.isValid(usage)) return
    history.note(kind, { allowed, reserved: this.granted.outputTokens, written: usage.outputTokens })
  }
}
