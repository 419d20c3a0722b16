import { describe, expect, it } from "vitest"
import { parseGoDuration, parseMillis, parseReset, parseRetryAfter } from "../../../src/internal/dialect/waits.ts"
import { forEachSeed } from "../../support/random.ts"

const now = Date.UTC(2026, 10, 23, 16, 43, 0)

describe("a duration as Go writes it", () => {
  it.each([
    ["0s", 0],
    ["120ms", 120],
    ["1s", 1_000],
    ["7.66s", 7_660],
    ["8.64s", 8_640],
    ["6m0s", 360_000],
    ["1h2m3s", 3_723_000],
    ["1h2m3.5s", 3_723_500],
    ["1m30.951s", 90_951],
    ["1.5ms", 2],
    ["2µs", 1],
    ["2μs", 1],
    ["2us", 1],
    ["1ns", 1],
    [".5s", 500],
    ["1.s", 1_000],
    [" 1s ", 1_000]
  ])("%s is read whole, in millis, rounded up", (text, millis) => {
    expect(parseGoDuration(text)).toBe(millis)
  })

  it.each(["", "s", "1", "60", "-1s", "1s2", "1s x", "1d", "1 s", "1e3s", "NaNs", "2026-11-23T16:43:09Z", "1,5s"])(
    "%j is none",
    (text) => {
      expect(parseGoDuration(text)).toBeUndefined()
    }
  )

  it("is read back as it was written", () =>
    forEachSeed({ name: "go durations", runs: 2_000 }, (random) => {
      const millis = random.int(0, 30 * 86_400_000)
      const text = writeGoDuration(millis)
      random.note(text)
      expect(parseGoDuration(text)).toBe(millis)
    }))
})

/** As `time.Duration.String` of Go. */
const writeGoDuration = (millis: number): string => {
  if (millis === 0) return "0s"
  if (millis < 1_000) return `${millis}ms`
  const seconds = `${(millis % 60_000) / 1_000}s`
  const minutes = Math.floor(millis / 60_000)
  if (minutes === 0) return seconds
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`
}

describe("Retry-After", () => {
  it.each([
    ["0", 0],
    ["20", 20_000],
    ["0.5", 500],
    ["1.0001", 1_001],
    ["86400", 86_400_000],
    ["Mon, 23 Nov 2026 16:43:09 GMT", 9_000],
    ["Mon, 23 Nov 2026 16:42:00 GMT", 0],
    ["2026-11-23T16:43:09Z", 9_000],
    ["2026-11-23T16:43:09.250Z", 9_250],
    ["2026-11-23T18:43:09+02:00", 9_000]
  ])("%s is a wait in millis", (text, millis) => {
    expect(parseRetryAfter(text, now)).toBe(millis)
  })

  it.each([
    "",
    "soon",
    "-1",
    "NaN",
    "Infinity",
    "1e9",
    "120ms",
    "2026-11-23",
    "2026-13-45T99:00:00Z",
    "1790000000000",
    "99999999999999999999999999"
  ])("%j is none", (text) => {
    expect(parseRetryAfter(text, now)).toBeUndefined()
  })

  it("in millis may have a fraction", () => {
    expect([parseMillis("500"), parseMillis("12.2"), parseMillis("-1"), parseMillis("")]).toEqual([
      500,
      13,
      undefined,
      undefined
    ])
  })
})

describe("the time of a reset", () => {
  it("is read in every form", () => {
    expect(["1m0s", "55", "2026-11-23T16:43:09Z"].map((text) => parseReset(text, now))).toEqual([60_000, 55_000, 9_000])
  })
})
