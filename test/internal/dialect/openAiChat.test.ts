import type OpenAI from "openai"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { openAiChat, openAiCompatible } from "../../../src/Dialect.ts"
import * as TokenCounter from "../../../src/TokenCounter.ts"
import * as Usage from "../../../src/Usage.ts"
import { readAll } from "../../support/events.ts"
import { forEachSeed } from "../../support/random.ts"

const url = new URL("https://api.openai.com/v1/chat/completions")

const payload = "aGVsbG8=".repeat(10_000)

const weather = {
  type: "function",
  function: { name: "weather", description: "The weather", parameters: { type: "object", properties: {} } }
} satisfies OpenAI.Chat.ChatCompletionTool

const everything = {
  model: "gpt-4o",
  messages: [
    { role: "developer", content: "Be brief." },
    { role: "user", name: "ada", content: "Hello" },
    {
      role: "user",
      content: [
        { type: "text", text: "What is this?" },
        { type: "image_url", image_url: { url: `data:image/png;base64,${payload}`, detail: "low" } },
        { type: "image_url", image_url: { url: `data:image/png;base64,${payload}`, detail: "high" } },
        { type: "input_audio", input_audio: { data: payload, format: "wav" } },
        { type: "file", file: { file_data: payload, filename: "a.pdf" } }
      ]
    },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Bern"}' } }]
    },
    { role: "tool", tool_call_id: "call_1", content: [{ type: "text", text: "Rain" }] },
    { role: "assistant", content: [{ type: "refusal", refusal: "No." }] }
  ],
  tools: [weather],
  response_format: { type: "json_schema", json_schema: { name: "answer", schema: { type: "object" } } },
  max_completion_tokens: 500,
  n: 2,
  stream: true,
  stream_options: { include_usage: true }
} satisfies OpenAI.Chat.ChatCompletionCreateParams

describe("a request for chat completions", () => {
  const call = openAiChat.readRequest(everything, url)

  it("is read with everything that the model reads, in order", () => {
    expect(call).toEqual({
      operation: "chat",
      model: "gpt-4o",
      texts: [
        "developer",
        "Be brief.",
        "user",
        "ada",
        "Hello",
        "user",
        "What is this?",
        "assistant",
        "weather",
        '{"city":"Bern"}',
        "tool",
        "Rain",
        "assistant",
        "No.",
        JSON.stringify([weather]),
        JSON.stringify(everything.response_format.json_schema)
      ],
      otherInputTokens: 3 + 6 * 3 + 1 + 8 + (85 + 3 * 1_445) + (12 + 7),
      maxOutputTokens: 500,
      answers: 2,
      isStreamed: true
    })
  })

  it("never has the encoding of an image, of audio or of a file among its texts", () => {
    expect(call?.texts.filter((text) => text.includes("aGVsbG8"))).toEqual([])
  })

  it("counts as TokenCounter.countMessages says", () =>
    forEachSeed({ name: "chat counts as messages", runs: 200 }, async (random) => {
      const text = () => random.pick(["Hello, world!", "予算", "", "{}", "one two three"])
      const messages = Array.from({ length: random.int(0, 5) }, (): TokenCounter.Message => ({
        role: random.pick(["system", "user", "assistant"]),
        content: random.pick([text(), null, [{ type: "text", text: text() }, { type: "input_audio" }]]),
        ...(random.chance(0.3) ? { name: "ada" } : {}),
        ...(random.chance(0.3)
          ? {
              tool_calls: [
                { type: "function", function: { name: "f", arguments: text() } },
                { type: "custom", custom: { name: "c", input: text() } }
              ]
            }
          : {})
      }))
      random.note(messages)
      const read = openAiChat.readRequest({ messages }, url)
      const counted = TokenCounter.TokenCounter.use((counter) => counter.countMessages(messages))
      const expected = await Effect.runPromise(Effect.provide(counted, TokenCounter.layerHeuristic))
      const texts = read?.texts ?? []
      expect(texts.reduce((sum, each) => sum + TokenCounter.estimate(each), read?.otherInputTokens ?? 0)).toBe(expected)
    }))

  it("bounds its output by max_tokens where it has no max_completion_tokens", () => {
    const boundOf = (body: unknown) => openAiChat.readRequest(body, url)?.maxOutputTokens
    expect(boundOf({ max_tokens: 7 })).toBe(7)
    expect(boundOf({ max_tokens: 7, max_completion_tokens: 8 })).toBe(8)
    expect(boundOf({ max_tokens: 7, max_completion_tokens: null })).toBe(7)
    for (const nonsense of [null, "7", -1, 1.5, Number.NaN, {}])
      expect(boundOf({ max_tokens: nonsense })).toBeUndefined()
  })

  it("asks for one answer unless it says otherwise", () => {
    const answersOf = (n: unknown) => openAiChat.readRequest({ n }, url)?.answers
    expect([undefined, null, 0, -1, "3", 1.5, 4].map(answersOf)).toEqual([1, 1, 1, 1, 1, 1, 4])
  })

  it("names the deployment as its model on Azure", () => {
    const azure = new URL("https://x.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=1")
    expect(openAiChat.readRequest({ messages: [] }, azure)?.model).toBe("my gpt")
    expect(openAiChat.readRequest({ model: "gpt-4o" }, azure)?.model).toBe("gpt-4o")
    expect(
      openAiChat.readRequest({}, new URL("https://x.openai.azure.com/openai/deployments/%zz/chat/completions"))?.model
    ).toBe("%zz")
    expect(openAiChat.readRequest({}, url)?.model).toBe("")
  })

  it("counts the functions of old requests as tools", () => {
    const functions = [{ name: "f", parameters: {} }]
    expect(openAiChat.readRequest({ functions }, url)).toMatchObject({
      texts: [JSON.stringify(functions)],
      otherInputTokens: 3 + 12 + 7
    })
  })
})

