import type OpenAI from "openai"
import { describe, expect, it } from "vitest"
import { openAiEmbeddings } from "../../../src/Dialect.ts"
import * as Usage from "../../../src/Usage.ts"

const url = new URL("https://api.openai.com/v1/embeddings")

const read = (input: OpenAI.EmbeddingCreateParams["input"]) =>
  openAiEmbeddings.readRequest({ model: "text-embedding-3-small", input } satisfies OpenAI.EmbeddingCreateParams, url)

describe("a request for embeddings", () => {
  it("has the texts of its input, and no output", () => {
    expect(read("Hello")).toEqual({
      operation: "embeddings",
      model: "text-embedding-3-small",
      texts: ["Hello"],
      otherInputTokens: 0,
      maxOutputTokens: 0,
      answers: 1,
      isStreamed: false
    })
    expect(read(["Hello", "world"])?.texts).toEqual(["Hello", "world"])
  })

  it("counts token ids one each", () => {
    expect([read([9906, 11]), read([[9906], [1, 2, 3]])]).toMatchObject([
      { texts: [], otherInputTokens: 2 },
      { texts: [], otherInputTokens: 4 }
    ])
  })

  it("has no output to limit", () => {
    const body = { model: "m", input: "x" }
    expect(openAiEmbeddings.limitOutput(body, 5)).toEqual(body)
  })
})

describe("the answer with embeddings", () => {
  const answer = {
    object: "list",
    data: [],
    model: "text-embedding-3-small",
    usage: { prompt_tokens: 8, total_tokens: 8 }
  } satisfies OpenAI.CreateEmbeddingResponse

  it("reports its input", () => {
    expect(openAiEmbeddings.readAnswer(answer)).toEqual({
      usage: Usage.make({ inputTokens: 8 }),
      model: "text-embedding-3-small",
      units: {}
    })
  })

  it("reports nothing without usage, and a usage that is refused where it makes no sense", () => {
    expect(openAiEmbeddings.readAnswer({ ...answer, usage: {} })).toBeUndefined()
    const report = openAiEmbeddings.readAnswer({ ...answer, usage: { prompt_tokens: "8" } })
    expect(report && Usage.isValid(report.usage)).toBe(false)
  })

  it("is never streamed", () => {
    const reader = openAiEmbeddings.readEvents()
    reader.read(JSON.stringify(answer))
    expect([reader.report, reader.isComplete, reader.text]).toEqual([undefined, false, ""])
  })
})
