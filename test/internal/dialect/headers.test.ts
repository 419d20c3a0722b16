import { describe, expect, it } from "vitest"
import * as Dialect from "../../../src/Dialect.ts"

const now = Date.UTC(2026, 10, 23, 16, 43, 0)

const read = (dialect: Dialect.Dialect, headers: Readonly<Record<string, string>>) =>
  dialect.readHeaders((name) => new Headers(headers).get(name), now)

describe("OpenAI's rate headers", () => {
  it("are windows of requests and of tokens", () => {
    const feedback = read(Dialect.openAiChat, {
      "x-ratelimit-limit-requests": "5000",
      "x-ratelimit-remaining-requests": "4999",
      "x-ratelimit-reset-requests": "12ms",
      "x-ratelimit-limit-tokens": "160000",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "6m0s",
      "retry-after": "21",
      "retry-after-ms": "20422"
    })
    expect(feedback).toEqual({
      windows: [
        { meter: "requests", limit: 5_000, remaining: 4_999, resetMillis: 12 },
        { meter: "tokens", limit: 160_000, remaining: 0, resetMillis: 360_000 }
      ],
      retryAfterMillis: 20_422
    })
  })

  it("are those of chat, responses, embeddings and compatible ones alike", () => {
    const headers = { "x-ratelimit-limit-tokens": "10", "x-ratelimit-remaining-tokens": "9" }
    const windows = [{ meter: "tokens", limit: 10, remaining: 9, resetMillis: undefined }]
    for (const dialect of [Dialect.openAiResponses, Dialect.openAiEmbeddings, Dialect.openAiCompatible]) {
      expect(read(dialect, headers)).toEqual({ windows, retryAfterMillis: undefined })
    }
  })

  it("mean nothing where Azure sends -1, or 0 that is full again in no time", () => {
    const azure = (limit: string, remaining: string, reset: string) =>
      read(Dialect.openAiChat, {
        "x-ratelimit-limit-tokens": limit,
        "x-ratelimit-remaining-tokens": remaining,
        "x-ratelimit-reset-tokens": reset
      }).windows
    expect(azure("-1", "-1", "0")).toEqual([])
    expect(azure("1000", "-1", "0")).toEqual([])
    expect(azure("1000", "0", "0")).toEqual([])
    expect(azure("1000", "0", "what")).toEqual([])
    expect(azure("0", "0", "55")).toEqual([])
    expect(azure("1000", "0", "55")).toEqual([{ meter: "tokens", limit: 1_000, remaining: 0, resetMillis: 55_000 }])
  })

  it.each([
    ["0", "0"],
    ["100", "101"],
    ["100", "many"],
    ["1.5", "1"],
    ["1e3", "1"],
    ["NaN", "1"],
    ["", ""],
    ["99999999999999999999", "1"]
  ])("are dropped when they make no sense: %s of which %s remain", (limit, remaining) => {
    const headers = { "x-ratelimit-limit-tokens": limit, "x-ratelimit-remaining-tokens": remaining }
    expect(read(Dialect.openAiChat, headers).windows).toEqual([])
  })

  it("may be Cerebras's, by the day and by the minute, in seconds", () => {
    const feedback = read(Dialect.openAiCompatible, {
      "x-ratelimit-limit-requests-day": "1000",
      "x-ratelimit-remaining-requests-day": "999",
      "x-ratelimit-reset-requests-day": "33011.382",
      "x-ratelimit-limit-tokens-minute": "60000",
      "x-ratelimit-remaining-tokens-minute": "59000",
      "x-ratelimit-reset-tokens-minute": "11.25"
    })
    expect(feedback.windows).toEqual([
      { meter: "requests", limit: 1_000, remaining: 999, resetMillis: 33_011_382 },
      { meter: "tokens", limit: 60_000, remaining: 59_000, resetMillis: 11_250 }
    ])
  })
})

