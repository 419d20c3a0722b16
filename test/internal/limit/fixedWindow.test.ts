import * as Cron from "effect/Cron"
import { describe, expect, it } from "vitest"
import * as Limit from "../../../src/Limit.ts"
import { FixedWindowState } from "../../../src/internal/limit/fixedWindow.ts"
import { AFTER_SETTLEMENT, NEVER } from "../../../src/internal/limit/state.ts"
import { type CalendarPeriod, calendarOf, calendarSpan } from "../../support/calendar.ts"
import { runHistory, settleAt } from "../../support/limitHistory.ts"
import { FixedWindowModel } from "../../support/limitModel.ts"
import { forEachSeed, type Random } from "../../support/random.ts"

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const windowOf = (
  max: number,
  every: CalendarPeriod | Cron.Cron,
  timeZone = "UTC",
  chargeAt: Limit.ChargeAt = "reserve"
) => new FixedWindowState(Limit.fixedWindow("requests", max, every, { timeZone, chargeAt }), notSetBack)

const notSetBack = () => 0
const at = (text: string) => new Date(text).getTime()

describe("fixedWindow", () => {
  it("counts from one boundary to the next", () => {
    const window = windowOf(10, "minute")
    window.take(10, 59_999)
    expect(window.readyAt(10, 59_999)).toBe(60_000)
    expect(window.readyAt(10, 60_000)).toBe(60_000)
    expect(window.used(60_000)).toBe(0)
  })

  it("counts an overrun in the window of the settlement, also above the maximum", () => {
    const window = windowOf(10, "minute")
    window.take(10, 0)
    settleAt(window, { estimate: 10, actual: 25, takenAt: 0, now: MINUTE })
    expect(window.used(MINUTE)).toBe(15)
    expect(window.readyAt(1, MINUTE)).toBe(2 * MINUTE)
  })

  it("holds the estimate over the boundary and counts from the settlement when it charges there", () => {
    const window = windowOf(10, "minute", "UTC", "settle")
    window.take(10, 0)
    expect(window.readyAt(1, MINUTE)).toBe(AFTER_SETTLEMENT)
    settleAt(window, { estimate: 10, actual: 4, takenAt: 0, now: MINUTE })
    expect(window.used(MINUTE)).toBe(4)
    expect(window.readyAt(7, MINUTE)).toBe(2 * MINUTE)
  })

  it("resets at the instants of a cron, in the cron's time zone", () => {
    const noon = Cron.parseUnsafe("0 12 * * *", "Asia/Kolkata")
    const window = windowOf(1, noon)
    window.take(1, at("2024-05-01T06:29:59.999Z"))
    expect(window.readyAt(1, at("2024-05-01T06:29:59.999Z"))).toBe(at("2024-05-01T06:30:00Z"))
    window.take(1, at("2024-05-01T06:30:00Z"))
    expect(window.readyAt(1, at("2024-05-01T06:30:00Z"))).toBe(at("2024-05-02T06:30:00Z"))
  })

  for (const chargeAt of ["reserve", "settle"] as const) {
    it(`answers as the model does after every step of random histories in UTC, charging at ${chargeAt}`, () =>
      forEachSeed({ name: `fixedWindow, UTC, ${chargeAt}`, runs: 1_200 }, (random) => {
        runHistory(random, history(random, random.pick(periods), "UTC", chargeAt))
      }))
  }

  it("answers as the model does where clocks are set forward and back, in many time zones", () =>
    forEachSeed({ name: "fixedWindow, time zones", runs: 1_200 }, (random) => {
      const chargeAt = random.pick(["reserve", "settle"] as const)
      runHistory(random, history(random, random.pick(periods), random.pick(timeZones), chargeAt))
    }))
})

