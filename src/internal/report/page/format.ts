/**
 * Numbers as people read them. Runs where the report is written and in its page.
 */

/** What is counted: how it is written depends on it. */
export type Unit = "count" | "tokens" | "nanoUsd" | "millis" | "share"

/** A figure of the unit: short on an axis or in a tile, where a name stands beside it. */
export const short = (unit: Unit, value: number): string => {
  switch (unit) {
    case "nanoUsd":
      return dollars(value)
    case "millis":
      return duration(value)
    case "share":
      return percent(value, 1)
    default:
      return magnitude(value)
  }
}

/** A figure of the unit beside an axis, where there is little room: no cents from $10 on. */
export const onAxis = (unit: Unit, value: number): string =>
  unit === "nanoUsd" && value >= 10e9 ? `$${magnitude(value / 1e9)}` : short(unit, value)

/** A figure of the unit, with the name of the unit. */
export const long = (unit: Unit, value: number): string =>
  unit === "tokens" ? `${magnitude(value)} tokens` : short(unit, value)

/** The unit of a meter: `usd` counts nano-dollars, whose name has tokens in it counts tokens. */
export const unitOf = (meter: string): Unit =>
  meter === "usd" ? "nanoUsd" : /tokens$/i.test(meter) ? "tokens" : "count"

/** Three digits and a letter: 999, 12.3k, 4.56M, 1.2B. */
export const magnitude = (value: number): string => {
  const size = Math.abs(value)
  if (size < 1_000) return String(Math.round(value * 10) / 10)
  const [scale, letter] =
    size < 999_500 ? [1e3, "k"] : size < 999_500_000 ? [1e6, "M"] : size < 999.5e9 ? [1e9, "B"] : [1e12, "T"]
  return `${threeDigits(value / scale)}${letter}`
}

/** All digits: 1,234,567. */
export const exact = (value: number): string => value.toLocaleString("en-US")

/** Dollars of nano-dollars: $0.42, $0.0031, $5, $1,234.50, $45.6k. */
export const dollars = (nanoUsd: number): string => {
  const usd = nanoUsd / 1e9
  if (usd === 0) return "$0"
  if (usd >= 9_999.5) return `$${magnitude(usd)}`
  if (Number.isInteger(usd)) return `$${exact(usd)}`
  if (usd >= 0.1) return `$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
  return `$${usd.toLocaleString("en-US", { maximumSignificantDigits: 2, maximumFractionDigits: 20 })}`
}

/** The name of a limit, with the window in it as people say it: `slidingWindow(tokens, 1 min)`. */
export const limitLabel = (name: string): string =>
  name.replace(/(\d+)ms\)$/, (_, millis: string) => `${duration(Number(millis))})`)

/** How long: 250 ms, 1.2 s, 3 min 20 s, 24 h, 2 d 3 h. */
export const duration = (millis: number): string => {
  if (millis < 1_000) return `${Math.round(millis)} ms`
  if (millis < 59_950) return `${threeDigits(millis / 1_000, 1)} s`
  const seconds = Math.round(millis / 1_000)
  if (seconds < 3_600) return pair(seconds, 60, "min", "s")
  const minutes = Math.round(seconds / 60)
  return minutes < 2_880 ? pair(minutes, 60, "h", "min") : pair(Math.round(minutes / 60), 24, "d", "h")
}

/** The share of a whole with one decimal. What is neither nothing nor all does not look like it. */
export const percent = (part: number, whole: number): string => {
  if (whole === 0) return "–"
  const share = (100 * part) / whole
  if (share > 0 && share < 0.05) return "< 0.1 %"
  if (share >= 99.95 && share < 100) return "> 99.9 %"
  return `${threeDigits(share, 1)} %`
}

/**
 * An instant as a date and a time of day in UTC. A simulation that begins in 1970 has no date: what is left is the time
 * since its beginning.
 */
export const instant = (epochMillis: number): string => {
  const day = Math.floor(epochMillis / 86_400_000)
  const iso = new Date(epochMillis).toISOString()
  if (day >= 366) return `${iso.slice(0, 10)} ${iso.slice(11, 19)}`
  return day === 0 ? iso.slice(11, 19) : `day ${day + 1}, ${iso.slice(11, 19)}`
}

/** An instant as it stands on an axis whose ticks are so far apart: the day at midnight, otherwise the time of day. */
export const tick = (epochMillis: number, apartMillis: number): string => {
  const time = new Date(epochMillis).toISOString().slice(11)
  if (apartMillis >= 86_400_000 || (epochMillis % 86_400_000 === 0 && epochMillis !== 0)) return dayOf(epochMillis)
  if (apartMillis < 1_000) return time.slice(0, 12)
  return apartMillis < 60_000 ? time.slice(0, 8) : time.slice(0, 5)
}

const dayOf = (epochMillis: number): string => {
  const day = Math.floor(epochMillis / 86_400_000)
  if (day < 366) return `day ${day + 1}`
  return new Date(epochMillis).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" })
}

const threeDigits = (value: number, decimalsMax = 2): string => {
  const decimals = Math.min(decimalsMax, Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0)
  return String(Number(value.toFixed(decimals === 0 && decimalsMax === 1 ? 1 : decimals)))
}

const pair = (value: number, per: number, large: string, small: string): string => {
  const rest = value % per
  return `${Math.floor(value / per)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`
}
