import * as Duration from "effect/Duration"
import type { BudgetError } from "../../BudgetError.ts"
import type * as Dialect from "../../Dialect.ts"
import type { UnknownModel } from "../../Pricing.ts"

/**
 * The response of a provider that would have said no in the budget's place.
 *
 * `x-should-retry` is what the clients of OpenAI and Anthropic ask before they retry.
 */
export const refusalResponse = (dialect: Dialect.Dialect, error: BudgetError | UnknownModel): Response => {
  const reason = error._tag === "BudgetError" ? error.reason._tag : error._tag
  const headers = new Headers({
    "content-type": "application/json",
    "x-should-retry": String(retryable.has(reason)),
    "x-effect-budget": reason
  })
  const retryAfter = error._tag === "BudgetError" ? error.retryAfter : undefined
  if (retryAfter !== undefined) {
    const millis = Math.ceil(Duration.toMillis(retryAfter))
    headers.set("retry-after", String(Math.ceil(millis / 1_000)))
    headers.set("retry-after-ms", String(millis))
  }
  const body = JSON.stringify(dialect.writeRefusal(error.message))
  return new Response(body, { status: statuses[reason] ?? 429, headers })
}

const retryable: ReadonlySet<string> = new Set(["WindowExceeded", "Paused", "ConcurrencyExceeded", "BudgetStoreError"])

// What is no matter of how much: a mistake in the program, a task that has no time left, and a store that is down.
const statuses: Readonly<Record<string, number>> = {
  UnknownModel: 400,
  InvalidUsage: 400,
  DeadlineExceeded: 408,
  BudgetStoreError: 503
}