describe("Anthropic's rate headers", () => {
  it("are windows whose resets are instants; cached input is not in the input's", () => {
    const limits = ["requests", "tokens", "input-tokens", "output-tokens"]
    const headers = Object.fromEntries(
      limits.flatMap((name, index) => [
        [`anthropic-ratelimit-${name}-limit`, `${1_000 * (index + 1)}`],
        [`anthropic-ratelimit-${name}-remaining`, `${index}`],
        [`anthropic-ratelimit-${name}-reset`, "2026-11-23T16:43:09Z"]
      ])
    )
    expect(read(Dialect.anthropicMessages, { ...headers, "retry-after": "9" })).toEqual({
      windows: [
        { meter: "requests", limit: 1_000, remaining: 0, resetMillis: 9_000 },
        { meter: "tokens", limit: 2_000, remaining: 1, resetMillis: 9_000 },
        { meter: "uncachedInputTokens", limit: 3_000, remaining: 2, resetMillis: 9_000 },
        { meter: "outputTokens", limit: 4_000, remaining: 3, resetMillis: 9_000 }
      ],
      retryAfterMillis: 9_000
    })
  })
})

describe("the IETF's rate headers", () => {
  const window = { meter: "requests", limit: 100, remaining: 50, resetMillis: 30_000 }

  it.each([
    { "ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "50", "ratelimit-reset": "30" },
    { ratelimit: "limit=100, remaining=50, reset=30" },
    { ratelimit: '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=60' },
    { ratelimit: "default;r=50;t=30", "ratelimit-policy": "other;q=7, default;q=100;w=60" }
  ])("are read in each of their generations: %j", (headers) => {
    expect(read(Dialect.geminiGenerateContent, headers).windows).toEqual([window])
  })

  it("may speak of several limits, and of tokens", () => {
    const headers = {
      ratelimit: '"requests";r=50;t=30, "input-tokens";r=900;t=6, "bytes";r=1;t=1',
      "ratelimit-policy": '"requests";q=100;w=60, "input-tokens";q=1000;w=60, "bytes";q=9;qu="content-bytes"'
    }
    expect(read(Dialect.openAiChat, headers).windows).toEqual([
      window,
      { meter: "tokens", limit: 1_000, remaining: 900, resetMillis: 6_000 }
    ])
  })

  it("say nothing without the limit, which the newest form has in its policy", () => {
    expect(read(Dialect.openAiChat, { ratelimit: '"default";r=50;t=30' }).windows).toEqual([])
  })
})

describe("no headers", () => {
  it.each(Dialect.all)("are no feedback: $name", (dialect) => {
    for (const nothing of [undefined, null]) {
      expect(dialect.readHeaders(() => nothing, now)).toEqual({ windows: [], retryAfterMillis: undefined })
    }
  })

  it.each(Dialect.all)("of which all are nonsense are none either: $name", (dialect) => {
    for (const nonsense of ["", ";", "=", ",", '"', "limit=", "-1", "NaN", "x;=;=", "limit=1;remaining=2"]) {
      expect(dialect.readHeaders(() => nonsense, now)).toEqual({ windows: [], retryAfterMillis: undefined })
    }
  })
})

describe("failures of other systems", () => {
  it("20. a header's first number is taken for its value: 9 s become 2,026 s, 120 ms become 120 s, 6 min become 6 s", () => {
    const resetOf = (dialect: Dialect.Dialect, headers: Readonly<Record<string, string>>) =>
      read(dialect, headers).windows[0]?.resetMillis
    const anthropic = { "anthropic-ratelimit-tokens-limit": "9", "anthropic-ratelimit-tokens-remaining": "1" }
    const openAi = { "x-ratelimit-limit-tokens": "9", "x-ratelimit-remaining-tokens": "1" }
    expect([
      resetOf(Dialect.anthropicMessages, { ...anthropic, "anthropic-ratelimit-tokens-reset": "2026-11-23T16:43:09Z" }),
      resetOf(Dialect.openAiChat, { ...openAi, "x-ratelimit-reset-tokens": "120ms" }),
      resetOf(Dialect.openAiChat, { ...openAi, "x-ratelimit-reset-tokens": "6m0s" })
    ]).toEqual([9_000, 120, 360_000])
  })
})