describe("limiting the output of chat completions", () => {
  it("uses the field that the request uses, and touches no other", () => {
    const old = { model: "m", max_tokens: 900, messages: [{ role: "user" }] }
    expect(openAiChat.limitOutput(old, 50)).toEqual({ ...old, max_tokens: 50 })
    expect(openAiChat.limitOutput(everything, 50)).toEqual({ ...everything, max_completion_tokens: 50 })
    expect([old.max_tokens, everything.max_completion_tokens]).toEqual([900, 500])
  })

  it("uses the current field where the request has none, and the older one for compatible servers", () => {
    expect(openAiChat.limitOutput({ max_tokens: null }, 50)).toEqual({ max_tokens: null, max_completion_tokens: 50 })
    expect(openAiCompatible.limitOutput({}, 50)).toEqual({ max_tokens: 50 })
    expect(openAiCompatible.limitOutput({ max_completion_tokens: 9 }, 50)).toEqual({ max_completion_tokens: 50 })
  })

  it("leaves what is no request as it is", () => {
    expect(["text", null, [1]].map((body) => openAiChat.limitOutput(body, 50))).toEqual(["text", null, [1]])
  })
})

const usage = {
  prompt_tokens: 100,
  completion_tokens: 60,
  total_tokens: 160,
  prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 10, audio_tokens: 5 },
  completion_tokens_details: { reasoning_tokens: 30, audio_tokens: 7 }
} satisfies OpenAI.CompletionUsage

const reported = {
  usage: Usage.make({
    inputTokens: 100,
    cacheReadTokens: 40,
    cacheWriteTokens: 10,
    outputTokens: 60,
    reasoningTokens: 30
  }),
  model: "gpt-4o-2024-08-06",
  units: { input_audio_tokens: 5, output_audio_tokens: 7 }
}

describe("the answer of chat completions", () => {
  const read = (usage: unknown) => openAiChat.readAnswer({ model: "gpt-4o-2024-08-06", usage })

  it("reports its usage, cached input and reasoning included", () => {
    const answer = {
      id: "1",
      object: "chat.completion",
      created: 1,
      model: "gpt-4o-2024-08-06",
      choices: [],
      usage
    } satisfies OpenAI.Chat.ChatCompletion
    expect(openAiChat.readAnswer(answer)).toEqual(reported)
  })

  it("reports nothing where it has no usage", () => {
    expect([undefined, null, {}, [], "12", { total_tokens: 3 }].map(read)).toEqual(Array(6).fill(undefined))
  })

  it.each([
    { ...usage, prompt_tokens: "100" },
    { ...usage, prompt_tokens: undefined },
    { ...usage, completion_tokens: null },
    { ...usage, completion_tokens: -1 },
    { ...usage, completion_tokens: 1.5 },
    { ...usage, prompt_tokens_details: { cached_tokens: 101 } },
    { ...usage, prompt_tokens_details: { cached_tokens: "40" } },
    { ...usage, prompt_tokens_details: { audio_tokens: 101 } },
    { ...usage, prompt_tokens_details: { audio_tokens: {} } },
    { ...usage, prompt_tokens_details: { audio_tokens: -1 } },
    { ...usage, prompt_tokens_details: { audio_tokens: 0.5 } },
    { ...usage, completion_tokens_details: { reasoning_tokens: 61 } }
  ])("reports a usage that is refused where its usage makes no sense: %j", (nonsense) => {
    const report = read(nonsense)
    expect(report && Usage.isValid(report.usage)).toBe(false)
  })

  it("of xAI has its reasoning beside the completion", () => {
    const report = openAiCompatible.readAnswer({
      usage: {
        prompt_tokens: 10_120,
        completion_tokens: 1_499,
        total_tokens: 14_428,
        completion_tokens_details: { reasoning_tokens: 2_809 }
      }
    })
    expect(report?.usage).toMatchObject({ outputTokens: 4_308, reasoningTokens: 2_809 })
  })
})

