/**
 * An OpenAI-compatible provider on 127.0.0.1 that means its limits: real HTTP, real headers, real 429s.
 *
 * A call is admitted when the key's bucket holds its input tokens plus its `max_completion_tokens`, and a refused call
 * costs a request all the same: as OpenAI documents it. What a call did not use is given back with its answer: as Amazon
 * Bedrock documents it. OpenAI does not say whether it does so.
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { Effect, Schema } from "effect"
import { answer, countMessages } from "./extract.ts"
import { rateHeaders, retryHeaders, type Buckets } from "./rateHeaders.ts"
import { TokenBucket } from "./tokenBucket.ts"

export interface Limits {
  readonly tokensPerMinute: number
  readonly requestsPerMinute: number
  readonly minuteMillis: number
}

/** When the provider is down, in millis since it started. */
export interface Outage {
  readonly fromMillis: number
  readonly untilMillis: number
}

/** One request that reached the provider, retries included. */
export interface Attempt {
  readonly atMillis: number
  /** It was answered with 429. */
  readonly refused: boolean
  /** It was answered with 503, as the provider was down. */
  readonly failed: boolean
  /** What it asked for at its admission, and after its answer what it used. */
  tokens: number
}

export interface Provider {
  readonly baseURL: string
  readonly attempts: ReadonlyArray<Attempt>
}

const ChatRequest = Schema.fromJsonString(
  Schema.Struct({
    model: Schema.String,
    messages: Schema.NonEmptyArray(Schema.Struct({ role: Schema.String, content: Schema.String })),
    max_completion_tokens: Schema.Int.check(Schema.isGreaterThan(0))
  })
)
type ChatRequest = typeof ChatRequest.Type

/** An answer takes this long, and longer for each token that is read and written. */
const latencyMillis = (promptTokens: number, completionTokens: number) =>
  300 + 0.2 * promptTokens + 8 * completionTokens

/**
 * Starts a provider that stops, and cuts its open connections, when the scope closes.
 *
 * It counts the texts that it will see before it opens: it shares one thread with its clients, and its counting must
 * not pass for network delay.
 */
export const startProvider = Effect.fn("startProvider")(function* (
  limits: Limits,
  texts: ReadonlyArray<string>,
  outage: Outage
) {
  countMessages(texts.map((content) => ({ role: "user", content })))
  const attempts: Array<Attempt> = []
  const now = performance.now()
  const buckets: Buckets = {
    requests: new TokenBucket(limits.requestsPerMinute, limits.minuteMillis, now),
    tokens: new TokenBucket(limits.tokensPerMinute, limits.minuteMillis, now)
  }
  const isDown = (millis: number): boolean => millis >= now + outage.fromMillis && millis < now + outage.untilMillis
  const server = Http.createServer((request, response) => {
    respond(request, response, { buckets, attempts, isDown }).catch(() => response.destroy())
  })
  // Longer than any pause between two calls, or a kept-alive connection could close under a request on its way.
  server.keepAliveTimeout = 60_000

  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const { port } = server.address() as AddressInfo
  return { baseURL: `http://127.0.0.1:${port}/v1`, attempts } satisfies Provider
})

/** What the provider knows of a key. */
interface Key {
  readonly buckets: Buckets
  readonly attempts: Array<Attempt>
  readonly isDown: (millis: number) => boolean
}

const respond = async (request: Http.IncomingMessage, response: Http.ServerResponse, key: Key): Promise<void> => {
  const chat = Schema.decodeUnknownExit(ChatRequest)(await read(request))
  if (request.method !== "POST" || request.url !== "/v1/chat/completions") {
    return sendError(response, 404, { message: `Unknown request URL: ${request.method} ${request.url}` })
  }
  if (chat._tag === "Failure") return sendError(response, 400, { message: "The body is not a chat completion request" })
  await complete(chat.value, response, key)
}

const complete = async (
  chat: ChatRequest,
  response: Http.ServerResponse,
  { attempts, buckets, isDown }: Key
): Promise<void> => {
  const asked = countMessages(chat.messages) + chat.max_completion_tokens
  const arrived = performance.now()
  if (isDown(arrived)) {
    attempts.push({ atMillis: arrived, refused: false, failed: true, tokens: 0 })
    return sendError(response, 503, { message: "The server is overloaded or not ready yet.", type: "server_error" })
  }
  const refusedBy = (["requests", "tokens"] as const).find(
    (name) => buckets[name].millisUntil(name === "requests" ? 1 : asked, arrived) > 0
  )
  const attempt: Attempt = { atMillis: arrived, refused: refusedBy !== undefined, failed: false, tokens: asked }
  attempts.push(attempt)
  if (refusedBy !== "requests") buckets.requests.take(1, arrived)
  if (refusedBy !== undefined) return sendThrottled(response, chat, buckets, refusedBy, asked)

  buckets.tokens.take(asked, arrived)
  const { text, promptTokens, completionTokens, finishReason } = answer(chat.messages, chat.max_completion_tokens)
  await sleep(latencyMillis(promptTokens, completionTokens))

  const answered = performance.now()
  attempt.tokens = promptTokens + completionTokens
  buckets.tokens.giveBack(asked - attempt.tokens, answered)
  send(
    response,
    200,
    { ...rateHeaders(buckets, answered), "openai-processing-ms": String(Math.round(answered - arrived)) },
    {
      id: `chatcmpl-${crypto.randomUUID()}`,
      object: "chat.completion",
      created: Math.floor(Date.now() / 1_000),
      model: chat.model,
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: text, refusal: null },
          logprobs: null,
          finish_reason: finishReason
        }
      ],
      usage: { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: attempt.tokens }
    }
  )
}

const sendThrottled = (
  response: Http.ServerResponse,
  chat: ChatRequest,
  buckets: Buckets,
  refusedBy: keyof Buckets,
  asked: number
): void => {
  const now = performance.now()
  const bucket = buckets[refusedBy]
  const requested = refusedBy === "requests" ? 1 : asked
  const waitMillis = bucket.millisUntil(requested, now)
  const abbreviation = refusedBy === "requests" ? "RPM" : "TPM"
  const message =
    `Rate limit reached for ${chat.model} on ${refusedBy} per min (${abbreviation}): Limit ${bucket.capacity}, ` +
    `Used ${Math.ceil(bucket.capacity - bucket.level(now))}, Requested ${requested}. ` +
    `Please try again in ${Math.ceil(waitMillis)}ms.`
  const headers = { ...rateHeaders(buckets, now), ...retryHeaders(waitMillis) }
  sendError(response, 429, { message, type: refusedBy, code: "rate_limit_exceeded" }, headers)
}

const sendError = (
  response: Http.ServerResponse,
  status: number,
  error: { readonly message: string; readonly type?: string; readonly code?: string },
  headers: Record<string, string> = {}
): void =>
  send(response, status, headers, { error: { type: "invalid_request_error", param: null, code: null, ...error } })

const send = (
  response: Http.ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: Record<string, unknown>
): void => {
  response.writeHead(status, {
    ...headers,
    "content-type": "application/json",
    "x-request-id": `req_${crypto.randomUUID()}`
  })
  response.end(JSON.stringify(body))
}

const read = async (request: Http.IncomingMessage): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString("utf8")
}
