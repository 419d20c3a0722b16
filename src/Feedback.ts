/**
 * What a provider says of its limits with each response.
 *
 * @since 0.1.0
 */
import * as waits from "./internal/dialect/waits.ts"
import type * as Meter from "./Meter.ts"

/**
 * What a provider says of its limits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Feedback {
  readonly windows: ReadonlyArray<Window>
  /** How long to wait before the next request, in millis. */
  readonly retryAfterMillis: number | undefined
}

/**
 * What is left of one of the provider's limits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Window {
  readonly meter: Meter.Name
  readonly limit: number
  readonly remaining: number
  /** Millis until it is full again, where that is said. */
  readonly resetMillis: number | undefined
}

/**
 * Reads a duration as Go writes it, in whole millis, rounded up. Absent for anything else, a bare number included.
 *
 * **Example**
 *
 * ```ts
 * import { Feedback } from "effect-budget"
 *
 * Feedback.parseGoDuration("120ms") // => 120
 * Feedback.parseGoDuration("6m0s") // => 360_000
 * Feedback.parseGoDuration("7.66s") // => 7_660
 * Feedback.parseGoDuration("60") // => undefined
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseGoDuration = (text: string): number | undefined => waits.parseGoDuration(text)

/**
 * Reads a `Retry-After` in whole millis, rounded up: seconds, with a fraction or not, or a date, of HTTP or RFC 3339.
 *
 * **Details**
 *
 * `now` is the time in millis since 1970, from which dates are counted; one that is past gives 0. Absent for anything
 * else, and for more than a year.
 *
 * **Example**
 *
 * ```ts
 * import { Feedback } from "effect-budget"
 *
 * const now = Date.UTC(2026, 10, 23, 16, 43, 0)
 *
 * Feedback.parseRetryAfter("20", now) // => 20_000
 * Feedback.parseRetryAfter("Mon, 23 Nov 2026 16:43:09 GMT", now) // => 9_000
 * Feedback.parseRetryAfter("soon", now) // => undefined
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseRetryAfter = (text: string, now: number): number | undefined => waits.parseRetryAfter(text, now)

/**
 * Reads when a limit resets, in whole millis from now, in any form that {@link parseRetryAfter} or
 * {@link parseGoDuration} reads.
 *
 * **Example**
 *
 * ```ts
 * import { Feedback } from "effect-budget"
 *
 * const now = Date.UTC(2026, 10, 23, 16, 43, 0)
 *
 * Feedback.parseReset("2026-11-23T16:43:09Z", now) // => 9_000
 * Feedback.parseReset("1h2m3s", now) // => 3_723_000
 * Feedback.parseReset("55", now) // => 55_000
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseReset = (text: string, now: number): number | undefined => waits.parseReset(text, now)
