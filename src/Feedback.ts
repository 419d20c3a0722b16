/**
 * What a provider says of its limits with each response.
 *
 * @since 0.1.0
 */
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
