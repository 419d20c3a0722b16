import * as Cron from "effect/Cron"
import * as Duration from "effect/Duration"
import { describe, expect, it } from "vitest"
import * as Limit from "../src/Limit.ts"
import * as Meter from "../src/Meter.ts"
import * as Usage from "../src/Usage.ts"
import { starting } from "../src/internal/limit/start.ts"
import { NEVER } from "../src/internal/limit/state.ts"

/** Each constructor with its first amount left open. */
const constructors = {
  "Limit.cap": (max: number) => Limit.cap("tokens", max),
  "Limit.slidingWindow": (max: number) => Limit.slidingWindow("tokens", max, "1 minute"),
  "Limit.fixedWindow": (max: number) => Limit.fixedWindow("tokens", max, "day"),
  "Limit.tokenBucket": (max: number) => Limit.tokenBucket("tokens", max, "1 minute"),
  "Limit.concurrency": (max: number) => Limit.concurrency(max),
  "Limit.perCall": (max: number) => Limit.perCall("tokens", max)
} as const

describe("the constructors of limits", () => {
  it("make plain data with a name that says what it is", () => {
    expect(Limit.cap("tokens", 5)).toEqual({ _tag: "Cap", name: "cap(tokens)", meter: Meter.tokens, max: 5 })
    expect(Limit.slidingWindow("tokens", 5, "1 minute")).toEqual({
      _tag: "SlidingWindow",
      name: "slidingWindow(tokens, 60000ms)",
      meter: Meter.tokens,
      max: 5,
      windowMillis: 60_000,
      chargeAt: "reserve"
    })
    expect(Limit.fixedWindow("requests", 5, "month", { chargeAt: "settle" })).toMatchObject({
      _tag: "FixedWindow",
      name: "fixedWindow(requests, month UTC)",
      chargeAt: "settle"
    })
    expect(Limit.tokenBucket("inputTokens", 5, "1 second")).toEqual({
      _tag: "TokenBucket",
      name: "tokenBucket(inputTokens, 1000ms)",
      meter: Meter.inputTokens,
      max: 5,
      refill: 5,
      refillMillis: 1_000
    })
    expect(Limit.concurrency(5)).toMatchObject({ _tag: "Concurrency", name: "concurrency", max: 5 })
    expect(Limit.perCall("tokens", 5)).toEqual({
      _tag: "PerCall",
      name: "perCall(tokens)",
      meter: Meter.tokens,
      max: 5
    })
  })

  it("take a name, and a meter of one's own", () => {
    const words = Meter.make("words", () => 1)
    expect(Limit.cap(words, 5, { name: "novel" })).toEqual({ _tag: "Cap", name: "novel", meter: words, max: 5 })
    expect(Limit.slidingWindow(words, 5, 1).name).toBe("slidingWindow(words, 1ms)")
  })

  it("read dollars as dollars", () => {
    expect(Limit.cap("usd", 2).max).toBe(2_000_000_000)
    expect(Limit.cap(Meter.usd, 0.07).max).toBe(70_000_000)
    expect(Limit.tokenBucket("usd", 1, "1 hour", { capacity: 0.5 })).toMatchObject({ max: 5e8, refill: 1e9 })
  })

  it("keep a capacity of its own apart from the inflow of a bucket", () => {
    const bucket = Limit.tokenBucket("inputTokens", 30_000, "1 minute", { capacity: 5_000 })
    expect(bucket).toMatchObject({ max: 5_000, refill: 30_000, refillMillis: 60_000 })
  })

  it("take durations in every form, as long as they are whole milliseconds", () => {
    for (const window of [60_000, "1 minute", Duration.minutes(1), { minutes: 1 }] as const) {
      expect(Limit.slidingWindow("tokens", 5, window).windowMillis).toBe(60_000)
    }
    expect(Limit.slidingWindow("tokens", 5, "30 days").windowMillis).toBe(2_592_000_000)
  })

  it("take a limit of zero, which admits nothing", () => {
    const zeros = [
      Limit.cap("tokens", 0),
      Limit.slidingWindow("tokens", 0, "1 minute"),
      Limit.fixedWindow("tokens", 0, "day"),
      Limit.tokenBucket("tokens", 10, "1 minute", { capacity: 0 }),
      Limit.concurrency(0),
      Limit.perCall("tokens", 0)
    ]
    for (const limit of zeros) {
      const state = starting(() => 0)(limit)
      expect(state.readyAt(1, 0), limit.name).toBe(NEVER)
      expect(state.isUnused(0), limit.name).toBe(true)
    }
  })

  it("start each limit unused, and with all of it ready", () => {
    for (const make of Object.values(constructors)) {
      const state = starting(() => 0)(make(7))
      expect(state.readyAt(7, 0)).toBe(0)
      expect(state.isUnused(0)).toBe(true)
      state.take(1, 0)
      // A ceiling per call has nothing to remember.
      expect(state.isUnused(0)).toBe(state.limit._tag === "PerCall")
    }
  })
})