describe("fixedWindow whose calendar is set back", () => {
  it("re-enters no window that was left", () => {
    let offset = 0
    const limit = Limit.fixedWindow("requests", 10, "minute")
    const window = new FixedWindowState(limit, () => offset)
    window.take(10, 0)
    window.take(10, MINUTE)
    offset = 90_000
    expect(window.used(MINUTE)).toBe(10)
    // The calendar shows 30 s before the epoch and has to go to 120 s again.
    expect(window.readyAt(1, 2 * MINUTE)).toBe(2 * MINUTE + offset)
  })

  it("admits nothing early, in random histories", () =>
    forEachSeed({ name: "fixedWindow, set back", runs: 600 }, (random) => {
      const clock = { offset: 0 }
      const period = random.pick(["minute", "hour", "day"] as const)
      const chargeAt = random.pick(["reserve", "settle"] as const)
      const options = history(random, period, random.pick(["UTC", "UTC", "Europe/Berlin"]), chargeAt, clock)
      runHistory(random, {
        ...options,
        disturb: (now, state) => {
          state.used(now)
          options.model.used(now)
          clock.offset += random.int(0, random.pick([1_000, periodMillis[period], 3 * periodMillis[period]]))
          random.note("set back to", clock.offset)
        },
        isExact: false,
        agree: {
          used: (actual, model) => expect(actual).toBe(model),
          readyAt: (actual, model, now) => {
            expect(actual <= now, "ready").toBe(model <= now)
            if (model >= AFTER_SETTLEMENT) expect(actual).toBe(model)
            else expect(actual, "later than the calendar gets there").toBeLessThanOrEqual(model)
          }
        }
      })
    }))

  it("promises the instant at which the calendar gets to the end again", () => {
    let offset = 0
    const window = new FixedWindowState(Limit.fixedWindow("requests", 10, "minute"), () => offset)
    window.take(10, 0)
    offset = 10_000
    expect(window.readyAt(1, 1_000)).toBe(MINUTE + offset)
  })
})

describe("failures of other libraries that a fixed window does not have", () => {
  it("settling above the limit throws and records nothing: the spend vanishes from the ledger", () => {
    const window = windowOf(10, "day")
    window.take(5, 0)
    settleAt(window, { estimate: 5, actual: 25, takenAt: 0, now: HOUR })
    expect(window.used(HOUR)).toBe(25)
    expect(window.readyAt(1, HOUR)).toBe(DAY)
  })

  it("a request larger than the limit waits for ever, or is let through", () => {
    expect(windowOf(10, "day").readyAt(11, 0)).toBe(NEVER)
    expect(windowOf(0, "day").readyAt(1, 0)).toBe(NEVER)
    expect(windowOf(10, "day", "UTC", "settle").readyAt(11, 0)).toBe(NEVER)
  })

  it("retryAfter is the whole window", () => {
    const window = windowOf(10, "hour")
    window.take(10, 59 * MINUTE)
    expect(window.readyAt(1, 59 * MINUTE + 59_000)).toBe(HOUR)
  })

  it("a daily budget never rolls over", () => {
    const window = windowOf(10, "day")
    window.take(10, 0)
    window.take(10, DAY)
    expect(window.readyAt(1, DAY)).toBe(2 * DAY)
    // Nobody asks for a hundred days.
    expect(window.used(102 * DAY + 5)).toBe(0)
    window.take(10, 102 * DAY + 5)
    expect(window.readyAt(1, 102 * DAY + 5)).toBe(103 * DAY)
  })

  it("a daily budget rolls over in the wrong time zone", () => {
    const pacific = windowOf(10, "day", "America/Los_Angeles")
    pacific.take(10, at("2024-01-15T23:30:00Z"))
    expect(pacific.used(at("2024-01-16T00:30:00Z"))).toBe(10)
    expect(pacific.readyAt(1, at("2024-01-16T00:30:00Z"))).toBe(at("2024-01-16T08:00:00Z"))
  })

  it("a daily budget takes every day for 24 hours", () => {
    const spring = windowOf(1, "day", "America/Los_Angeles")
    spring.take(1, at("2024-03-10T08:00:00Z"))
    expect(spring.readyAt(1, at("2024-03-10T08:00:00Z"))).toBe(at("2024-03-11T07:00:00Z"))
    const autumn = windowOf(1, "day", "Europe/Berlin")
    autumn.take(1, at("2024-10-26T22:00:00Z"))
    expect(autumn.readyAt(1, at("2024-10-26T22:00:00Z"))).toBe(at("2024-10-27T23:00:00Z"))
  })

  it("a daily budget skips the day whose midnight does not exist", () => {
    // Clocks in Beirut went from 23:59 on Saturday to 01:00 on Sunday.
    const beirut = windowOf(1, "day", "Asia/Beirut")
    beirut.take(1, at("2024-03-30T12:00:00Z"))
    expect(beirut.readyAt(1, at("2024-03-30T12:00:00Z"))).toBe(at("2024-03-30T22:00:00Z"))
    beirut.take(1, at("2024-03-30T22:00:00Z"))
    expect(beirut.readyAt(1, at("2024-03-30T22:00:00Z"))).toBe(at("2024-03-31T21:00:00Z"))
  })

  it("a daily budget resets twice on the day whose midnight comes twice", () => {
    // Clocks in Havana went from 00:59 on Sunday back to 00:00.
    const havana = windowOf(1, "day", "America/Havana")
    havana.take(1, at("2024-11-03T04:00:00Z"))
    expect(havana.readyAt(1, at("2024-11-03T04:59:59Z"))).toBe(at("2024-11-04T05:00:00Z"))
  })

  it("an hourly budget takes the hour that comes twice for one", () => {
    const berlin = windowOf(1, "hour", "Europe/Berlin")
    berlin.take(1, at("2024-10-27T00:30:00Z"))
    expect(berlin.readyAt(1, at("2024-10-27T00:30:00Z"))).toBe(at("2024-10-27T01:00:00Z"))
    berlin.take(1, at("2024-10-27T01:30:00Z"))
    expect(berlin.readyAt(1, at("2024-10-27T01:30:00Z"))).toBe(at("2024-10-27T02:00:00Z"))
  })

  it("a monthly budget takes every month for 30 days", () => {
    const window = windowOf(1, "month")
    for (const [from, to] of [
      ["2024-01-31T23:59:59.999Z", "2024-02-01T00:00:00Z"],
      ["2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"],
      ["2024-04-30T12:00:00Z", "2024-05-01T00:00:00Z"],
      ["2024-12-31T12:00:00Z", "2025-01-01T00:00:00Z"],
      ["2025-02-28T12:00:00Z", "2025-03-01T00:00:00Z"]
    ] as const) {
      window.take(1, at(from))
      expect(window.readyAt(1, at(from))).toBe(at(to))
    }
  })

  it("a refund is credited to the current window instead of the one it was charged in: 160 admitted of 100", () => {
    const window = windowOf(100, "minute")
    window.take(100, 0)
    window.take(100, MINUTE)
    settleAt(window, { estimate: 100, actual: 40, takenAt: 0, now: MINUTE })
    expect(window.used(MINUTE)).toBe(100)
    expect(window.readyAt(60, MINUTE)).toBe(2 * MINUTE)
  })
})