describe("the stream of chat completions", () => {
  const chunk = (choices: ReadonlyArray<unknown>, usage?: unknown) => ({ model: "gpt-4o-2024-08-06", choices, usage })
  const choice = (delta: OpenAI.Chat.ChatCompletionChunk.Choice.Delta, finish_reason: string | null = null) => ({
    index: 0,
    delta,
    finish_reason
  })

  it("reports usage in a last chunk without choices", () => {
    const reader = readAll(openAiChat, [
      { ...chunk([]), prompt_filter_results: [] },
      chunk([choice({ role: "assistant", content: "" })], null),
      chunk([choice({ content: "Hel" })], null),
      chunk([choice({ content: "lo" })], null),
      chunk([choice({}, "stop")], null)
    ])
    expect([reader.report, reader.isComplete, reader.text]).toEqual([undefined, false, "Hello"])
    reader.read(JSON.stringify(chunk([], usage)))
    expect([reader.report, reader.isComplete]).toEqual([reported, true])
  })

  it("may report usage with the last choice, as some compatible providers do", () => {
    const reader = readAll(openAiCompatible, [chunk([choice({ content: "Hi" }, "stop")], usage)])
    expect([reader.report, reader.isComplete]).toEqual([reported, true])
  })

  it("may report usage so far with every chunk; it is complete with the last", () => {
    const reader = readAll(openAiCompatible, [
      chunk([choice({ content: "Hi" })], { ...usage, completion_tokens: 30, total_tokens: 130 })
    ])
    expect([reader.report?.usage.outputTokens, reader.isComplete]).toEqual([30, false])
    reader.read(JSON.stringify(chunk([choice({}, "stop")], usage)))
    expect([reader.report?.usage.outputTokens, reader.isComplete]).toEqual([60, true])
  })

  it("of Groq has its usage in a field of its own", () => {
    const last = { ...chunk([choice({}, "stop")]), x_groq: { id: "1", usage } }
    expect(readAll(openAiCompatible, [last]).report).toEqual(reported)
  })

  it("that reports no usage is complete when it says so", () => {
    const reader = readAll(openAiChat, [chunk([choice({ content: "Hi" }, "stop")]), "[DONE]"])
    expect([reader.report, reader.isComplete, reader.text]).toEqual([undefined, true, "Hi"])
  })

  it("has reasoning, refusals and the calls of tools in its text", () => {
    const reader = readAll(openAiCompatible, [
      chunk([{ delta: { reasoning_content: "Hm. " } }]),
      chunk([choice({ tool_calls: [{ index: 0, function: { name: "weather", arguments: "" } }] })]),
      chunk([choice({ tool_calls: [{ index: 0, function: { arguments: '{"city"' } }] })]),
      chunk([choice({ tool_calls: [{ index: 0, function: { arguments: ':"Bern"}' } }] })]),
      chunk([choice({ refusal: " No." })])
    ])
    expect(reader.text).toBe('Hm. weather{"city":"Bern"} No.')
    expect(reader.text).toBe('Hm. weather{"city":"Bern"} No.')
  })

  it("passes over what it does not understand", () => {
    const reader = readAll(openAiChat, ["", "{", "null", "[1]", '"text"', { choices: {} }, { choices: [null, 1, {}] }])
    expect([reader.report, reader.isComplete, reader.text]).toEqual([undefined, false, ""])
  })
})
