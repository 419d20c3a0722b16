/**
 * What a failed call says of the provider, whatever client it was made with.
 *
 * Known are the errors of `effect/http`, `effect/ai`, `openai`, `@anthropic-ai/sdk`, Vercel's `ai` and `fetch`, also
 * where an error of one's own wraps them, and anything that has a `status` and `headers`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Feedback from "./Feedback.ts"
import * as internal from "./internal/callFailure/read.ts"

/**
 * What a failed call says of the provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallFailure {
  /**
   * | kind | what it was |
   * | --- | --- |
   * | `Unavailable` | 5xx, 408, no connection or a lost one, a time-out: the provider is not well |
   * | `Throttled` | 429: it is asked too much |
   * | `Rejected` | any other 4xx, and a 429 that says that the quota or the money is used up: asking again is in vain |
   * | `Withheld` | on this side: a budget, a circuit, a deadline, the caller's own cancellation |
   * | `Unknown` | nothing of the kind can be read |
   */
  readonly kind: "Unavailable" | "Throttled" | "Rejected" | "Withheld" | "Unknown"
  /**
   * How the call ended, as in `Governor.Ending`: it has not reached the provider (`Unsent`), was answered with an error
   * (`Rejected`), or was sent and nothing of the answer can be read (`Unseen`).
   */
  readonly ending: "Unsent" | "Rejected" | "Unseen"
  /** The status of HTTP, if there was an answer, or what stands for one: 429 for an error that says the same. */
  readonly status: number | undefined
  /** What the provider says of its limits, as far as the error has its headers. */
  readonly feedback: Feedback.Feedback
}

/**
 * Reads an error. It never throws, whatever the error is. `now` is the time in epoch millis, from which a `Retry-After`
 * that is a date is counted.
 *
 * **Example**
 *
 * ```ts
 * import { CallFailure } from "effect-budget"
 *
 * const { kind, ending, feedback } = CallFailure.of({ status: 429, headers: { "retry-after": "20" } })
 *
 * const told = [kind, ending, feedback.retryAfterMillis]
 * told // => ["Throttled", "Rejected", 20_000]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (error: unknown, now: number = Date.now()): CallFailure => internal.read(error, now)

/**
 * Reads the first error of a cause, or else its first defect: a rejected promise may be one. An interruption is
 * `Withheld`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCause = (
  cause: Cause.Cause<unknown>,
  readError: (error: unknown) => CallFailure = (error) => of(error)
): CallFailure => (Cause.hasInterruptsOnly(cause) ? internal.cancelled : readError(Cause.squash(cause)))

/**
 * Whether the same call may succeed when it is made again.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTransient = ({ kind }: CallFailure): boolean => kind === "Unavailable" || kind === "Throttled"
