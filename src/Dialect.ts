/**
 * How a provider's API says what a call asks for, what it used, and how much is left.
 *
 * A dialect is data and small functions over JSON. It knows no budgets, no prices and no transport.
 *
 * @since 0.1.0
 */
import type * as Feedback from "./Feedback.ts"
import type * as Usage from "./Usage.ts"

/**
 * What a request asks for, as far as its consumption goes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly operation: Operation
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
  /** Parts of the usage that have a price of their own, in the units of `@pydantic/genai-prices`: `input_audio_tokens`. */
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
  /** What the model has written so far, texts and arguments of tool calls. */
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
