import { describe, expect, it } from "vitest"
import * as Effect from "effect/Effect"
import { isMistake, locate, placeOf } from "../../src/cli/json.ts"
import { parseLimit } from "../../src/cli/limitText.ts"
import { nearest } from "../../src/cli/nearest.ts"
import { fitted } from "../../src/cli/screen.ts"
import { search } from "../../src/cli/search.ts"
import { dollars, span, table } from "../../src/cli/table.ts"
import { parseTarget } from "../../src/cli/target.ts"
import * as Limit from "../../src/Limit.ts"
import { Random } from "../support/random.ts"

describe("a limit as people write it", () => {
  const read = (text: string) => {
    const parsed = parseLimit(text)
    return "problem" in parsed ? parsed : parsed.limit()
  }

  it.each<readonly [string, Limit.Limit]>([
    ["50k tokens", Limit.cap("tokens", 50_000)],
    ["$2", Limit.cap("usd", 2)],
    ["$0.07", Limit.cap("usd", 0.07)],
    ["8k tokens / minute", Limit.slidingWindow("tokens", 8_000, "1 minute")],
    ["1,500 requests per 10 seconds", Limit.slidingWindow("requests", 1_500, "10 seconds")],
    ["2.5M input tokens/day", Limit.slidingWindow("inputTokens", 2_500_000, "1 day")],
    ["9 uncached input tokens / 2 hours", Limit.slidingWindow("uncachedInputTokens", 9, "2 hours")],
    ["30k output tokens / minute burst 5k", Limit.tokenBucket("outputTokens", 30_000, "1 minute", { capacity: 5_000 })],
    ["$20 / calendar month", Limit.fixedWindow("usd", 20, "month")],
    [
      "1k requests / calendar day America/Denver",
      Limit.fixedWindow("requests", 1_000, "day", { timeZone: "America/Denver" })
    ],
    ["4k tokens / call", Limit.perCall("tokens", 4_000)],
    ["20 concurrent", Limit.concurrency(20)]
  ])("%s", (text, limit) => {
    const parsed = read(text)
    expect(JSON.stringify(parsed)).toBe(JSON.stringify(limit))
  })

  it.each([
    ["8k tokens / minit", 12, 'got "minit"'],
    ["8k tokns", 3, 'got "tokns"'],
    ["tokens", 0, 'got "tokens"'],
    ["", 0, "got the end"],
    ["8k tokens / minute or so", 19, 'expected the end, got "or"'],
    ["$2 / calendar fortnight", 14, "minute, hour, day, week, month"],
    ["$2 / calendar day Mars/Phobos", 18, 'unknown time zone "Mars/Phobos"'],
    ["1.5 tokens", 0, "a safe integer"],
    ["1k tokens / minute burst ?", 25, 'only the first number can be "?"']
  ])("says where it is wrong: %s", (text, offset, problem) => {
    const mistake = read(text)
    expect(mistake).toMatchObject({ offset, problem: expect.stringContaining(problem) })
  })

  it("can leave a number open", () => {
    const parsed = parseLimit("? tokens / minute")
    if ("problem" in parsed) throw new Error(parsed.problem)
    expect(parsed.isOpen).toBe(true)
    expect(parsed.limit(700).max).toBe(700)
    expect(parsed.written(7_000)).toBe("7,000 tokens / minute")
  })
})

describe("JSON with places", () => {
  it("reads what the platform reads, and knows where every value is", () => {
    const random = new Random(7)
    const space = () => ["", " ", "\n", "\t ", "\r\n"][random.int(0, 4)]!
    const write = (depth: number): string => {
      const members = depth === 0 ? [] : Array.from({ length: random.int(0, 3) }, () => write(depth - 1))
      const kind = depth === 0 ? random.int(0, 2) : random.int(0, 4)
      if (kind === 3) return `[${space()}${members.join(`${space()},${space()}`)}${space()}]`
      if (kind === 4)
        return `{${members.map((text, index) => `${space()}"k\\n${index}"${space()}:${space()}${text}`).join(",")}${space()}}`
      return [`"a\\"${random.int(0, 9)}\\u00e9"`, `${random.int(-99, 99)}.5e1`, "null"][kind]!
    }
    for (let run = 0; run < 200; run++) {
      const text = space() + write(4) + space()
      const read = locate(text)
      if (isMistake(read)) throw new Error(`${read.problem}: ${text}`)
      expect(read.value).toEqual(JSON.parse(text))
      const visit = (value: unknown, path: ReadonlyArray<PropertyKey>): void => {
        const rest = text.slice(read.offsetOf(path))
        const first = JSON.stringify(value)[0]!
        expect(rest[0]).toBe(typeof value === "number" ? rest[0] : first)
        if (typeof value === "object" && value !== null) {
          for (const [key, one] of Object.entries(value))
            visit(one, [...path, Array.isArray(value) ? Number(key) : key])
        }
      }
      visit(read.value, [])
    }
  })

  it.each([
    ['{"a": [1, 2,, 3]}', 12, 'expected a value, got ","'],
    ['{"a": 1', 7, 'expected "," or "}", got the end of the file'],
    ["{a: 1}", 1, "the name of a field"],
    ['{"a" 1}', 5, 'expected ":"'],
    ["[1] 2", 4, "expected the end of the file"],
    ['{"a": tru}', 6, "expected a value"]
  ])("says where a text is no JSON: %s", (text, offset, problem) => {
    expect(locate(text)).toMatchObject({ offset, problem: expect.stringContaining(problem) })
  })

  it("counts lines and columns from 1, whatever ends a line", () => {
    expect(placeOf("ab\r\ncd\ne", 0)).toEqual({ line: 1, column: 1 })
    expect(placeOf("ab\r\ncd\ne", 5)).toEqual({ line: 2, column: 2 })
    expect(placeOf("ab\r\ncd\ne", 7)).toEqual({ line: 3, column: 1 })
  })
})

