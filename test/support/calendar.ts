/**
 * Calendar windows found without cron: the whole span is walked minute by minute in local time, with the offsets that
 * `Intl` knows.
 */
export interface Calendar {
  /** The number of the window that contains an instant. */
  windowOf(instant: number): number
  /** The instant at which a window ends and the next begins. */
  endOf(window: number): number
  /** Where clocks in this time zone are set forward or back. */
  readonly transitions: ReadonlyArray<number>
}

export type CalendarPeriod = "minute" | "hour" | "day" | "week" | "month"

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** The time that the calendars cover. */
export const calendarSpan = { from: Date.UTC(2024, 0, 1), to: Date.UTC(2026, 6, 1) } as const

/**
 * Rules: a minute begins with every local minute; an hour where the local hour changes or strikes, so that a repeated
 * hour is a window twice; a day, week or month where a local date is reached that had not been reached before.
 */
export const calendarOf = (period: CalendarPeriod, timeZone: string): Calendar => {
  const { boundaries, transitions } = zone(timeZone)
  const starts = boundaries[period]
  return {
    transitions,
    windowOf: (instant) => {
      let low = 0
      let high = starts.length
      while (low < high) {
        const middle = (low + high) >> 1
        if (starts[middle]! <= instant) low = middle + 1
        else high = middle
      }
      if (low === 0 || low === starts.length) throw new RangeError(`calendarOf: ${instant} lies outside the span`)
      return low - 1
    },
    endOf: (window) => starts[window + 1]!
  }
}

interface Zone {
  readonly transitions: ReadonlyArray<number>
  readonly boundaries: Readonly<Record<CalendarPeriod, ReadonlyArray<number>>>
}

const zones = new Map<string, Zone>()

const zone = (timeZone: string): Zone => {
  const known = zones.get(timeZone)
  if (known !== undefined) return known
  const transitions = transitionsOf(timeZone)
  const made = { transitions: transitions.map(({ at }) => at), boundaries: boundariesOf(timeZone, transitions) }
  zones.set(timeZone, made)
  return made
}

interface Transition {
  readonly at: number
  readonly offset: number
}

const offsetIn = (timeZone: string): ((instant: number) => number) => {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric"
  })
  return (instant) => {
    const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
    const local = Date.UTC(parts["year"]!, parts["month"]! - 1, parts["day"], parts["hour"], parts["minute"])
    return local - Math.floor(instant / MINUTE) * MINUTE
  }
}

/** Offsets are compared every six hours, as no zone changes its clocks twice within them, and the change is then found. */
const transitionsOf = (timeZone: string): ReadonlyArray<Transition> => {
  const offsetAt = offsetIn(timeZone)
  const transitions: Array<Transition> = []
  for (let from = calendarSpan.from; from < calendarSpan.to; from += 6 * HOUR) {
    const offset = offsetAt(from + 6 * HOUR)
    if (offset === offsetAt(from)) continue
    let at = from
    while (offsetAt(at) !== offset) at += MINUTE
    transitions.push({ at, offset })
  }
  return transitions
}

const boundariesOf = (timeZone: string, transitions: ReadonlyArray<Transition>): Zone["boundaries"] => {
  const boundaries: Record<CalendarPeriod, Array<number>> = { minute: [], hour: [], day: [], week: [], month: [] }
  let offset = offsetIn(timeZone)(calendarSpan.from)
  let following = 0
  let hour = Number.NaN
  let day = Number.NEGATIVE_INFINITY
  let week = Number.NEGATIVE_INFINITY
  let month = Number.NEGATIVE_INFINITY
  for (let at = calendarSpan.from; at < calendarSpan.to; at += MINUTE) {
    if (transitions[following]?.at === at) offset = transitions[following++]!.offset
    const local = at + offset
    boundaries.minute.push(at)
    if (Math.floor(local / HOUR) !== hour || local % HOUR === 0) boundaries.hour.push(at)
    hour = Math.floor(local / HOUR)
    const date = Math.floor(local / (24 * HOUR))
    if (date <= day) continue
    day = date
    boundaries.day.push(at)
    // 1 January 1970 was a Thursday: the Monday of its week is day -3.
    const monday = Math.floor((day + 3) / 7)
    if (monday > week) boundaries.week.push(at)
    week = monday
    const months = new Date(local).getUTCFullYear() * 12 + new Date(local).getUTCMonth()
    if (months > month) boundaries.month.push(at)
    month = months
  }
  return boundaries
}
