/**
 * The ways in which headers say how long to wait. Each is read whole or not at all: the first number of `6m0s`,
 * `120ms` or `2026-11-23T16:43:09Z` is not its value. All give whole millis, rounded up.
 */
import { scaleUp } from "../scaleUp.ts"

/** Reads a duration as Go writes it: `120ms`, `1s`, `6m0s`, `1h2m3s`, `7.66s`. */
export const parseGoDuration = (text: string): number | undefined => {
  const trimmed = text.trim()
  let micros = 0
  goDurationPart.lastIndex = 0
  do {
    const [, amount = "", unit = ""] = goDurationPart.exec(trimmed) ?? []
    const microsPerUnit = goUnits[unit]
    if (microsPerUnit === undefined) return undefined
    micros += Number(amount) * microsPerUnit
  } while (goDurationPart.lastIndex < trimmed.length)
  return millisOf(micros / 1_000)
}

/** Reads `Retry-After`: seconds, with a fraction or not, or a date. Neither gives less than 0. */
export const parseRetryAfter = (text: string, now: number): number | undefined => {
  const trimmed = text.trim()
  if (decimal.test(trimmed)) return millisOf(scaleUp(Number(trimmed), 1_000))
  if (!rfc3339.test(trimmed) && !httpDate.test(trimmed)) return undefined
  return millisOf(Math.max(0, Date.parse(trimmed) - now))
}

/** Reads the time of a reset in any of these forms. */
export const parseReset = (text: string, now: number): number | undefined =>
  parseRetryAfter(text, now) ?? parseGoDuration(text)

/** Reads millis, with a fraction or not. */
export const parseMillis = (text: string): number | undefined =>
  decimal.test(text.trim()) ? millisOf(Number(text)) : undefined

const goDurationPart = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y

const goUnits: Readonly<Record<string, number>> = {
  ns: 0.001,
  us: 1,
  µs: 1,
  μs: 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000
}

const decimal = /^\d+(\.\d+)?$/

const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/

const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/

// No provider says to wait a year: such a number is an instant (OpenRouter sends millis since 1970), or a mistake.
const MILLIS_MAX = 366 * 86_400_000

// Millis are rounded up, so that nobody comes too early, but not for the error of a multiplication of floats.
const millisOf = (millis: number): number | undefined => {
  const whole = Math.ceil(Number(millis.toFixed(6)))
  return whole <= MILLIS_MAX ? whole : undefined
}
