import * as Duration from "effect/Duration"
import * as Breaker from "../../Breaker.ts"
import type * as Dialect from "../../Dialect.ts"
import type { Refusal } from "../../Governor.ts"

/**
 * The response of a provider that would have said no in the place of the budget, the circuit or the deadline.
 *
 * `x-should-retry` is what the clients of OpenAI and Anthropic ask before they retry.
 */
export const refusalResponse = (dialect: Dialect.Dialect, error: Refusal): Response => {
  const reason = "reason" in error ? error.reason._tag : error._tag
  const headers = new Headers({
    "content-type": "application/json",
    "x-should-retry": String(retryable.has(reason)),
    "x-effect-budget": reason
  })
  const retryAfter = retryAfterOf(error)
  if (retryAfter !== undefined) {
    const millis = Math.ceil(Duration.toMillis(retryAfter))
    headers.set("retry-after", String(Math.ceil(millis / 1_000)))
    headers.set("retry-after-ms", String(millis))
  }
  const body = JSON.stringify(dialect.writeRefusal(error.message))
  return new Response(body, { status: statusOf(error) ?? statuses[reason] ?? THROTTLED, headers })
}

const retryAfterOf = (error: Refusal): Duration.Duration | undefined => {
  if (error._tag === "BudgetError") return error.retryAfter
  return error._tag === "CircuitBreakerError" ? Breaker.retryAfterOf(error) : undefined
}

/** What was cut had been sent, unlike what met its deadline in line: the status tells (`CallFailure.of`). */
const statusOf = ({ _tag }: Refusal): number | undefined => {
  if (_tag === "CircuitBreakerError") return UNAVAILABLE
  return _tag === "DeadlineExceeded" ? CUT : undefined
}

const retryable: ReadonlySet<string> = new Set([
  "WindowExceeded",
  "Paused",
  "ConcurrencyExceeded",
  "BudgetStoreError",
  "CircuitOpen"
])

const THROTTLED = 429
const UNAVAILABLE = 503
const CUT = 504

// What is no matter of how much: a mistake in the program, a task that has no time left, and a store that is down.
const statuses: Readonly<Record<string, number>> = {
  UnknownModel: 400,
  InvalidUsage: 400,
  DeadlineExceeded: 408,
  BudgetStoreError: 503
}
