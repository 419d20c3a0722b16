import { describe, expect, it } from "vitest"
import * as Format from "../../../src/internal/report/page/format.ts"

describe("numbers as people read them", () => {
  it.each([
    [0, "0"],
    [999, "999"],
    [1_000, "1k"],
    [12_345, "12.3k"],
    [999_499, "999k"],
    [999_500, "1M"],
    [1_234_567, "1.23M"],
    [2.5e9, "2.5B"],
    [3.14e12, "3.14T"]
  ])("has three digits and a letter: %d", (value, text) => {
    expect(Format.magnitude(value)).toBe(text)
  })

  it.each([
    [0, "$0"],
    [1, "$0.000000001"],
    [3_100_000, "$0.0031"],
    [99_000_000, "$0.099"],
    [420_000_000, "$0.42"],
    [5e9, "$5"],
    [1_234_500_000_000, "$1,234.50"],
    [45_600e9, "$45.6k"]
  ])("writes nano-dollars as dollars: %d", (value, text) => {
    expect(Format.dollars(value)).toBe(text)
  })

  it.each([
    [0, "0 ms"],
    [250, "250 ms"],
    [1_200, "1.2 s"],
    [59_949, "59.9 s"],
    [59_950, "1 min"],
    [200_000, "3 min 20 s"],
    [3_599_999, "1 h"],
    [86_400_000, "24 h"],
    [183_600_000, "2 d 3 h"]
  ])("says how long: %d", (value, text) => {
    expect(Format.duration(value)).toBe(text)
  })

  it("does not let what is neither nothing nor all look like it", () => {
    expect([0, 1, 5_000, 99_999, 100_000].map((part) => Format.percent(part, 100_000))).toEqual([
      "0 %",
      "< 0.1 %",
      "5 %",
      "> 99.9 %",
      "100 %"
    ])
    expect(Format.percent(0, 0)).toBe("–")
  })

  it("has a date in an instant, and in the time of a simulation the day", () => {
    expect(Format.instant(Date.UTC(2026, 0, 15, 8, 30))).toBe("2026-01-15 08:30:00")
    expect(Format.instant(0)).toBe("00:00:00")
    expect(Format.instant(90_000_000)).toBe("day 2, 01:00:00")
  })

  it("puts on an axis what differs from tick to tick", () => {
    const midnight = Date.UTC(2026, 0, 15)
    expect(Format.tick(midnight, 3_600_000)).toBe("15 Jan")
    expect(Format.tick(midnight + 3_600_000, 3_600_000)).toBe("01:00")
    expect(Format.tick(midnight + 1_000, 1_000)).toBe("00:00:01")
    expect(Format.tick(500, 100)).toBe("00:00:00.500")
    expect(Format.tick(86_400_000, 86_400_000)).toBe("day 2")
  })

  it("says the window in the name of a limit as people do", () => {
    expect(Format.limitLabel("slidingWindow(tokens, 60000ms)")).toBe("slidingWindow(tokens, 1 min)")
    expect(Format.limitLabel("my own, 60000ms")).toBe("my own, 60000ms")
  })
})