describe("a search", () => {
  it("finds the least number that will do, and the most", () => {
    for (const wanted of [1, 2, 3, 17, 100, 199]) {
      const least = Effect.runSync(
        search({
          what: "least",
          from: 1,
          max: 1_000,
          attempt: Effect.succeed,
          isGood: (value: number) => value >= wanted
        })
      )
      expect([least.bad?.value ?? 0, least.good?.value]).toEqual([wanted - 1, wanted])
      const most = Effect.runSync(
        search({
          what: "most",
          from: 1,
          max: 1_000,
          attempt: Effect.succeed,
          isGood: (value: number) => value <= wanted
        })
      )
      expect([most.good?.value, most.bad?.value]).toEqual([wanted, wanted + 1])
    }
  })

  it("is within half a percent of a large number, on the good side", () => {
    const { bad, good } = Effect.runSync(
      search({ what: "least", from: 1, max: 1e9, attempt: Effect.succeed, isGood: (value: number) => value >= 123_456 })
    )
    expect(good?.value).toBeGreaterThanOrEqual(123_456)
    expect(good!.value - bad!.value).toBeLessThanOrEqual(123_456 * 0.0051)
  })

  it("ends where nothing will do", () => {
    const never = search({
      what: "least",
      from: 1,
      max: 64,
      attempt: Effect.succeed,
      isGood: (value: number) => value < 0
    })
    expect(Effect.runSync(never)).toMatchObject({ good: undefined, bad: { value: 64 } })
  })

  it("ends where everything will do, and where an attempt takes too long", () => {
    const most = (attempt: (value: number) => Effect.Effect<number | undefined>) =>
      Effect.runSync(search({ what: "most", from: 1, max: 100, attempt, isGood: () => true }))
    expect(most(Effect.succeed)).toEqual({ good: { value: 64, outcome: 64 }, bad: undefined, isOpen: true })
    expect(most((value) => Effect.succeed(value > 16 ? undefined : value))).toMatchObject({
      good: { value: 16 },
      bad: undefined,
      isOpen: true
    })
  })
})

describe("a target", () => {
  it.each([
    "p95 wait < 2 seconds",
    "p99.9 wait <= 1 minute",
    "refused < 1 %",
    "waited or refused<5%",
    "throttled < 0.01"
  ])("%s", (text) => expect(parseTarget(text)?.text).toBe(text))

  it.each(["", "p95 < 2 seconds", "wait < 2 seconds", "p95 wait < 5 %", "refused < 2 seconds", "refused > 1 %"])(
    "is none: %s",
    (text) => expect(parseTarget(text)).toBeUndefined()
  )
})

describe("what people read", () => {
  it("is aligned, whatever is wide or coloured", () => {
    const rows = [
      ["a", "\u001B[31m10\u001B[0m"],
      ["日本", "5"]
    ]
    expect(table(["left", "right"], rows)).toBe("a      \u001B[31m10\u001B[0m\n日本    5")
  })

  it("has money and time in the units in which one speaks", () => {
    expect([dollars(0), dollars(70_000_000), dollars(285_000)]).toEqual(["$0.00", "$0.07", "$0.000285"])
    expect([0, 850, 1_500, 60_000, 125_000, 12_000_000, 90_000_000].map(span)).toEqual([
      "0 ms",
      "850 ms",
      "1.5 s",
      "1 min",
      "2 min 5 s",
      "3 h 20 min",
      "1 d 1 h"
    ])
  })

  it("fits into the terminal", () => {
    expect(fitted(["\u001B[1mabcdef\u001B[0m", "b", "c", "d"], 4, 3)).toEqual(["\u001B[1mabcd\u001B[0m", "b", "… 2 "])
  })

  it("names what is meant first", () => {
    expect(nearest("gpt-4o-mimi", ["gpt-4", "gpt-4o-mini", "claude"])[0]).toBe("gpt-4o-mini")
    expect(nearest("sonnet", ["gpt-4", "claude-sonnet-4-5"])).toEqual(["claude-sonnet-4-5"])
    expect(nearest("zzzzzzzz", ["gpt-4"])).toEqual([])
  })
})
