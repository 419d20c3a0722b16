/**
 * Anthropic's messages.
 */
import type * as Dialect from "../../Dialect.ts"
import { makeEventReader } from "./events.ts"
import { headersReader, type LimitHeaders } from "./headers.ts"
import * as Json from "./json.ts"
import { type Grammar, Prompt } from "./prompt.ts"
import { count, makeReport } from "./report.ts"
import * as Request from "./request.ts"

// https://platform.claude.com/docs/en/build-with-claude/vision: width * height / 750, and an image that would cost more
// than about 1,600 is scaled down. The size is inside the encoding, and only there.
const TOKENS_PER_IMAGE = 1_600

// https://platform.claude.com/docs/en/build-with-claude/pdf-support: a page costs up to 3,000 as text, and as an image.
const TOKENS_PER_DOCUMENT = 3_000 + TOKENS_PER_IMAGE

// Anthropic documents none. These exceed by a little what the example of its page on token counting adds to its texts:
// "Hello, Claude" after "You are a scientist" counts 14.
const TOKENS_PER_MESSAGE = 4
const TOKENS_PER_REPLY = 4

// Not documented either: the markers around the name and the input of a call.
const TOKENS_PER_TOOL_CALL = 8

// https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing: the system prompt that comes with
// tools counts 286 to 589, by model and `tool_choice`. (804 for Opus 4.7.)
const TOKENS_FOR_TOOLS = 589

const grammar: Grammar = {
  texts: ["text", "thinking", "name", "input", "title", "context", "stdout", "stderr"],
  parts: ["content", "source"],
  addOther: (part, prompt) => {
    const type = part["type"]
    if (type === "tool_use") prompt.addTokens(TOKENS_PER_TOOL_CALL)
    const tokens = typeof type === "string" ? mediaTokens.get(type) : undefined
    if (tokens !== undefined) prompt.addTokens(tokens)
    else if (type === "text" && part["media_type"] === "text/plain") prompt.addText(part["data"])
    else return false
    return true
  },
  tokensPerUnknownPart: TOKENS_PER_IMAGE
}

/** Parts by their type; `base64`, `url` and `file` are the sources of documents. */
const mediaTokens: ReadonlyMap<string, number> = new Map([
  ["image", TOKENS_PER_IMAGE],
  ["base64", TOKENS_PER_DOCUMENT],
  ["url", TOKENS_PER_DOCUMENT],
  ["file", TOKENS_PER_DOCUMENT],
  ["redacted_thinking", 0]
])

const readRequest = (body: unknown): Dialect.Call | undefined => {
  if (!Json.isObject(body)) return undefined
  const prompt = new Prompt(grammar)
  prompt.addTokens(TOKENS_PER_REPLY)
  const messages = Json.list(body["messages"]).map((message) => Json.field(message, "content"))
  for (const content of [body["system"], ...messages].filter(Json.isPresent)) {
    prompt.addTokens(TOKENS_PER_MESSAGE)
    prompt.addContent(content)
  }
  const { tools } = body
  if (Json.list(tools).length > 0) {
    prompt.addText(tools)
    prompt.addTokens(TOKENS_FOR_TOOLS)
  }
  const format = Json.field(body["output_config"], "format") ?? body["output_format"]
  prompt.addText(Json.field(format, "schema"))
  return Request.makeCall(prompt, {
    model: Json.string(body["model"]) ?? "",
    maxOutputTokens: Request.amountOf(body["max_tokens"]),
    answers: 1,
    isStreamed: body["stream"] === true
  })
}

const readUsage = (usage: unknown, model: unknown): Dialect.Report | undefined => {
  const uncachedTokens = count(Json.field(usage, "input_tokens"))
  const outputTokens = count(Json.field(usage, "output_tokens"))
  if (uncachedTokens === undefined && outputTokens === undefined) return undefined
  const cacheReadTokens = count(Json.field(usage, "cache_read_input_tokens")) ?? 0
  const cacheWriteTokens = count(Json.field(usage, "cache_creation_input_tokens")) ?? 0
  const written1h = count(Json.field(Json.field(usage, "cache_creation"), "ephemeral_1h_input_tokens"))
  const searches = count(Json.field(Json.field(usage, "server_tool_use"), "web_search_requests"))
  return makeReport(
    {
      // Here, and nowhere else, the input is without what was read from the cache and written to it.
      inputTokens: (uncachedTokens ?? Number.NaN) + cacheReadTokens + cacheWriteTokens,
      cacheReadTokens,
      cacheWriteTokens,
      outputTokens,
      reasoningTokens: count(Json.field(Json.field(usage, "output_tokens_details"), "thinking_tokens")) ?? 0
    },
    model,
    [
      { name: "cache_write_1h_tokens", count: written1h, total: cacheWriteTokens },
      { name: "web_searches", count: searches, total: undefined }
    ]
  )
}

const readEvents = (): Dialect.EventReader => {
  let model: unknown
  let usage: Json.JsonObject = {}
  return makeEventReader((event, progress) => {
    switch (Json.field(event, "type")) {
      case "content_block_start":
        return progress.write(Json.field(Json.field(event, "content_block"), "name"))
      case "content_block_delta": {
        const delta = Json.field(event, "delta")
        for (const name of writtenFields) progress.write(Json.field(delta, name))
        return
      }
      case "message_start": {
        const message = Json.field(event, "message")
        model = Json.field(message, "model")
        usage = presentIn(Json.field(message, "usage"))
        break
      }
      case "message_delta":
        // Its counts are those of the whole message so far. Where it leaves one out, the first still holds.
        usage = { ...usage, ...presentIn(Json.field(event, "usage")) }
        break
      case "message_stop":
        progress.isComplete = true
        return
      default:
        return
    }
    progress.report = readUsage(usage, model)
  })
}

const writtenFields = ["text", "partial_json", "thinking"]

const presentIn = (usage: unknown): Json.JsonObject =>
  Json.isObject(usage) ? Object.fromEntries(Object.entries(usage).filter(([, value]) => Json.isPresent(value))) : {}

const limitHeaders = (meter: LimitHeaders["meter"], name: string): LimitHeaders => ({
  meter,
  limit: `anthropic-ratelimit-${name}-limit`,
  remaining: `anthropic-ratelimit-${name}-remaining`,
  reset: `anthropic-ratelimit-${name}-reset`
})

export const limits: ReadonlyArray<LimitHeaders> = [
  limitHeaders("requests", "requests"),
  limitHeaders("tokens", "tokens"),
  // What is read from the cache does not count towards it.
  limitHeaders("uncachedInputTokens", "input-tokens"),
  limitHeaders("outputTokens", "output-tokens")
]

export const anthropicMessages: Dialect.Dialect = {
  name: "anthropicMessages",
  provider: "anthropic",
  speaks: (url) => Request.pathOf(url).endsWith("/v1/messages"),
  readRequest,
  limitOutput: (body, maxOutputTokens) => (Json.isObject(body) ? { ...body, max_tokens: maxOutputTokens } : body),
  readAnswer: (body) => readUsage(Json.field(body, "usage"), Json.field(body, "model")),
  readEvents,
  readHeaders: headersReader(limits),
  readRetryAfter: () => undefined,
  writeRefusal: (message) => ({ type: "error", error: { type: "rate_limit_error", message }, request_id: null })
}
