import type Anthropic from "@anthropic-ai/sdk"
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../../src/Dialect.ts"
import * as TokenCounter from "../../../src/TokenCounter.ts"
import * as Usage from "../../../src/Usage.ts"
import { readAll } from "../../support/events.ts"

const url = new URL("https://api.anthropic.com/v1/messages")

const payload = "aGVsbG8=".repeat(10_000)

const image = {
  type: "image",
  source: { type: "base64", media_type: "image/png", data: payload }
} satisfies Anthropic.ImageBlockParam

const weather = {
  name: "weather",
  description: "The weather",
  input_schema: { type: "object", properties: {} }
} satisfies Anthropic.Tool

const everything = {
  model: "claude-sonnet-4-5",
  max_tokens: 2_000,
  system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
  messages: [
    { role: "user", content: "Hello" },
    {
      role: "user",
      content: [
        { type: "text", text: "What is this?" },
        image,
        { type: "document", title: "Report", source: { type: "base64", media_type: "application/pdf", data: payload } },
        { type: "document", source: { type: "url", url: "https://example.com/a.pdf" } },
        { type: "document", context: "Notes", source: { type: "text", media_type: "text/plain", data: "Plain text" } },
        { type: "document", source: { type: "content", content: [{ type: "text", text: "In a document" }, image] } }
      ]
    },
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "Hm.", signature: payload },
        { type: "redacted_thinking", data: payload },
        { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Bern" } }
      ]
    },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "toolu_1", content: "Rain" },
        { type: "tool_result", tool_use_id: "toolu_2", content: [{ type: "text", text: "Map" }, image] },
        {
          type: "web_search_tool_result",
          tool_use_id: "toolu_3",
          content: [{ type: "web_search_result", title: "Bern", url: "https://bern.ch", encrypted_content: payload }]
        }
      ]
    }
  ],
  tools: [weather],
  output_config: { format: { type: "json_schema", schema: { type: "object" } } },
  stream: true
} satisfies Anthropic.MessageCreateParams

describe("a request for a message", () => {
  const call = anthropicMessages.readRequest(everything, url)

  it("is read with everything that the model reads, in order", () => {
    expect(call).toEqual({
      operation: "chat",
      model: "claude-sonnet-4-5",
      texts: [
        "Be brief.",
        "Hello",
        "What is this?",
        "Report",
        "Notes",
        "Plain text",
        "In a document",
        "Hm.",
        "weather",
        '{"city":"Bern"}',
        "Rain",
        "Map",
        "Bern",
        JSON.stringify([weather]),
        JSON.stringify(everything.output_config.format.schema)
      ],
      otherInputTokens: 4 + 5 * 4 + 3 * 1_600 + 2 * 4_600 + 8 + 589,
      maxOutputTokens: 2_000,
      answers: 1,
      isStreamed: true
    })
  })

  it("never has the encoding of an image or of a document, a signature or what is encrypted among its texts", () => {
    expect(call?.texts.filter((text) => text.includes("aGVsbG8"))).toEqual([])
  })

  it("counts a part that it does not know as an image", () => {
    const messages = [{ role: "user", content: [{ type: "hologram", data: payload }] }]
    expect(anthropicMessages.readRequest({ messages }, url)).toMatchObject({
      texts: [],
      otherInputTokens: 4 + 4 + 1_600
    })
  })

  it("counts at least what Anthropic does for the example of its page on token counting", () => {
    const body = {
      model: "claude-opus-4-6",
      max_tokens: 1,
      system: "You are a scientist",
      messages: [{ role: "user", content: "Hello, Claude" }]
    } satisfies Anthropic.MessageCreateParams
    const { otherInputTokens = 0, texts = [] } = anthropicMessages.readRequest(body, url) ?? {}
    const counted = texts.reduce((sum, text) => sum + TokenCounter.estimate(text), otherInputTokens)
    expect(counted).toBeGreaterThanOrEqual(14)
    expect(counted).toBeLessThan(2 * 14)
  })

  it("is limited in max_tokens", () => {
    expect(anthropicMessages.limitOutput(everything, 50)).toEqual({ ...everything, max_tokens: 50 })
    expect(anthropicMessages.limitOutput([], 50)).toEqual([])
    expect(everything.max_tokens).toBe(2_000)
  })
})

const usage = {
  input_tokens: 20,
  cache_read_input_tokens: 1_000,
  cache_creation_input_tokens: 300,
  cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
  output_tokens: 50,
  output_tokens_details: { thinking_tokens: 30 },
  server_tool_use: { web_search_requests: 2, web_fetch_requests: 1 },
  inference_geo: null,
  service_tier: "standard",
  speed: null
} satisfies Anthropic.Usage

