/**
 * What OpenAI's APIs have in common.
 */
import * as framing from "../messageFraming.ts"
import { headersReader, type LimitHeaders } from "./headers.ts"
import * as Json from "./json.ts"
import { type Grammar, Prompt } from "./prompt.ts"
import { decoded, pathOf } from "./request.ts"

/** Whether an address is one of OpenAI's own or one of Azure OpenAI's. */
export const isOpenAiHost = (url: URL): boolean => /(^|\.)(api\.openai\.com|openai\.azure\.com)$/.test(url.hostname)

/** The model that a request names, in its body or, as Azure's deployments do, in the path; or nothing. */
export const modelOf = (body: unknown, url: URL): string => {
  const named = Json.string(Json.field(body, "model"))
  return named || decoded(/\/deployments\/([^/]+)\//.exec(pathOf(url))?.[1] ?? "")
}

// https://platform.openai.com/docs/guides/images-vision: an image of low detail, whatever its size.
const TOKENS_PER_LOW_DETAIL_IMAGE = 85

/**
 * The messages of chat completions and the items of responses. Images say their `detail` inside `image_url` in the
 * first, and beside it in the second. Audio and files are parts without a known field.
 */
const grammar: Grammar = {
  texts: ["role", "name", "text", "refusal", "reasoning_content", "arguments", "input", "code"],
  parts: ["content", "tool_calls", "function_call", "function", "custom", "output", "summary", "results"],
  addOther: (part, prompt) => {
    if (part["type"] !== "image_url" && part["type"] !== "input_image") return false
    const detail = part["detail"] ?? Json.field(part["image_url"], "detail")
    prompt.addTokens(detail === "low" ? TOKENS_PER_LOW_DETAIL_IMAGE : framing.tokensPerOtherPart)
    return true
  },
  tokensPerUnknownPart: framing.tokensPerOtherPart
}

/** A prompt with its framing begun. */
export const beginPrompt = (): Prompt => {
  const prompt = new Prompt(grammar)
  prompt.addTokens(framing.tokensPerReply)
  return prompt
}

// OpenAI's cookbook, "How to count tokens with tiktoken", for gpt-4o: `func_init` and `func_end`. What it adds for each
// property is in the punctuation of the JSON, which models do not see as such.
const TOKENS_PER_TOOL = 7
const TOKENS_FOR_TOOLS = 12

/** Adds the definitions of tools with their schemas, as the JSON in which they are sent. */
export const addTools = (prompt: Prompt, tools: unknown): void => {
  const count = Json.list(tools).length
  if (count === 0) return
  prompt.addText(tools)
  prompt.addTokens(TOKENS_FOR_TOOLS + TOKENS_PER_TOOL * count)
}

const limitHeaders = (meter: LimitHeaders["meter"], suffix: string): LimitHeaders => ({
  meter,
  limit: `x-ratelimit-limit-${suffix}`,
  remaining: `x-ratelimit-remaining-${suffix}`,
  reset: `x-ratelimit-reset-${suffix}`
})

/** OpenAI's headers, which Azure, Groq and others send too, and those of Cerebras. */
export const limits: ReadonlyArray<LimitHeaders> = [
  limitHeaders("requests", "requests"),
  limitHeaders("tokens", "tokens"),
  limitHeaders("requests", "requests-day"),
  limitHeaders("tokens", "tokens-minute")
]

export const readHeaders = headersReader(limits)

/** The body of a 429 as OpenAI writes it, from which its SDK reads `message`, `type`, `param` and `code`. */
export const writeRefusal = (message: string) => ({
  error: { message, type: "rate_limit_exceeded", param: null, code: "rate_limit_exceeded" }
})
