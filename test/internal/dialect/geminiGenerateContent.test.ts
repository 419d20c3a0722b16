import { describe, expect, it } from "vitest"
import { geminiGenerateContent } from "../../../src/Dialect.ts"
import * as Usage from "../../../src/Usage.ts"
import { readAll } from "../../support/events.ts"

const address = (method: string, model = "gemini-2.5-flash") =>
  new URL(`https://generativelanguage.googleapis.com/v1beta/models/${model}:${method}`)

const payload = "aGVsbG8=".repeat(10_000)

const tools = [{ functionDeclarations: [{ name: "weather", parameters: { type: "OBJECT" } }] }]

const everything = {
  systemInstruction: { parts: [{ text: "Be brief." }] },
  contents: [
    { role: "user", parts: [{ text: "Hello" }] },
    {
      role: "user",
      parts: [
        { text: "What is this?" },
        { inlineData: { mimeType: "image/png", data: payload } },
        { inlineData: { mimeType: "audio/mp3", data: payload } },
        { fileData: { mimeType: "image/jpeg", fileUri: "https://example.com/files/1" } },
        { fileData: { mimeType: "application/pdf", fileUri: "https://example.com/files/2" } }
      ]
    },
    {
      role: "model",
      parts: [
        { text: "Hm.", thought: true, thoughtSignature: payload },
        { functionCall: { name: "weather", args: { city: "Bern" } } },
        { executableCode: { language: "PYTHON", code: "print(1)" } },
        { codeExecutionResult: { outcome: "OUTCOME_OK", output: "1" } }
      ]
    },
    { role: "user", parts: [{ functionResponse: { name: "weather", response: { sky: "rain" } } }] }
  ],
  tools,
  generationConfig: { maxOutputTokens: 500, candidateCount: 2, responseSchema: { type: "OBJECT" } }
}

describe("a request for content", () => {
  const call = geminiGenerateContent.readRequest(everything, address("generateContent"))

  it("is read with everything that the model reads, in order", () => {
    expect(call).toEqual({
      operation: "chat",
      model: "gemini-2.5-flash",
      texts: [
        "Be brief.",
        "Hello",
        "What is this?",
        "Hm.",
        "weather",
        '{"city":"Bern"}',
        "print(1)",
        "1",
        "weather",
        '{"sky":"rain"}',
        JSON.stringify(tools),
        '{"type":"OBJECT"}'
      ],
      otherInputTokens: 5 * 5 + 2 * 258 + 2 * 1_920,
      maxOutputTokens: 500,
      answers: 2,
      isStreamed: false
    })
  })

  it("never has the encoding of an image or of a file, or a signature, among its texts", () => {
    expect(call?.texts.filter((text) => text.includes("aGVsbG8"))).toEqual([])
  })

  it("may be spelt with underscores", () => {
    const body = {
      system_instruction: { parts: [{ text: "Be brief." }] },
      contents: [{ parts: [{ inline_data: { mime_type: "image/png", data: payload } }] }],
      generation_config: { max_output_tokens: 500, candidate_count: 2, response_schema: { type: "OBJECT" } }
    }
    expect(geminiGenerateContent.readRequest(body, address("generateContent"))).toMatchObject({
      texts: ["Be brief.", '{"type":"OBJECT"}'],
      otherInputTokens: 2 * 5 + 258,
      maxOutputTokens: 500,
      answers: 2
    })
    expect(geminiGenerateContent.limitOutput(body, 50)).toEqual({
      ...body,
      generation_config: { ...body.generation_config, max_output_tokens: 50 }
    })
  })

  it("has its model and whether it is streamed in the path", () => {
    const vertex = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models"
    const url = new URL(`${vertex}/gemini-2.5-pro:streamGenerateContent?alt=sse`)
    expect(geminiGenerateContent.readRequest({}, url)).toMatchObject({ model: "gemini-2.5-pro", isStreamed: true })
    expect(geminiGenerateContent.readRequest({}, address("generateContent", "my%20model"))?.model).toBe("my model")
  })

  it("is limited in its configuration, which it need not have", () => {
    expect(geminiGenerateContent.limitOutput(everything, 50)).toEqual({
      ...everything,
      generationConfig: { ...everything.generationConfig, maxOutputTokens: 50 }
    })
    expect(geminiGenerateContent.limitOutput({ contents: [] }, 50)).toEqual({
      contents: [],
      generationConfig: { maxOutputTokens: 50 }
    })
    expect(geminiGenerateContent.limitOutput("text", 50)).toBe("text")
    expect(everything.generationConfig.maxOutputTokens).toBe(500)
  })
})

const usageMetadata = {
  promptTokenCount: 100,
  toolUsePromptTokenCount: 20,
  cachedContentTokenCount: 40,
  candidatesTokenCount: 60,
  thoughtsTokenCount: 30,
  totalTokenCount: 210,
  promptTokensDetails: [
    { modality: "TEXT", tokenCount: 95 },
    { modality: "AUDIO", tokenCount: 5 }
  ],
  toolUsePromptTokensDetails: [{ modality: "AUDIO", tokenCount: 1 }],
  cacheTokensDetails: [{ modality: "AUDIO", tokenCount: 2 }],
  candidatesTokensDetails: [
    { modality: "AUDIO", tokenCount: 7 },
    { modality: "IMAGE", tokenCount: 9 }
  ]
}

