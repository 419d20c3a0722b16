import type * as Budget from "../../Budget.ts"
import type * as Feedback from "../../Feedback.ts"

/**
 * How long to stay away after a provider's error, also where it does not say so: longer each time, until a call is
 * answered.
 */
export class Backoff {
  #nextMillis = FIRST_MILLIS
  #until = Number.NEGATIVE_INFINITY

  /** Until when nothing should be sent, if the response asks for that. */
  pauseUntil({ retryAfterMillis, windows }: Feedback.Feedback, status: number, now: number): number | undefined {
    if (status < ERROR_FIRST) {
      this.reset()
      return undefined
    }
    // An instant that is over would end a pause that is on: to come back at once is to have said nothing.
    if (retryAfterMillis !== undefined && retryAfterMillis > 0) return now + retryAfterMillis
    if (status !== THROTTLED) return undefined
    const reset = Math.max(...windows.map(({ remaining, resetMillis }) => (remaining === 0 ? (resetMillis ?? 0) : 0)))
    if (reset > 0) return now + reset
    // Calls that were under way together are refused together. That is one reason to stay away, not many.
    if (now >= this.#until) {
      this.#until = now + this.#nextMillis
      this.#nextMillis = Math.min(2 * this.#nextMillis, LAST_MILLIS)
    }
    return this.#until
  }

  /** A call was answered. */
  reset(): void {
    this.#nextMillis = FIRST_MILLIS
  }
}

/** That of an outermost budget, which stands for a key: each key has a provider's limits of its own. */
export const backoffOf = (outermost: Budget.Budget): Backoff => {
  const known = backoffs.get(outermost)
  if (known !== undefined) return known
  const backoff = new Backoff()
  backoffs.set(outermost, backoff)
  return backoff
}

const backoffs = new WeakMap<Budget.Budget, Backoff>()

const THROTTLED = 429
const ERROR_FIRST = 400
const FIRST_MILLIS = 1_000
// The windows of providers are a minute long: after that nothing of what was sent before counts.
const LAST_MILLIS = 60_000
