/**
 * OpenAI's responses.
 */
import type * as Dialect from "../../Dialect.ts"
import * as framing from "../messageFraming.ts"
import { makeEventReader } from "./events.ts"
import * as Json from "./json.ts"
import * as OpenAi from "./openAi.ts"
import { count, makeReport } from "./report.ts"
import * as Request from "./request.ts"

const readRequest = (body: unknown, url: URL): Dialect.Call | undefined => {
  if (!Json.isObject(body)) return undefined
  const prompt = OpenAi.beginPrompt()
  const { input, instructions } = body
  const messages = [instructions, ...(typeof input === "string" ? [input] : Json.list(input))].filter(Json.isPresent)
  for (const message of messages) {
    prompt.addTokens(framing.tokensPerMessage)
    if (toolCalls.has(Json.field(message, "type"))) prompt.addTokens(framing.tokensPerToolCall)
    prompt.addContent(message)
  }
  OpenAi.addTools(prompt, body["tools"])
  prompt.addText(Json.field(Json.field(body["text"], "format"), "schema"))
  return Request.makeCall(prompt, {
    model: OpenAi.modelOf(body, url),
    maxOutputTokens: Request.amountOf(body["max_output_tokens"]),
    answers: 1,
    isStreamed: body["stream"] === true
  })
}

const toolCalls: ReadonlySet<unknown> = new Set(["function_call", "custom_tool_call", "mcp_call"])

const readAnswer = (body: unknown): Dialect.Report | undefined => {
  const usage = Json.field(body, "usage")
  const inputTokens = count(Json.field(usage, "input_tokens"))
  const outputTokens = count(Json.field(usage, "output_tokens"))
  if (inputTokens === undefined && outputTokens === undefined) return undefined
  const input = Json.field(usage, "input_tokens_details")
  return makeReport(
    {
      inputTokens,
      cacheReadTokens: count(Json.field(input, "cached_tokens")) ?? 0,
      cacheWriteTokens: count(Json.field(input, "cache_write_tokens")) ?? 0,
      outputTokens,
      reasoningTokens: count(Json.field(Json.field(usage, "output_tokens_details"), "reasoning_tokens")) ?? 0
    },
    Json.field(body, "model"),
    []
  )
}

const readEvents = (): Dialect.EventReader =>
  makeEventReader((event, progress) => {
    const type = Json.field(event, "type")
    if (writing.has(type)) return progress.write(Json.field(event, "delta"))
    if (!endings.has(type)) return
    progress.report = readAnswer(Json.field(event, "response"))
    progress.isComplete = true
  })

/** Events whose `delta` is text that the model has written. Others have encodings of sound in it. */
const writing: ReadonlySet<unknown> = new Set([
  "response.output_text.delta",
  "response.refusal.delta",
  "response.reasoning_text.delta",
  "response.reasoning_summary_text.delta",
  "response.function_call_arguments.delta",
  "response.custom_tool_call_input.delta",
  "response.mcp_call_arguments.delta",
  "response.code_interpreter_call_code.delta",
  "response.audio.transcript.delta"
])

const endings: ReadonlySet<unknown> = new Set(["response.completed", "response.incomplete", "response.failed"])

export const openAiResponses: Dialect.Dialect = {
  name: "openAiResponses",
  provider: "openai",
  speaks: (url) => Request.pathOf(url).endsWith("/responses"),
  readRequest,
  limitOutput: (body, maxOutputTokens) =>
    Json.isObject(body) ? { ...body, max_output_tokens: maxOutputTokens } : body,
  readAnswer,
  readEvents,
  readHeaders: OpenAi.readHeaders,
  readRetryAfter: () => undefined,
  writeRefusal: OpenAi.writeRefusal
}
