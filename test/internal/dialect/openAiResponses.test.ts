import type OpenAI from "openai"
import { describe, expect, it } from "vitest"
import { openAiResponses } from "../../../src/Dialect.ts"
import * as Usage from "../../../src/Usage.ts"
import { readAll } from "../../support/events.ts"

const url = new URL("https://api.openai.com/v1/responses")

const payload = "aGVsbG8=".repeat(10_000)

const weather = {
  type: "function",
  name: "weather",
  strict: true,
  parameters: { type: "object", properties: {} }
} satisfies OpenAI.Responses.Tool

const everything = {
  model: "gpt-5",
  instructions: "Be brief.",
  input: [
    { role: "user", content: "Hello" },
    {
      role: "user",
      content: [
        { type: "input_text", text: "What is this?" },
        { type: "input_image", detail: "low", image_url: `data:image/png;base64,${payload}` },
        { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${payload}` },
        { type: "input_file", file_data: payload, filename: "a.pdf" }
      ]
    },
    {
      type: "reasoning",
      id: "rs_1",
      summary: [{ type: "summary_text", text: "Thought." }],
      encrypted_content: payload
    },
    { type: "function_call", call_id: "call_1", name: "weather", arguments: '{"city":"Bern"}' },
    { type: "function_call_output", call_id: "call_1", output: "Rain" },
    {
      type: "function_call_output",
      call_id: "call_2",
      output: [
        { type: "input_text", text: "Map" },
        { type: "input_image", image_url: `data:image/png;base64,${payload}` }
      ]
    },
    {
      type: "message",
      id: "msg_1",
      role: "assistant",
      status: "completed",
      content: [{ type: "output_text", text: "It rains.", annotations: [] }]
    },
    { type: "image_generation_call", id: "ig_1", status: "completed", result: payload }
  ],
  tools: [weather],
  text: { format: { type: "json_schema", name: "answer", schema: { type: "object" } } },
  max_output_tokens: 500,
  stream: true
} satisfies OpenAI.Responses.ResponseCreateParams

describe("a request for a response", () => {
  const call = openAiResponses.readRequest(everything, url)

  it("is read with everything that the model reads, in order", () => {
    expect(call).toEqual({
      operation: "chat",
      model: "gpt-5",
      texts: [
        "Be brief.",
        "user",
        "Hello",
        "user",
        "What is this?",
        "Thought.",
        "weather",
        '{"city":"Bern"}',
        "Rain",
        "Map",
        "assistant",
        "It rains.",
        JSON.stringify([weather]),
        JSON.stringify(everything.text.format.schema)
      ],
      otherInputTokens: 3 + 9 * 3 + 8 + (85 + 4 * 1_445) + (12 + 7),
      maxOutputTokens: 500,
      answers: 1,
      isStreamed: true
    })
  })

  it("never has the encoding of an image or of a file among its texts", () => {
    expect(call?.texts.filter((text) => text.includes("aGVsbG8"))).toEqual([])
  })

  it("may have a text as its input", () => {
    const body = { model: "gpt-5", input: "Hello" } satisfies OpenAI.Responses.ResponseCreateParams
    expect(openAiResponses.readRequest(body, url)).toEqual({
      operation: "chat",
      model: "gpt-5",
      texts: ["Hello"],
      otherInputTokens: 3 + 3,
      maxOutputTokens: undefined,
      answers: 1,
      isStreamed: false
    })
  })

  it("is limited in max_output_tokens", () => {
    expect(openAiResponses.limitOutput(everything, 50)).toEqual({ ...everything, max_output_tokens: 50 })
    expect(openAiResponses.limitOutput(null, 50)).toBe(null)
    expect(everything.max_output_tokens).toBe(500)
  })
})

const usage = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40, cache_write_tokens: 10 },
  output_tokens: 60,
  output_tokens_details: { reasoning_tokens: 30 },
  total_tokens: 160
} satisfies OpenAI.Responses.ResponseUsage

const reported = {
  usage: Usage.make({
    inputTokens: 100,
    cacheReadTokens: 40,
    cacheWriteTokens: 10,
    outputTokens: 60,
    reasoningTokens: 30
  }),
  model: "gpt-5-2025-08-07",
  units: {}
}

const answer = { model: "gpt-5-2025-08-07", usage } satisfies Partial<OpenAI.Responses.Response>

describe("a response", () => {
  it("reports its usage", () => {
    expect(openAiResponses.readAnswer(answer)).toEqual(reported)
  })

  it("reports nothing before it is complete, as in the background", () => {
    expect(openAiResponses.readAnswer({ status: "queued", usage: null })).toBeUndefined()
  })

  it("reports a usage that is refused where a count is missing or no number", () => {
    for (const output_tokens of [undefined, null, "60", -1]) {
      const report = openAiResponses.readAnswer({ usage: { ...usage, output_tokens } })
      expect(report && Usage.isValid(report.usage)).toBe(false)
    }
  })
})

describe("the stream of a response", () => {
  const delta = <Type extends OpenAI.Responses.ResponseStreamEvent["type"]>(type: Type, delta: string) => ({
    type,
    delta
  })

  it("has texts, reasoning and arguments of calls in its text, and no sound", () => {
    const reader = readAll(openAiResponses, [
      { type: "response.created", response: { ...answer, usage: null } },
      delta("response.reasoning_summary_text.delta", "Hm. "),
      delta("response.output_text.delta", "Hello"),
      { type: "response.output_text.done", text: "Hello" },
      delta("response.audio.delta", payload),
      delta("response.function_call_arguments.delta", '{"city":'),
      delta("response.function_call_arguments.delta", '"Bern"}')
    ])
    expect([reader.report, reader.isComplete, reader.text]).toEqual([undefined, false, 'Hm. Hello{"city":"Bern"}'])
  })

  it.each(["response.completed", "response.incomplete", "response.failed"])(
    "ends with %s, which reports usage",
    (type) => {
      const reader = readAll(openAiResponses, [{ type, response: answer }])
      expect([reader.report, reader.isComplete]).toEqual([reported, true])
    }
  )

  it("that failed before it cost anything is complete without a report", () => {
    const reader = readAll(openAiResponses, [{ type: "response.failed", response: { ...answer, usage: null } }])
    expect([reader.report, reader.isComplete]).toEqual([undefined, true])
  })
})