const reported = {
  usage: Usage.make({ inputTokens: 120, cacheReadTokens: 40, outputTokens: 90, reasoningTokens: 30 }),
  model: "gemini-2.5-flash",
  units: { input_audio_tokens: 6, cache_audio_read_tokens: 2, output_audio_tokens: 7, output_image_tokens: 9 }
}

const read = (usageMetadata: unknown) =>
  geminiGenerateContent.readAnswer({ modelVersion: "gemini-2.5-flash", usageMetadata })

describe("generated content", () => {
  it("reports its usage: thoughts are beside the candidates, and what tools found beside the prompt", () => {
    expect(read(usageMetadata)).toEqual(reported)
  })

  it("leaves out what is zero", () => {
    expect(read({ promptTokenCount: 10, thoughtsTokenCount: 5 })?.usage).toEqual(
      Usage.make({ inputTokens: 10, outputTokens: 5, reasoningTokens: 5 })
    )
  })

  it("reports nothing where it has no counts", () => {
    expect([undefined, null, {}, { trafficType: "ON_DEMAND" }, []].map(read)).toEqual(Array(5).fill(undefined))
  })

  it.each([
    { candidatesTokenCount: 60 },
    { ...usageMetadata, promptTokenCount: "100" },
    { ...usageMetadata, thoughtsTokenCount: -1 },
    { ...usageMetadata, candidatesTokenCount: 0.5 },
    { ...usageMetadata, cachedContentTokenCount: 121 },
    { ...usageMetadata, candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: 91 }] },
    { ...usageMetadata, promptTokensDetails: [{ modality: "AUDIO", tokenCount: "5" }] }
  ])("reports a usage that is refused where its usage makes no sense: %j", (nonsense) => {
    const report = read(nonsense)
    expect(report && Usage.isValid(report.usage)).toBe(false)
  })

  it("may be a list, which is a stream without alt=sse: the last chunk has it all", () => {
    const chunk = { modelVersion: "gemini-2.5-flash", usageMetadata }
    const first = { ...chunk, usageMetadata: { promptTokenCount: 100 } }
    expect(geminiGenerateContent.readAnswer([first, chunk, { candidates: [] }])).toEqual(reported)
    expect(geminiGenerateContent.readAnswer([])).toBeUndefined()
  })
})

describe("the stream of generated content", () => {
  const chunk = (parts: ReadonlyArray<unknown>, rest: object, finishReason?: string) => ({
    modelVersion: "gemini-2.5-flash",
    candidates: [{ content: { role: "model", parts }, finishReason }],
    ...rest
  })

  it("reports usage so far with every chunk, and all of it with the reason why it ends", () => {
    const soFar = { usageMetadata: { promptTokenCount: 120, candidatesTokenCount: 3 } }
    const reader = readAll(geminiGenerateContent, [chunk([{ text: "Hel" }], soFar)])
    expect([reader.report?.usage.outputTokens, reader.isComplete]).toEqual([3, false])
    reader.read(JSON.stringify(chunk([{ text: "lo" }], { usageMetadata }, "STOP")))
    expect([reader.report, reader.isComplete, reader.text]).toEqual([reported, true, "Hello"])
  })

  it("may report usage after the reason", () => {
    const reader = readAll(geminiGenerateContent, [chunk([], {}, "STOP")])
    expect([reader.report, reader.isComplete]).toEqual([undefined, false])
    reader.read(JSON.stringify({ modelVersion: "gemini-2.5-flash", usageMetadata }))
    expect([reader.report, reader.isComplete]).toEqual([reported, true])
  })

  it("is complete when the prompt was blocked", () => {
    const blocked = { promptFeedback: { blockReason: "SAFETY" }, usageMetadata: { promptTokenCount: 9 } }
    const reader = readAll(geminiGenerateContent, [blocked])
    expect([reader.report?.usage.inputTokens, reader.isComplete]).toEqual([9, true])
  })

  it("has calls of functions in its text, and no images", () => {
    const call = { functionCall: { name: "weather", args: { city: "Bern" } } }
    const image = { inlineData: { mimeType: "image/png", data: payload } }
    expect(readAll(geminiGenerateContent, [chunk([call, image], {})]).text).toBe('weather{"city":"Bern"}')
  })
})

describe("an error of Gemini", () => {
  const error = {
    code: 429,
    status: "RESOURCE_EXHAUSTED",
    details: [
      { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [] },
      { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34.074824224s" }
    ]
  }

  it("says in its body how long to wait", () => {
    const wait = 34_075
    expect([{ error }, [{ error }]].map((body) => geminiGenerateContent.readRetryAfter(body))).toEqual([wait, wait])
  })

  it("says nothing where that makes no sense", () => {
    const delays = ["soon", "-3s", 34, null]
    const bodies = [
      null,
      {},
      { error: { details: "34s" } },
      ...delays.map((retryDelay) => ({ error: { details: [{ retryDelay }] } }))
    ]
    expect(bodies.map((body) => geminiGenerateContent.readRetryAfter(body))).toEqual(Array(7).fill(undefined))
  })
})
