/**
 * How a provider's API says what a call asks for, what it used, and how much is left.
 *
 * A dialect is data and small functions over JSON. It knows no budgets, no prices and no transport. It throws at
 * nothing: what it does not understand, it passes over.
 *
 * @since 0.1.0
 */
import type * as Feedback from "./Feedback.ts"
import * as anthropic from "./internal/dialect/anthropicMessages.ts"
import * as gemini from "./internal/dialect/geminiGenerateContent.ts"
import * as chat from "./internal/dialect/openAiChat.ts"
import * as embeddings from "./internal/dialect/openAiEmbeddings.ts"
import * as responses from "./internal/dialect/openAiResponses.ts"
import type * as Usage from "./Usage.ts"

/**
 * What a request asks for, as far as its consumption goes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly operation: Operation
  /** The model's name, or that of Azure's deployment. Empty when the request names none. */
  readonly model: string
  /** Everything that the model reads as text, schemas of tools included. */
  readonly texts: ReadonlyArray<string>
  /** Input tokens besides those of the texts: the framing of messages, images, files. */
  readonly otherInputTokens: number
  /** The most that one answer may have, when the request says so. 0 where there is no output, as for embeddings. */
  readonly maxOutputTokens: number | undefined
  /** How many answers are asked for. */
  readonly answers: number
  readonly isStreamed: boolean
}

/**
 * The kinds of calls, by the names of OpenTelemetry's `gen_ai.operation.name`.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation = "chat" | "embeddings"

/**
 * What a provider says that a call has used. The usage's `costNanoUsd` is 0: dialects know no prices.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly usage: Usage.Usage
  /** The model that has answered, when it says so. */
  readonly model: string | undefined
  /**
   * Parts of the usage that have a price of their own, by their names in `@pydantic/genai-prices`: `input_audio_tokens`.
   * Only those that are more than 0. All are whole, and none exceeds the count that it is a part of, unless the usage is
   * invalid.
   */
  readonly units: Readonly<Record<string, number>>
}

/**
 * Reads a streamed answer as it comes.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventReader {
  /** Reads the data of one server-sent event. What it does not understand, it passes over. */
  read(data: string): void
  /** What the provider has reported so far. Absent while it has said nothing. */
  readonly report: Report | undefined
  /** Whether the report is the last one: the answer is complete, whatever else is still sent. */
  readonly isComplete: boolean
  /** What the model has written so far: texts, thoughts as far as they are shown, names and arguments of tool calls. */
  readonly text: string
}

/**
 * The language of one kind of requests.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dialect {
  readonly name: string
  /** The provider in `@pydantic/genai-prices`, for hosts that it does not know. */
  readonly provider: string | undefined
  /** Whether requests to an address are of this dialect. */
  speaks(url: URL): boolean
  /** Reads a request. Absent when it is none that consumes tokens, or cannot be read. */
  readRequest(body: unknown, url: URL): Call | undefined
  /** The same request with another bound on the output of each answer. */
  limitOutput(body: unknown, maxOutputTokens: number): unknown
  /** Reads the usage of a whole answer. Absent when it says none. */
  readAnswer(body: unknown): Report | undefined
  /** Begins to read a streamed answer. */
  readEvents(): EventReader
  /** Reads what the headers of a response say of the provider's limits. Names of headers are in lower case. */
  readHeaders(header: (name: string) => string | null | undefined, now: number): Feedback.Feedback
  /** How long the body of an error asks to wait, in millis, where headers do not say it. */
  readRetryAfter(body: unknown): number | undefined
  /** The body of an error as this provider writes it, for a call that the budget refuses. */
  writeRefusal(message: string): unknown
}

/**
 * OpenAI's chat completions, on `api.openai.com` and on Azure.
 *
 * **Details**
 *
 * Messages count as `TokenCounter.countMessages` says, an image of low detail 85 tokens. Tools count as the JSON of
 * their definitions, 7 tokens for each and 12 once (OpenAI's cookbook). A bound on the output goes where the request
 * has one, `max_completion_tokens` or `max_tokens`, or else into the first. Streams report usage only when the request
 * sets `stream_options.include_usage`.
 *
 * **Example**
 *
 * ```ts
 * import { Dialect } from "effect-budget"
 *
 * const body = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }], max_completion_tokens: 100 }
 * const call = Dialect.openAiChat.readRequest(body, new URL("https://api.openai.com/v1/chat/completions"))
 *
 * call?.texts // => ["user", "Hello"]
 * call?.otherInputTokens // => 6
 * call?.maxOutputTokens // => 100
 * ```
 *
 * @category dialects
 * @since 0.1.0
 */
export const openAiChat: Dialect = chat.openAiChat

/**
 * Chat completions of any host that speaks as OpenAI does: gateways, Groq, xAI, Mistral, vLLM, mocks.
 *
 * **Details**
 *
 * Like {@link openAiChat}, except that a bound on the output goes into `max_tokens` where the request has none, because
 * many servers know no other, and that the provider is unknown.
 *
 * **Example** (xAI counts reasoning beside the completion)
 *
 * ```ts
 * import { Dialect } from "effect-budget"
 *
 * const report = Dialect.openAiCompatible.readAnswer({
 *   model: "grok-4",
 *   usage: {
 *     prompt_tokens: 32,
 *     completion_tokens: 9,
 *     total_tokens: 135,
 *     completion_tokens_details: { reasoning_tokens: 94 }
 *   }
 * })
 *
 * report?.usage.outputTokens // => 103
 * ```
 *
 * @category dialects
 * @since 0.1.0
 */
