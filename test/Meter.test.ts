import { describe, expect, it } from "vitest"
import * as Meter from "../src/Meter.ts"
import * as Usage from "../src/Usage.ts"

const usage = Usage.make({
  requests: 2,
  inputTokens: 1_000,
  cacheReadTokens: 600,
  cacheWriteTokens: 300,
  outputTokens: 50,
  reasoningTokens: 40,
  costUsd: 0.07
})

describe("the built-in meters", () => {
  it("count what their names say, each part of the usage once", () => {
    expect(Meter.requests.measure(usage)).toBe(2)
    expect(Meter.tokens.measure(usage)).toBe(1_050)
    expect(Meter.inputTokens.measure(usage)).toBe(1_000)
    expect(Meter.outputTokens.measure(usage)).toBe(50)
    expect(Meter.usd.measure(usage)).toBe(70_000_000)
  })

  it("leave cache reads out of uncached input, and count cache writes", () => {
    expect(Meter.uncachedInputTokens.measure(usage)).toBe(400)
  })

  it("measure nothing where nothing was used", () => {
    for (const name of names) expect(Meter.fromInput(name).measure(Usage.zero)).toBe(0)
  })
})

describe("Meter.make", () => {
  it("makes a meter of one's own", () => {
    const bedrock = Meter.make("bedrockTokens", ({ inputTokens, outputTokens }) => inputTokens + 5 * outputTokens)
    expect(bedrock.name).toBe("bedrockTokens")
    expect(bedrock.scale).toBe(1)
    expect(bedrock.measure(usage)).toBe(1_250)
  })
})

describe("Meter.fromInput", () => {
  it("finds the built-in meters by their names and returns others as they are", () => {
    for (const name of names) expect(Meter.fromInput(name).name).toBe(name)
    const own = Meter.make("own", () => 1)
    expect(Meter.fromInput(own)).toBe(own)
  })

  it("refuses a name that it does not know and lists those it does", () => {
    const unknown: Array<string> = ["token", "", "toString", "__proto__"]
    for (const name of unknown) {
      expect(() => Meter.fromInput(name as Meter.Name)).toThrow(
        `Meter: unknown meter "${name}", expected one of ${names.join(", ")}`
      )
    }
  })
})

describe("Meter.format", () => {
  it("writes amounts for people", () => {
    expect(Meter.format(Meter.tokens, 1_200)).toBe("1,200 tokens")
    expect(Meter.format(Meter.usd, 70_000_000)).toBe("$0.07")
  })

  it("hides no nano-dollar", () => {
    expect(Meter.format(Meter.usd, 1)).toBe("$0.000000001")
    expect(Meter.format(Meter.usd, 2_000_000_001)).toBe("$2.000000001")
  })
})

const names = ["requests", "tokens", "inputTokens", "uncachedInputTokens", "outputTokens", "usd"] as const