const periods = ["minute", "hour", "day", "week", "month"] as const
const periodMillis = { minute: MINUTE, hour: HOUR, day: DAY, week: 7 * DAY, month: 31 * DAY } as const

/** Ordinary ones, and those whose clocks change at midnight, by half an hour, by two hours or for a month. */
const timeZones = [
  "America/Los_Angeles",
  "Europe/Berlin",
  "Asia/Kolkata",
  "Asia/Beirut",
  "Africa/Cairo",
  "America/Havana",
  "Australia/Lord_Howe",
  "Antarctica/Troll",
  "Africa/Casablanca",
  "America/St_Johns"
]

const history = (
  random: Random,
  period: CalendarPeriod,
  timeZone: string,
  chargeAt: Limit.ChargeAt,
  clock = { offset: 0 }
) => {
  const calendar = calendarOf(period, timeZone)
  const offset = () => clock.offset
  const changed = () => Limit.fixedWindow("requests", random.int(0, 30), period, { timeZone, chargeAt })
  const limit = changed()
  const notable = [at("2024-02-29T00:00:00Z"), at("2024-12-31T00:00:00Z"), at("2024-04-30T12:00:00Z")]
  const changes = calendar.transitions.filter((change) => change < at("2025-05-01T00:00:00Z"))
  const from = random.pick([...notable, ...changes]) - random.int(0, 3 * periodMillis[period])
  random.note(limit.name, chargeAt, `from ${new Date(from).toISOString()}`)
  return {
    state: new FixedWindowState(limit, offset),
    model: new FixedWindowModel(limit, calendar, offset),
    from: Math.max(from, calendarSpan.from + 2 * DAY),
    until: calendarSpan.to - 220 * DAY,
    stepsMax: 40,
    amount: () => random.int(1, random.pick([3, 12, 31])),
    millis: () => random.int(0, random.pick([10, HOUR, periodMillis[period], 3 * periodMillis[period]])),
    changed,
    horizonMillis: () => 2 * periodMillis[period] + clock.offset
  }
}
