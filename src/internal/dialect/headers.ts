/**
 * What the headers of a response say of the provider's limits.
 */
import type * as Feedback from "../../Feedback.ts"
import type * as Meter from "../../Meter.ts"
import { rateLimitWindows } from "./rateLimitHeaders.ts"
import { parseMillis, parseRetryAfter } from "./waits.ts"
import { type Header, makeWindow } from "./windows.ts"

/** The headers that speak of one limit. */
export interface LimitHeaders {
  readonly meter: Meter.Name
  readonly limit: string
  readonly remaining: string
  readonly reset: string
}

/** Makes a reader of headers: those of a provider, and those of the IETF that gateways add. */
export const headersReader =
  (limits: ReadonlyArray<LimitHeaders>) =>
  (header: Header, now: number): Feedback.Feedback => {
    const windows = rateLimitWindows(header, now)
    for (const names of limits) {
      const limit = header(names.limit)
      if (typeof limit !== "string") continue
      const window = makeWindow(names.meter, limit, header(names.remaining), header(names.reset), now)
      if (window !== undefined) windows.push(window)
    }
    return { windows, retryAfterMillis: readRetryAfter(header, now) }
  }

const readRetryAfter = (header: Header, now: number): number | undefined =>
  parseMillis(header("retry-after-ms") ?? "") ?? parseRetryAfter(header("retry-after") ?? "", now)
