/**
 * Gemini's generateContent and streamGenerateContent, on the Gemini API and on Vertex AI.
 */
import type * as Dialect from "../../Dialect.ts"
import { makeEventReader } from "./events.ts"
import { readUsage } from "./geminiUsage.ts"
import { headersReader } from "./headers.ts"
import * as Json from "./json.ts"
import { type Grammar, Prompt } from "./prompt.ts"
import * as Request from "./request.ts"
import { parseGoDuration } from "./waits.ts"

// https://ai.google.dev/gemini-api/docs/tokens: an image, or each tile of 768 pixels of a larger one.
const TOKENS_PER_IMAGE = 258

// The same page: a minute of audio at 32 tokens per second, which is also 7 seconds of video or 7 pages of a PDF.
const TOKENS_PER_FILE = 1_920

// Google documents none, and its examples show none. The template of its open model Gemma has five: two for the
// beginning of a turn, one for the role, two for the end.
const TOKENS_PER_CONTENT = 5

// Google takes its fields in both spellings.
const bothSpellings = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names.flatMap((name) => [...new Set([name, name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)])])

const grammar: Grammar = {
  texts: ["text", "name", "args", "response", "code", "output"],
  parts: bothSpellings(["parts", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"]),
  addOther: (part, prompt) => {
    const media = Json.fieldOf(part, mediaFields)
    if (media === undefined) return false
    const type = Json.string(Json.fieldOf(media, mediaTypeFields)) ?? ""
    prompt.addTokens(type.startsWith("image/") ? TOKENS_PER_IMAGE : TOKENS_PER_FILE)
    return true
  },
  tokensPerUnknownPart: TOKENS_PER_FILE
}

const mediaFields = bothSpellings(["inlineData", "fileData"])
const mediaTypeFields = bothSpellings(["mimeType"])
const instructionFields = bothSpellings(["systemInstruction"])
const configFields = bothSpellings(["generationConfig"])
const boundFields = bothSpellings(["maxOutputTokens"])
const answersFields = bothSpellings(["candidateCount"])
const schemaFields = bothSpellings(["responseSchema", "responseJsonSchema"])

const readRequest = (body: unknown, url: URL): Dialect.Call | undefined => {
  if (!Json.isObject(body)) return undefined
  const prompt = new Prompt(grammar)
  const contents = body["contents"]
  const turns = Array.isArray(contents) ? contents : [contents]
  for (const turn of [Json.fieldOf(body, instructionFields), ...turns].filter(Json.isPresent)) {
    prompt.addTokens(TOKENS_PER_CONTENT)
    prompt.addContent(turn)
  }
  if (Json.list(body["tools"]).length > 0) prompt.addText(body["tools"])
  const config = Json.fieldOf(body, configFields)
  prompt.addText(Json.fieldOf(config, schemaFields))
  const [, model = "", method = ""] = modelAndMethod.exec(Request.pathOf(url)) ?? []
  return Request.makeCall(prompt, {
    model: Request.decoded(model),
    maxOutputTokens: Request.amountOf(Json.fieldOf(config, boundFields)),
    answers: Request.answersOf(Json.fieldOf(config, answersFields)),
    isStreamed: method === "streamGenerateContent"
  })
}

const modelAndMethod = /([^/]+):(generateContent|streamGenerateContent)$/

const limitOutput = (body: unknown, maxOutputTokens: number): unknown => {
  if (!Json.isObject(body)) return body
  const name = Json.fieldInUse(body, configFields) ?? "generationConfig"
  const config = body[name]
  const limited = Request.withBound(
    Json.isObject(config) ? config : {},
    boundFields,
    "maxOutputTokens",
    maxOutputTokens
  )
  return { ...body, [name]: limited }
}

/** Reads a whole answer, or the list of chunks that a stream without `alt=sse` is: the last one has it all. */
const readAnswer = (body: unknown): Dialect.Report | undefined =>
  Array.isArray(body)
    ? body.reduce((report: Dialect.Report | undefined, chunk) => readUsage(chunk) ?? report, undefined)
    : readUsage(body)

const readEvents = (): Dialect.EventReader => {
  let isFinished = false
  return makeEventReader((chunk, progress) => {
    for (const candidate of Json.list(Json.field(chunk, "candidates"))) {
      for (const part of Json.list(Json.field(Json.field(candidate, "content"), "parts"))) {
        progress.write(Json.field(part, "text"))
        const call = Json.field(part, "functionCall")
        if (call === undefined) continue
        progress.write(Json.field(call, "name"))
        progress.write(Json.jsonText(Json.field(call, "args")))
      }
      isFinished ||= Json.isPresent(Json.field(candidate, "finishReason"))
    }
    isFinished ||= Json.isPresent(Json.field(Json.field(chunk, "promptFeedback"), "blockReason"))
    const report = readUsage(chunk)
    if (report === undefined) return
    progress.report = report
    progress.isComplete = isFinished
  })
}

/** Reads the `RetryInfo` of an error: `{"retryDelay": "34s"}`. A stream sends its error in a list. */
const readRetryAfter = (body: unknown): number | undefined => {
  const error = Json.field(Array.isArray(body) ? body[0] : body, "error")
  for (const detail of Json.list(Json.field(error, "details"))) {
    const delay = Json.string(Json.field(detail, "retryDelay"))
    const millis = delay === undefined ? undefined : parseGoDuration(delay)
    if (millis !== undefined) return millis
  }
  return undefined
}

export const geminiGenerateContent: Dialect.Dialect = {
  name: "geminiGenerateContent",
  provider: "google",
  speaks: (url) => modelAndMethod.test(Request.pathOf(url)),
  readRequest,
  limitOutput,
  readAnswer,
  readEvents,
  readHeaders: headersReader([]),
  readRetryAfter,
  writeRefusal: (message) => ({ error: { code: 429, message, status: "RESOURCE_EXHAUSTED" } })
}