export const openAiCompatible: Dialect = chat.openAiCompatible

/**
 * OpenAI's responses, on any host.
 *
 * **Gotchas**
 *
 * What the request only refers to is not in its texts: `previous_response_id`, `conversation`, a stored `prompt`,
 * encrypted reasoning. Where conversations are kept at OpenAI, add the last answer's usage to the estimate.
 *
 * **Example**
 *
 * ```ts
 * import { Dialect } from "effect-budget"
 *
 * const reader = Dialect.openAiResponses.readEvents()
 * reader.read('{"type":"response.output_text.delta","delta":"Hel"}')
 * reader.read('{"type":"response.output_text.delta","delta":"lo"}')
 *
 * reader.text // => "Hello"
 * reader.report // => undefined
 * ```
 *
 * @category dialects
 * @since 0.1.0
 */
export const openAiResponses: Dialect = responses.openAiResponses

/**
 * OpenAI's embeddings, on any host. Token ids count one each.
 *
 * **Example**
 *
 * ```ts
 * import { Dialect } from "effect-budget"
 *
 * const url = new URL("https://api.openai.com/v1/embeddings")
 * const call = Dialect.openAiEmbeddings.readRequest({ model: "text-embedding-3-small", input: ["a", "b"] }, url)
 *
 * call?.texts // => ["a", "b"]
 * call?.maxOutputTokens // => 0
 * ```
 *
 * @category dialects
 * @since 0.1.0
 */
export const openAiEmbeddings: Dialect = embeddings.openAiEmbeddings

/**
 * Anthropic's messages, on any host.
 *
 * **Details**
 *
 * An image counts 1,600 tokens, which is what all but small ones cost, a document that is not text 4,600, which is one
 * page. Anthropic documents no framing: each message and the system prompt count 4 tokens, the reply 4, a call of a tool
 * 8. Tools count as the JSON of their definitions, and 589 once for the system prompt that comes with them, the most of
 * all models but one.
 *
 * **Gotchas**
 *
 * `max_tokens` must exceed `thinking.budget_tokens`: a smaller bound from `limitOutput` is refused by Anthropic. Models
 * since Claude Opus 4.7 read images of higher resolution, which cost up to three times as much.
 *
 * **Example** (the input is reported without what was read from the cache)
 *
 * ```ts
 * import { Dialect } from "effect-budget"
 *
 * const report = Dialect.anthropicMessages.readAnswer({
 *   model: "claude-sonnet-4-5",
 *   usage: { input_tokens: 20, cache_read_input_tokens: 1_000, cache_creation_input_tokens: 300, output_tokens: 50 }
 * })
 *
 * report?.usage.inputTokens // => 1_320
 * ```
 *
 * @category dialects
 * @since 0.1.0
 */
export const anthropicMessages: Dialect = anthropic.anthropicMessages

/**
 * Gemini's `generateContent` and `streamGenerateContent`, on any host. The model is in the path.
 *
 * **Details**
 *
 * An image counts 258 tokens, any other file 1,920: a minute of audio, 7 seconds of video, 7 pages of a PDF. Each turn
 * counts 5 for its framing, as with Google's Gemma. Tools count as the JSON of their definitions.
 *
 * **Gotchas**
 *
 * Larger images cost 258 for each tile of 768 pixels, and what `cachedContent` refers to is not in the request. Where
 * that matters, add it to the estimate.
 *
 * **Example** (thoughts are beside the candidates)
 *
 * ```ts
 * import { Dialect } from "effect-budget"
 *
 * const report = Dialect.geminiGenerateContent.readAnswer({
 *   modelVersion: "gemini-2.5-flash",
 *   usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 20, thoughtsTokenCount: 70, totalTokenCount: 100 }
 * })
 *
 * report?.usage.outputTokens // => 90
 * ```
 *
 * @category dialects
 * @since 0.1.0
 */
export const geminiGenerateContent: Dialect = gemini.geminiGenerateContent

/**
 * All dialects, in the order in which they are asked.
 *
 * @category dialects
 * @since 0.1.0
 */
export const all: ReadonlyArray<Dialect> = [
  openAiChat,
  openAiCompatible,
  openAiResponses,
  openAiEmbeddings,
  anthropicMessages,
  geminiGenerateContent
]

/**
 * Finds the dialect of an address: the first that speaks it.
 *
 * **Example**
 *
 * ```ts
 * import { Dialect } from "effect-budget"
 *
 * Dialect.of(new URL("https://api.openai.com/v1/chat/completions"))?.name // => "openAiChat"
 * Dialect.of(new URL("http://localhost:4010/v1/chat/completions"))?.name // => "openAiCompatible"
 * Dialect.of(new URL("https://api.anthropic.com/v1/messages/count_tokens")) // => undefined
 * ```
 *
 * @category finding
 * @since 0.1.0
 */
export const of = (url: URL, dialects: ReadonlyArray<Dialect> = all): Dialect | undefined =>
  dialects.find((dialect) => dialect.speaks(url))
