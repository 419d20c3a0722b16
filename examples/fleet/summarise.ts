/**
 * One call to the model, through the official `openai` client.
 */
import { Data, Effect } from "effect"
import { APIError, type OpenAI } from "openai"
import type { Document } from "./documents.ts"
import type { Message } from "./extract.ts"
import { summaryTokensMax } from "./plan.ts"

export interface Summary {
  readonly text: string
  readonly inputTokens: number
  readonly outputTokens: number
  /** How long the provider worked on the attempt that it answered. */
  readonly processingMillis: number
}

export class CallFailed extends Data.TaggedError("CallFailed")<{
  /** The HTTP status, if there was an answer. */
  readonly status: number | undefined
  readonly cause: unknown
}> {}

export const model = "gpt-4.1-mini"

export const promptOf = (text: string) =>
  [
    { role: "system", content: "Summarise the document in at most three sentences." },
    { role: "user", content: text }
  ] as const satisfies ReadonlyArray<Message>

/** An interruption, such as Ctrl-C, aborts the HTTP request. */
export const summarise = Effect.fnUntraced(function* (client: OpenAI, document: Document) {
  const { data, response } = yield* Effect.tryPromise({
    try: (signal) =>
      client.chat.completions
        .create({ model, messages: [...promptOf(document.text)], max_completion_tokens: summaryTokensMax }, { signal })
        .withResponse(),
    catch: (cause) => new CallFailed({ cause, status: cause instanceof APIError ? cause.status : undefined })
  })
  return {
    text: data.choices[0]?.message.content ?? "",
    // A report that is missing is not a report of zero: a budget refuses NaN and charges the estimate instead.
    inputTokens: data.usage?.prompt_tokens ?? Number.NaN,
    outputTokens: data.usage?.completion_tokens ?? Number.NaN,
    processingMillis: Number(response.headers.get("openai-processing-ms") ?? 0)
  } satisfies Summary
})
