/**
 * The rate limit headers of OpenAI's API.
 */
import type { TokenBucket } from "./tokenBucket.ts"

export interface Buckets {
  readonly requests: TokenBucket
  readonly tokens: TokenBucket
}

/** Sent with every answer, refused or not. */
export const rateHeaders = ({ requests, tokens }: Buckets, now: number): Record<string, string> => ({
  "x-ratelimit-limit-requests": String(requests.capacity),
  "x-ratelimit-remaining-requests": String(Math.floor(requests.level(now))),
  "x-ratelimit-reset-requests": goDuration(requests.millisUntil(requests.capacity, now)),
  "x-ratelimit-limit-tokens": String(tokens.capacity),
  "x-ratelimit-remaining-tokens": String(Math.floor(tokens.level(now))),
  "x-ratelimit-reset-tokens": goDuration(tokens.millisUntil(tokens.capacity, now))
})

/** Sent with a 429, for clients that know either form. */
export const retryHeaders = (waitMillis: number): Record<string, string> => ({
  "retry-after": String(Math.ceil(waitMillis / 1_000)),
  "retry-after-ms": String(Math.ceil(waitMillis))
})

/** Writes a duration as Go does: `0s`, `120ms`, `1.5s`, `6m0s`, `1h2m3s`. */
export const goDuration = (millis: number): string => {
  const whole = Math.ceil(millis)
  if (whole === 0) return "0s"
  if (whole < 1_000) return `${whole}ms`
  const hours = Math.floor(whole / 3_600_000)
  const minutes = Math.floor((whole % 3_600_000) / 60_000)
  const seconds = `${(whole % 60_000) / 1_000}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}
