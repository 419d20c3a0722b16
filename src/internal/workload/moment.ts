import type { TimeUnit } from "../../Workload.ts"

/** The instant that a text tells, in whole milliseconds since 1970, or what is wrong with it. */
export const momentOf = (text: string, unit: TimeUnit | undefined): number | string => {
  if (isNumber(text)) {
    if (unit === undefined) return `"${text}" is a number: say with timeUnit whether it is seconds or milliseconds`
    const millis = Math.floor(Number(text) * (unit === "seconds" ? 1_000 : 1))
    return millis >= 0 && Number.isSafeInteger(millis) ? millis : `an instant must not be negative, got "${text}"`
  }
  if (unit !== undefined) return `a number of ${unit} is expected, got "${text}"`
  // Without a zone it is UTC: a trace must mean the same on every machine.
  const dated = text.replace(" ", "T")
  const millis = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(dated) ? dated : `${withTime(dated)}Z`)
  return millis >= 0 ? millis : `a date and time is expected, as 2023-11-16 18:17:03, got "${text}"`
}

const withTime = (dated: string): string => (dated.includes("T") ? dated : `${dated}T00:00:00`)

const isNumber = (text: string): boolean => text !== "" && Number.isFinite(Number(text))
