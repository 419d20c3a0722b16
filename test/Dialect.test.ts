import Anthropic, { RateLimitError as AnthropicRateLimitError } from "@anthropic-ai/sdk"
import OpenAI, { RateLimitError as OpenAiRateLimitError } from "openai"
import { describe, expect, it } from "vitest"
import * as Dialect from "../src/Dialect.ts"
import * as Usage from "../src/Usage.ts"
import { forEachSeed, type Random } from "./support/random.ts"

describe("finding the dialect of an address", () => {
  it.each([
    ["https://api.openai.com/v1/chat/completions", "openAiChat"],
    ["https://eu.api.openai.com/v1/chat/completions/", "openAiChat"],
    ["https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21", "openAiChat"],
    ["https://x.openai.azure.com/openai/v1/chat/completions", "openAiChat"],
    ["https://api.groq.com/openai/v1/chat/completions", "openAiCompatible"],
    ["https://notapi.openai.com.evil.example/v1/chat/completions", "openAiCompatible"],
    ["https://myapi.openai.com/v1/chat/completions", "openAiCompatible"],
    ["https://generativelanguage.googleapis.com/v1beta/openai/chat/completions", "openAiCompatible"],
    ["http://localhost:4010/chat/completions", "openAiCompatible"],
    ["https://api.openai.com/v1/responses", "openAiResponses"],
    ["https://x.openai.azure.com/openai/v1/responses", "openAiResponses"],
    ["https://gateway.example/openai/responses", "openAiResponses"],
    ["https://api.mistral.ai/v1/embeddings", "openAiEmbeddings"],
    ["https://api.anthropic.com/v1/messages?beta=true", "anthropicMessages"],
    ["https://gateway.example/anthropic/v1/messages", "anthropicMessages"],
    [
      "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
      "geminiGenerateContent"
    ],
    ["http://localhost/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "geminiGenerateContent"]
  ])("%s speaks %s", (address, name) => {
    expect(Dialect.of(new URL(address))?.name).toBe(name)
  })

  it.each([
    "https://api.openai.com/v1/models",
    "https://api.openai.com/v1/chat/completions/chatcmpl-1",
    "https://api.openai.com/v1/responses/resp_1/cancel",
    "https://api.openai.com/v1/threads/thread_1/messages",
    "https://api.anthropic.com/v1/messages/count_tokens",
    "https://api.anthropic.com/v1/messages/batches",
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:countTokens",
    "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:batchGenerateContent"
  ])("%s speaks none", (address) => {
    expect(Dialect.of(new URL(address))).toBeUndefined()
  })

  it("asks the given dialects in their order", () => {
    const url = new URL("https://api.openai.com/v1/chat/completions")
    expect(Dialect.of(url, [Dialect.openAiCompatible, Dialect.openAiChat])).toBe(Dialect.openAiCompatible)
    expect(Dialect.of(url, [])).toBeUndefined()
  })
})

describe("a refusal", () => {
  const answering = (body: unknown) => ({
    apiKey: "none",
    maxRetries: 0,
    fetch: async () => Response.json(body, { status: 429 })
  })

  it("is read by OpenAI's SDK as its own", async () => {
    const client = new OpenAI(answering(Dialect.openAiChat.writeRefusal("The budget is spent.")))
    const error = await client.chat.completions.create({ model: "m", messages: [] }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(OpenAiRateLimitError)
    expect(error).toMatchObject({ message: "429 The budget is spent.", code: "rate_limit_exceeded" })
  })

  it("is read by Anthropic's SDK as its own", async () => {
    const client = new Anthropic(answering(Dialect.anthropicMessages.writeRefusal("The budget is spent.")))
    const error = await client.messages
      .create({ model: "m", max_tokens: 1, messages: [] })
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(AnthropicRateLimitError)
    expect(error).toMatchObject({ apiMessage: "The budget is spent.", type: "rate_limit_error" })
  })

  it("has the shape of Google's errors", () => {
    expect(Dialect.geminiGenerateContent.writeRefusal("The budget is spent.")).toEqual({
      error: { code: 429, message: "The budget is spent.", status: "RESOURCE_EXHAUSTED" }
    })
  })
})

/** How each dialect writes a usage in its answers, as its provider does. */
const writers: Readonly<Record<string, (usage: Usage.Usage) => unknown>> = {
  openAiChat: (usage) => ({
    usage: {
      prompt_tokens: usage.inputTokens,
      completion_tokens: usage.outputTokens,
      total_tokens: usage.inputTokens + usage.outputTokens,
      prompt_tokens_details: { cached_tokens: usage.cacheReadTokens, cache_write_tokens: usage.cacheWriteTokens },
      completion_tokens_details: { reasoning_tokens: usage.reasoningTokens }
    } satisfies OpenAI.CompletionUsage
  }),
  openAiResponses: (usage) => ({
    usage: {
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
      total_tokens: usage.inputTokens + usage.outputTokens,
      input_tokens_details: { cached_tokens: usage.cacheReadTokens, cache_write_tokens: usage.cacheWriteTokens },
      output_tokens_details: { reasoning_tokens: usage.reasoningTokens }
    } satisfies OpenAI.Responses.ResponseUsage
  }),
  anthropicMessages: (usage) => ({
    usage: {
      input_tokens: usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens,
      cache_read_input_tokens: usage.cacheReadTokens,
      cache_creation_input_tokens: usage.cacheWriteTokens,
      cache_creation: { ephemeral_1h_input_tokens: usage.cacheWriteTokens, ephemeral_5m_input_tokens: 0 },
      output_tokens: usage.outputTokens,
      output_tokens_details: { thinking_tokens: usage.reasoningTokens },
      server_tool_use: null,
      inference_geo: null,
      service_tier: null,
      speed: null
    } satisfies Anthropic.Usage
  }),
  geminiGenerateContent: (usage) => {
    const toolUse = Math.floor((usage.inputTokens - usage.cacheReadTokens) / 3)
    return {
      usageMetadata: {
        promptTokenCount: usage.inputTokens - toolUse,
        // As protocol buffers do, which leave out what is zero.
        ...(toolUse > 0 && { toolUsePromptTokenCount: toolUse }),
        ...(usage.cacheReadTokens > 0 && { cachedContentTokenCount: usage.cacheReadTokens }),
        ...(usage.outputTokens > usage.reasoningTokens && {
          candidatesTokenCount: usage.outputTokens - usage.reasoningTokens
        }),
        ...(usage.reasoningTokens > 0 && { thoughtsTokenCount: usage.reasoningTokens }),
        totalTokenCount: usage.inputTokens + usage.outputTokens
      }
    }
  }
}

const randomUsage = (random: Random, hasCacheWrites: boolean): Usage.Usage => {
  const parts = Array.from({ length: 5 }, () => (random.chance(0.3) ? 0 : random.magnitude(1, 1_000_000)))
  const [uncached = 0, cacheReadTokens = 0, written = 0, reasoningTokens = 0, shown = 0] = parts
  const cacheWriteTokens = hasCacheWrites ? written : 0
  return Usage.make({
    inputTokens: uncached + cacheReadTokens + cacheWriteTokens,
    cacheReadTokens,
    cacheWriteTokens,
    outputTokens: reasoningTokens + shown,
    reasoningTokens
  })
}

describe("a usage that a provider writes", () => {
  it.each(Object.entries(writers))("is read back as it was: %s", (name, write) =>
    forEachSeed({ name: `usage of ${name}`, runs: 2_000 }, (random) => {
      const dialect = Dialect.all.find((dialect) => dialect.name === name)
      const usage = randomUsage(random, name !== "geminiGenerateContent")
      const answer = write(usage)
      random.note(answer)
      const read = dialect?.readAnswer(answer)?.usage
      expect(read).toEqual(usage)
      expect(read && Usage.isValid(read)).toBe(true)
    })
  )
})

/** Names that dialects look for, and some that nobody does. */
const names = `
  model messages content role name text type tool_calls function arguments input instructions output
  summary tools functions response_format json_schema n max_tokens max_completion_tokens
  max_output_tokens system source thinking output_config format schema contents parts generationConfig
  maxOutputTokens candidateCount inlineData functionCall usage prompt_tokens completion_tokens
  prompt_tokens_details input_tokens output_tokens usageMetadata promptTokenCount candidatesTokenCount
  promptTokensDetails modality tokenCount choices delta message response candidates error details
  retryDelay __proto__ zzz`.split(/\s+/)

const strings = `
  user image image_url text base64 message_start message_delta content_block_delta response.completed
  response.output_text.delta function_call AUDIO 34s text/plain [DONE]`.split(/\s+/)

const randomJson = (random: Random, depth: number): unknown => {
  const kinds = { object: depth > 0 ? 6 : 0, list: depth > 0 ? 3 : 0, string: 2, number: 2, other: 1 }
  switch (random.weighted(kinds)) {
    case "object":
      return Object.fromEntries(
        Array.from({ length: random.int(0, 8) }, () => [random.pick(names), randomJson(random, depth - 1)])
      )
    case "list":
      return Array.from({ length: random.int(0, 3) }, () => randomJson(random, depth - 1))
    case "string":
      return random.pick(strings)
    case "number":
      return random.pick([0, 1, -1, 1.5, 1e300, random.int(0, 1_000)])
    case "other":
      return random.pick([null, true, false])
  }
}

describe("whatever is sent", () => {
  const url = new URL("https://api.openai.com/v1/chat/completions")
  const isWhole = (amount: number) => Number.isSafeInteger(amount) && amount >= 0

  it.each(Dialect.all)("$name throws at nothing, and never counts what is no amount", (dialect) =>
    forEachSeed({ name: `random JSON to ${dialect.name}`, runs: 1_000 }, (random) => {
      const body = randomJson(random, 5)
      random.note(JSON.stringify(body))
      const before = JSON.stringify(body)
      const call = dialect.readRequest(body, url)
      if (call !== undefined) {
        const { answers, maxOutputTokens = 0, otherInputTokens, texts } = call
        expect([answers, maxOutputTokens, otherInputTokens].every(isWhole)).toBe(true)
        expect(texts.every((text) => typeof text === "string")).toBe(true)
        const limited = dialect.readRequest(dialect.limitOutput(body, 7), url)
        expect(limited).toEqual(call.operation === "embeddings" ? call : { ...call, maxOutputTokens: 7 })
      }
      dialect.readRetryAfter(body)
      const report = dialect.readAnswer(body)
      if (report !== undefined && Usage.isValid(report.usage)) {
        expect(Object.values(report.units).every(isWhole)).toBe(true)
      }
      const reader = dialect.readEvents()
      for (let event = 0; event < 3; event++) reader.read(JSON.stringify(randomJson(random, 5)))
      expect(typeof reader.text).toBe("string")
      expect(JSON.stringify(body)).toBe(before)
    })
  )

  it.each(Dialect.all)("$name stands nesting without end, and cycles", (dialect) => {
    let deep: unknown = "text"
    for (let depth = 0; depth < 100_000; depth++)
      deep = depth % 2 ? [deep] : { [depth % 4 ? "content" : "parts"]: deep }
    const cycle: Record<string, unknown> = { text: {} }
    cycle["content"] = cycle
    cycle["text"] = cycle
    for (const messages of [[deep], [cycle]]) {
      const body = { messages, input: messages, contents: messages, system: messages, tools: messages }
      dialect.readRequest(body, url)
      dialect.readAnswer(body)
      dialect.limitOutput(body, 7)
    }
  })
})