const reported = {
  usage: Usage.make({
    inputTokens: 1_320,
    cacheReadTokens: 1_000,
    cacheWriteTokens: 300,
    outputTokens: 50,
    reasoningTokens: 30
  }),
  model: "claude-sonnet-4-5-20250929",
  units: { cache_write_1h_tokens: 200, web_searches: 2 }
}

const read = (usage: unknown) => anthropicMessages.readAnswer({ model: "claude-sonnet-4-5-20250929", usage })

describe("a message", () => {
  it("reports its usage: the input is without what the cache read and wrote", () => {
    expect(read(usage)).toEqual(reported)
  })

  it("may leave the cache out", () => {
    const plain = { input_tokens: 20, output_tokens: 50, cache_read_input_tokens: null, cache_creation: null }
    expect(read(plain)?.usage).toEqual(Usage.make({ inputTokens: 20, outputTokens: 50 }))
  })

  it("reports nothing where it has no usage", () => {
    expect([undefined, null, {}, "usage"].map(read)).toEqual(Array(4).fill(undefined))
  })

  it.each([
    { ...usage, input_tokens: undefined },
    { ...usage, input_tokens: "20" },
    { ...usage, output_tokens: null },
    { ...usage, cache_read_input_tokens: -1 },
    { ...usage, cache_creation_input_tokens: "300" },
    { ...usage, cache_creation: { ephemeral_1h_input_tokens: 301 } },
    { ...usage, cache_creation: { ephemeral_1h_input_tokens: "200" } },
    { ...usage, output_tokens_details: { thinking_tokens: 51 } }
  ])("reports a usage that is refused where its usage makes no sense: %j", (nonsense) => {
    const report = read(nonsense)
    expect(report && Usage.isValid(report.usage)).toBe(false)
  })
})

describe("the stream of a message", () => {
  const start = {
    type: "message_start",
    message: { model: "claude-sonnet-4-5-20250929", usage: { ...usage, output_tokens: 1, output_tokens_details: null } }
  }
  const block = (index: number, delta: Anthropic.RawContentBlockDelta) =>
    ({ type: "content_block_delta", index, delta }) satisfies Anthropic.RawContentBlockDeltaEvent
  const end = {
    type: "message_delta",
    delta: { stop_reason: "end_turn", stop_sequence: null, stop_details: null, container: null },
    usage: {
      input_tokens: null,
      cache_creation_input_tokens: null,
      cache_read_input_tokens: null,
      output_tokens: 50,
      output_tokens_details: { thinking_tokens: 30 },
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 1 }
    }
  } satisfies Omit<Anthropic.RawMessageDeltaEvent, "delta"> & { delta: object }

  it("reports the input at its start and the output at its end", () => {
    const reader = readAll(anthropicMessages, [
      start,
      { type: "ping" },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      block(0, { type: "text_delta", text: "Hello" })
    ])
    expect(reader.report?.usage).toMatchObject({ inputTokens: 1_320, cacheReadTokens: 1_000, outputTokens: 1 })
    expect(reader.isComplete).toBe(false)
    reader.read(JSON.stringify(end))
    expect([reader.report, reader.isComplete]).toEqual([reported, false])
    reader.read(JSON.stringify({ type: "message_stop" } satisfies Anthropic.RawMessageStopEvent))
    expect([reader.report, reader.isComplete, reader.text]).toEqual([reported, true, "Hello"])
  })

  it("counts output cumulatively, and input anew where server tools have added to it", () => {
    const reader = readAll(anthropicMessages, [
      start,
      { ...end, usage: { output_tokens: 10 } },
      { ...end, usage: { input_tokens: 5_000, output_tokens: 40 } }
    ])
    expect(reader.report?.usage).toMatchObject({ inputTokens: 6_300, outputTokens: 40 })
  })

  it("has thoughts and the calls of tools in its text, and no signatures", () => {
    const reader = readAll(anthropicMessages, [
      block(0, { type: "thinking_delta", thinking: "Hm. " }),
      block(0, { type: "signature_delta", signature: payload }),
      {
        type: "content_block_start",
        index: 1,
        content_block: { type: "tool_use", id: "toolu_1", name: "weather", input: {} }
      },
      block(1, { type: "input_json_delta", partial_json: '{"city":' }),
      block(1, { type: "input_json_delta", partial_json: '"Bern"}' })
    ])
    expect(reader.text).toBe('Hm. weather{"city":"Bern"}')
  })

  it("that ends without its beginning reports a usage that is refused", () => {
    const report = readAll(anthropicMessages, [end]).report
    expect(report && Usage.isValid(report.usage)).toBe(false)
  })

  it("is not complete with an error", () => {
    const reader = readAll(anthropicMessages, [start, { type: "error", error: { type: "overloaded_error" } }])
    expect(reader.isComplete).toBe(false)
  })
})
