/**
 * OpenAI's chat completions, and those of everybody who speaks as it does.
 */
import type * as Dialect from "../../Dialect.ts"
import * as framing from "../messageFraming.ts"
import { makeEventReader } from "./events.ts"
import * as Json from "./json.ts"
import * as OpenAi from "./openAi.ts"
import { count, makeReport } from "./report.ts"
import * as Request from "./request.ts"

const isChat = (url: URL): boolean => Request.pathOf(url).endsWith("/chat/completions")

const readRequest = (body: unknown, url: URL): Dialect.Call | undefined => {
  if (!Json.isObject(body)) return undefined
  const prompt = OpenAi.beginPrompt()
  for (const message of Json.list(body["messages"])) {
    prompt.addTokens(framing.tokensPerMessage)
    if (Json.string(Json.field(message, "name")) !== undefined) prompt.addTokens(framing.tokensPerName)
    prompt.addTokens(framing.tokensPerToolCall * Json.list(Json.field(message, "tool_calls")).length)
    prompt.addContent(message)
  }
  OpenAi.addTools(prompt, body["tools"])
  OpenAi.addTools(prompt, body["functions"])
  prompt.addText(Json.field(body["response_format"], "json_schema"))
  return Request.makeCall(prompt, {
    model: OpenAi.modelOf(body, url),
    maxOutputTokens: Request.amountOf(Json.fieldOf(body, boundFields)),
    answers: Request.answersOf(body["n"]),
    isStreamed: body["stream"] === true
  })
}

const boundFields = ["max_completion_tokens", "max_tokens"]

const limitOutputIn =
  (absent: string): Dialect.Dialect["limitOutput"] =>
  (body, maxOutputTokens) =>
    Json.isObject(body) ? Request.withBound(body, boundFields, absent, maxOutputTokens) : body

/** Reads the usage of a whole answer, or of a chunk. */
const readAnswer = (body: unknown): Dialect.Report | undefined => {
  // Groq's last chunk keeps it in a field of its own.
  const usage = Json.field(body, "usage") ?? Json.field(Json.field(body, "x_groq"), "usage")
  const inputTokens = count(Json.field(usage, "prompt_tokens"))
  const outputTokens = count(Json.field(usage, "completion_tokens"))
  if (inputTokens === undefined && outputTokens === undefined) return undefined
  const input = Json.field(usage, "prompt_tokens_details")
  const output = Json.field(usage, "completion_tokens_details")
  const reasoningTokens = count(Json.field(output, "reasoning_tokens")) ?? 0
  // xAI counts reasoning beside the completion, not in it. The total tells.
  const isBeside =
    reasoningTokens > 0 &&
    count(Json.field(usage, "total_tokens")) === (inputTokens ?? 0) + (outputTokens ?? 0) + reasoningTokens
  return makeReport(
    {
      inputTokens,
      cacheReadTokens: count(Json.field(input, "cached_tokens")) ?? 0,
      cacheWriteTokens: count(Json.field(input, "cache_write_tokens")) ?? 0,
      outputTokens: isBeside ? (outputTokens ?? 0) + reasoningTokens : outputTokens,
      reasoningTokens
    },
    Json.field(body, "model"),
    [
      { name: "input_audio_tokens", count: count(Json.field(input, "audio_tokens")), total: inputTokens },
      { name: "output_audio_tokens", count: count(Json.field(output, "audio_tokens")), total: outputTokens }
    ]
  )
}

const readEvents = (): Dialect.EventReader =>
  makeEventReader((chunk, progress) => {
    const choices = Json.list(Json.field(chunk, "choices"))
    for (const choice of choices) {
      const delta = Json.field(choice, "delta")
      for (const name of writtenFields) progress.write(Json.field(delta, name))
      for (const call of Json.list(Json.field(delta, "tool_calls"))) {
        const named = Json.field(call, "function") ?? Json.field(call, "custom")
        for (const name of writtenInCalls) progress.write(Json.field(named, name))
      }
    }
    const report = readAnswer(chunk)
    if (report === undefined) return
    progress.report = report
    // Usage comes last, after all choices or with the end of them; vLLM and xAI also send it with every chunk.
    progress.isComplete = choices.every((choice) => Json.isPresent(Json.field(choice, "finish_reason")))
  })

// Reasoning is named by DeepSeek and by OpenRouter. OpenAI does not show it.
const writtenFields = ["content", "refusal", "reasoning_content", "reasoning"]

const writtenInCalls = ["name", "arguments", "input"]

export const openAiChat: Dialect.Dialect = {
  name: "openAiChat",
  provider: "openai",
  speaks: (url) => OpenAi.isOpenAiHost(url) && isChat(url),
  readRequest,
  limitOutput: limitOutputIn("max_completion_tokens"),
  readAnswer,
  readEvents,
  readHeaders: OpenAi.readHeaders,
  readRetryAfter: () => undefined,
  writeRefusal: OpenAi.writeRefusal
}

export const openAiCompatible: Dialect.Dialect = {
  ...openAiChat,
  name: "openAiCompatible",
  provider: undefined,
  speaks: isChat,
  // The older name: many servers know no other.
  limitOutput: limitOutputIn("max_tokens")
}