describe("the constructors refuse, and say what and where", () => {
  for (const [where, make] of Object.entries(constructors)) {
    it(`${where} refuses amounts that are NaN, infinite, negative, fractions or not safe integers`, () => {
      for (const max of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 2 ** 53]) {
        expect(() => make(max)).toThrow(RangeError)
        expect(() => make(max)).toThrow(`${where}: max of `)
        expect(() => make(max)).toThrow(`got ${max}`)
      }
    })
  }

  it("dollars that are NaN, infinite, negative or too many", () => {
    for (const max of [Number.NaN, Number.POSITIVE_INFINITY, -0.01, 9_007_200]) {
      expect(() => Limit.cap("usd", max)).toThrow(
        `Limit.cap: max of usd must be non-negative and dollars, at most 9,007,199, got ${max}`
      )
    }
  })

  it("dollars that are negative by less than a nano-dollar", () => {
    expect(() => Limit.cap("usd", -0.000_000_000_4)).toThrow(RangeError)
  })

  it("meters that nobody knows", () => {
    const unknown: string = "words"
    expect(() => Limit.cap(unknown as Meter.Name, 1)).toThrow('Meter: unknown meter "words"')
  })

  it("windows that are zero, negative, infinite, NaN, fractions of a millisecond or no duration", () => {
    const nonsense: ReadonlyArray<unknown> = [
      0,
      -1,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      0.5,
      2 ** 53,
      "soon",
      undefined
    ]
    for (const window of nonsense) {
      const message = /: (window|every) must be a positive whole number of milliseconds, got /
      expect(() => Limit.slidingWindow("tokens", 1, window as Duration.Input)).toThrow(message)
      expect(() => Limit.tokenBucket("tokens", 1, window as Duration.Input)).toThrow(message)
    }
    expect(() => Limit.slidingWindow("tokens", 1, "0 seconds")).toThrow("Limit.slidingWindow: window")
    expect(() => Limit.tokenBucket("tokens", 1, "0 seconds")).toThrow("Limit.tokenBucket: every")
    expect(() => Limit.slidingWindow("tokens", 1, Duration.infinity)).toThrow("Limit.slidingWindow: window")
  })

  it("buckets into which nothing would flow, and capacities that are no amounts", () => {
    expect(() => Limit.tokenBucket("tokens", 0, "1 minute")).toThrow("Limit.tokenBucket: max must be positive")
    for (const capacity of [Number.NaN, -1, 0.5]) {
      expect(() => Limit.tokenBucket("tokens", 1, "1 minute", { capacity })).toThrow(RangeError)
    }
  })

  it("periods that nobody knows", () => {
    const unknown: Array<string> = ["year", "", "toString"]
    for (const period of unknown) {
      expect(() => Limit.fixedWindow("tokens", 1, period as Limit.Period)).toThrow(
        `Limit.fixedWindow: unknown period "${period}", expected a Cron or one of minute, hour, day, week, month`
      )
    }
  })

  it("time zones that nobody knows", () => {
    for (const timeZone of ["Mars/Phobos", ""]) {
      expect(() => Limit.fixedWindow("tokens", 1, "day", { timeZone })).toThrow(
        `Limit.fixedWindow: unknown time zone "${timeZone}"`
      )
    }
  })

  it("a cron that never comes, such as 30 February", () => {
    expect(() => Limit.fixedWindow("tokens", 1, Cron.parseUnsafe("0 0 30 2 *"))).toThrow(RangeError)
  })
})

describe("the names of limits", () => {
  it("tell periods and time zones apart", () => {
    const pacific = Limit.fixedWindow("requests", 1_000, "day", { timeZone: "America/Los_Angeles" })
    expect(pacific.name).toBe("fixedWindow(requests, day America/Los_Angeles)")
    expect(Limit.fixedWindow("requests", 1, Cron.parseUnsafe("0 12 * * *")).name).toContain("0 12 * * *")
  })

  it("tell crons of different time zones apart", () => {
    const [tokyo, berlin] = ["Asia/Tokyo", "Europe/Berlin"].map((zone) =>
      Limit.fixedWindow("requests", 1, Cron.parseUnsafe("0 12 * * *", zone))
    )
    expect(tokyo!.name).not.toBe(berlin!.name)
  })
})

describe("failures of other libraries that limits do not have", () => {
  it("NaN makes a key unlimited; a negative amount credits it; floats pass for amounts", () => {
    for (const make of Object.values(constructors)) {
      for (const max of [Number.NaN, -5, 1.5]) expect(() => make(max)).toThrow(RangeError)
    }
  })

  it("floats fail three times $0.10 against $0.30", () => {
    for (const limit of [
      Limit.cap("usd", 0.3),
      Limit.slidingWindow("usd", 0.3, "1 day"),
      Limit.fixedWindow("usd", 0.3, "day"),
      Limit.tokenBucket("usd", 0.3, "1 day")
    ]) {
      const state = starting(() => 0)(limit)
      const tenCents = Usage.nanoUsd(0.1)
      for (let call = 0; call < 3; call++) {
        expect(state.readyAt(tenCents, 0)).toBe(0)
        state.take(tenCents, 0)
      }
      expect(state.readyAt(1, 0)).toBeGreaterThan(0)
    }
  })
})
