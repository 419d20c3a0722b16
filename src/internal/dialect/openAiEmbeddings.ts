/**
 * OpenAI's embeddings, and those of everybody who speaks as it does.
 */
import type * as Dialect from "../../Dialect.ts"
import { makeEventReader } from "./events.ts"
import * as Json from "./json.ts"
import * as OpenAi from "./openAi.ts"
import { count, makeReport } from "./report.ts"
import * as Request from "./request.ts"

const readRequest = (body: unknown, url: URL): Dialect.Call | undefined => {
  if (!Json.isObject(body)) return undefined
  const { input } = body
  const inputs = typeof input === "string" ? [input] : Json.list(input)
  return {
    operation: "embeddings",
    model: OpenAi.modelOf(body, url),
    texts: inputs.filter((text) => typeof text === "string"),
    otherInputTokens: tokenIdsIn(inputs) + inputs.reduce<number>((sum, ids) => sum + tokenIdsIn(Json.list(ids)), 0),
    maxOutputTokens: 0,
    answers: 1,
    isStreamed: false
  }
}

const tokenIdsIn = (ids: ReadonlyArray<unknown>): number => ids.filter((id) => typeof id === "number").length

const readAnswer = (body: unknown): Dialect.Report | undefined => {
  const inputTokens = count(Json.fieldOf(Json.field(body, "usage"), ["prompt_tokens", "total_tokens"]))
  return inputTokens === undefined ? undefined : makeReport({ inputTokens }, Json.field(body, "model"), [])
}

export const openAiEmbeddings: Dialect.Dialect = {
  name: "openAiEmbeddings",
  provider: "openai",
  speaks: (url) => Request.pathOf(url).endsWith("/embeddings"),
  readRequest,
  limitOutput: (body) => body,
  readAnswer,
  readEvents: () => makeEventReader(() => {}),
  readHeaders: OpenAi.readHeaders,
  readRetryAfter: () => undefined,
  writeRefusal: OpenAi.writeRefusal
}
