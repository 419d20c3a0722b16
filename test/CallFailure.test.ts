import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { createAnthropic } from "@ai-sdk/anthropic"
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { generateText } from "ai"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as AiError from "effect/ai/AiError"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import { OpenAI } from "openai"
import * as Budget from "../src/Budget.ts"
import * as BudgetedFetch from "../src/BudgetedFetch.ts"
import * as CallFailure from "../src/CallFailure.ts"
import * as Deadline from "../src/Deadline.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { forEachSeed } from "./support/random.ts"

type Fetch = (input: unknown, init?: RequestInit) => Promise<Response>

const messages = [{ role: "user" as const, content: "Hi" }]

/** One call through each client, over a `fetch`. What it fails with is the client's own error. */
const clients: Readonly<Record<string, (fetch: Fetch) => Promise<unknown>>> = {
  openai: (fetch) =>
    new OpenAI({ apiKey: "none", maxRetries: 0, fetch }).chat.completions.create({ model: "gpt-5.4-mini", messages }),
  anthropic: (fetch) =>
    new Anthropic({ apiKey: "none", maxRetries: 0, fetch }).messages.create({
      model: "claude-sonnet-5",
      max_tokens: 10,
      messages
    }),
  ai: (fetch) =>
    generateText({ model: createAnthropic({ apiKey: "none", fetch })("claude-sonnet-5"), messages, maxRetries: 0 }),
  "ai, retried": (fetch) =>
    generateText({ model: createAnthropic({ apiKey: "none", fetch })("claude-sonnet-5"), messages, maxRetries: 1 }),
  "effect/http": (fetch) =>
    HttpClient.get("http://provider.test").pipe(
      Effect.provideService(HttpClient.HttpClient, HttpClient.filterStatusOk(withFetch(fetch))),
      Effect.runPromise
    ),
  "an error that wraps one": (fetch) =>
    clients["openai"]!(fetch).catch((cause: unknown) => Promise.reject(new Error("the call failed", { cause })))
}

const withFetch = (fetch: Fetch) =>
  HttpClient.HttpClient.pipe(
    Effect.provide(FetchHttpClient.layer),
    Effect.provideService(FetchHttpClient.Fetch, fetch),
    Effect.runSync
  ).pipe(HttpClient.transformResponse(Effect.provideService(FetchHttpClient.Fetch, fetch)))

const errorOf = (call: () => Promise<unknown>): Effect.Effect<unknown> =>
  Effect.promise(() =>
    call().then(
      () => assert.fail("it did not fail"),
      (error: unknown) => error
    )
  )

const summary = ({ ending, feedback, kind, status }: CallFailure.CallFailure) => ({
  kind,
  ending,
  status,
  retryAfterMillis: feedback.retryAfterMillis
})

const answering =
  (status: number, headers: Record<string, string> = {}, code?: string): Fetch =>
  async () =>
    Response.json({ type: "error", error: { type: "an_error", message: "no", code } }, { status, headers })

/** A real server that cuts the connection of every request. */
const cutting = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<ReturnType<typeof createServer>>((resolve) => {
        const server = createServer((request) => request.socket.destroy())
        server.listen(0, "127.0.0.1", () => resolve(server))
      })
  ),
  (server) => Effect.promise(() => new Promise((resolve) => server.close(resolve)))
).pipe(Effect.map((server) => (server.address() as AddressInfo).port))

/** A port at which nobody listens any more. */
const closedPort = Effect.scoped(cutting)

const at =
  (port: number): Fetch =>
  (_input, init) =>
    fetch(`http://127.0.0.1:${port}`, init)

describe.each(Object.entries(clients))("an error of %s", (_name, call) => {
  const readOf = (fetch: Fetch) =>
    Effect.map(
      errorOf(() => call(fetch)),
      (error) => summary(CallFailure.of(error))
    )

  it.live.each([
    [400, "Rejected"],
    [401, "Rejected"],
    [404, "Rejected"],
    [408, "Unavailable"],
    [429, "Throttled"],
    [500, "Unavailable"],
    [503, "Unavailable"],
    [529, "Unavailable"]
  ] as const)("of status %i is %s", ([status, kind]) =>
    Effect.gen(function* () {
      // A client that retries waits seconds in between unless it is told otherwise.
      const told = yield* readOf(answering(status, { "retry-after-ms": "1" }))
      assert.deepStrictEqual(told, { kind, ending: "Rejected" as const, status, retryAfterMillis: 1 })
    })
  )

  it.live("says when to come back", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* readOf(answering(429, { "retry-after": "1" }))).retryAfterMillis, 1_000)
    })
  )

  it.live("without a connection has not been sent, and of one that broke nothing has been seen", () =>
    Effect.gen(function* () {
      const refused = yield* readOf(at(yield* closedPort))
      assert.deepInclude(refused, { kind: "Unavailable", ending: "Unsent" })
      const lost = yield* readOf(at(yield* cutting))
      assert.deepInclude(lost, { kind: "Unavailable", ending: "Unseen" })
    })
  )

  it.live("that took too long counts against the provider", () =>
    Effect.gen(function* () {
      const late = yield* readOf(() => Promise.reject(new DOMException("too long", "TimeoutError")))
      assert.deepInclude(late, { kind: "Unavailable", ending: "Unseen" })
    })
  )
})

describe("an error", () => {
  const read = (error: unknown) => summary(CallFailure.of(error))

  it("of a client that was called off is the caller's own", async () => {
    const abort = AbortSignal.abort()
    const error = await new OpenAI({ apiKey: "none", maxRetries: 0, fetch: answering(200) }).models
      .list({ signal: abort })
      .then(undefined, (error: unknown) => error)
    assert.deepInclude(read(error), { kind: "Withheld", ending: "Unseen" })
    assert.deepInclude(read(abort.reason), { kind: "Withheld", ending: "Unseen" })
  })

  it("of a client that waits no longer is a time-out", async () => {
    const hanging: Fetch = (_input, init) =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)))
    const client = new OpenAI({ apiKey: "none", maxRetries: 0, timeout: 1, fetch: hanging })
    const error = await client.models.list().then(undefined, (error: unknown) => error)
    assert.deepInclude(read(error), { kind: "Unavailable", ending: "Unseen" })
  })

  it.effect("that says that the money is used up is no matter of waiting", () =>
    Effect.gen(function* () {
      const error = yield* errorOf(() => clients["openai"]!(answering(429, {}, "insufficient_quota")))
      assert.deepInclude(read(error), { kind: "Rejected", status: 429 })
    })
  )

  it("has what the provider says of its windows", () => {
    const openAi = { "x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "7" }
    const anthropic = { "anthropic-ratelimit-tokens-limit": "100", "anthropic-ratelimit-tokens-remaining": "7" }
    const ietf = { "ratelimit-limit": "100", "ratelimit-remaining": "7" }
    for (const headers of [openAi, anthropic, ietf]) {
      const { windows } = CallFailure.of({ status: 429, headers }).feedback
      assert.strictEqual(windows.length, 1)
      assert.deepInclude(windows[0], { limit: 100, remaining: 7 })
    }
  })

  it("that has kept a status of its own has what came with it, too", () => {
    const wrap = (status: number, cause: unknown) => Object.assign(new Error("failed", { cause }), { status })
    const inner = { status: 429, headers: { "retry-after": "7" } }
    assert.deepInclude(read(wrap(429, inner)), { kind: "Throttled", status: 429, retryAfterMillis: 7_000 })
    assert.deepInclude(read(wrap(429, new Error("lost"))), { kind: "Throttled", retryAfterMillis: undefined })
    assert.deepInclude(read(wrap(500, inner)), { kind: "Unavailable", status: 500, retryAfterMillis: undefined })
    const exhausted = { status: 429, error: { code: "insufficient_quota" } }
    assert.deepInclude(read(wrap(429, exhausted)), { kind: "Rejected", status: 429 })
    const own = { status: 429, headers: { "x-effect-budget": "BudgetExceeded" } }
    assert.deepInclude(read(wrap(429, own)), { kind: "Withheld", ending: "Unsent" })
  })

  it.effect("of this side is that also where a client takes it for a lost connection", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1)] })
      const fetch = yield* BudgetedFetch.make({ budget, onRefusal: "throw", fetch: () => assert.fail("sent") })
      for (const client of ["openai", "anthropic", "ai"]) {
        const error = yield* errorOf(() => clients[client]!((input, init) => fetch(String(input), init)))
        assert.deepInclude(read(error), { kind: "Withheld", ending: "Unsent" }, client)
      }
    })
  )

  it("counts a date of Retry-After from now", () => {
    const now = Date.UTC(2026, 10, 23, 16, 43, 0)
    const error = { statusCode: 503, responseHeaders: { "retry-after": "Mon, 23 Nov 2026 16:43:09 GMT" } }
    assert.strictEqual(CallFailure.of(error, now).feedback.retryAfterMillis, 9_000)
  })

  it.effect("of a budget, a deadline or a budgeted client is of this side", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 10)] })
      const refused = yield* Effect.flip(Effect.void.pipe(budget.spend({ estimate: Usage.make({ inputTokens: 11 }) })))
      assert.deepInclude(read(refused), { kind: "Withheld", ending: "Unsent" })
      const fetch = yield* BudgetedFetch.make({ budget, fetch: () => assert.fail("sent") })
      const answered = yield* errorOf(() => clients["openai"]!((input, init) => fetch(String(input), init)))
      assert.deepInclude(read(answered), { kind: "Withheld", ending: "Unsent" })
      const late = yield* Effect.flip(Deadline.within(0)(Deadline.check))
      assert.deepInclude(read(late), { kind: "Withheld", ending: "Unseen" })
      assert.deepInclude(read(new Cause.TimeoutError()), { kind: "Unavailable", ending: "Unseen" })
    })
  )

  it("of effect/ai is read by its reason", () => {
    const errorFor = (reason: AiError.AiErrorReason) => read(AiError.make({ module: "Test", method: "test", reason }))
    const throttled = errorFor(new AiError.RateLimitError({ retryAfter: Duration.seconds(3) }))
    assert.deepInclude(throttled, { kind: "Throttled", ending: "Rejected", retryAfterMillis: 3_000 })
    assert.strictEqual(errorFor(new AiError.QuotaExhaustedError({})).kind, "Rejected")
    assert.strictEqual(errorFor(new AiError.InternalProviderError({ description: "down" })).kind, "Unavailable")
    assert.strictEqual(errorFor(new AiError.InvalidRequestError({})).kind, "Rejected")
    assert.deepInclude(errorFor(new AiError.InvalidUserInputError({ description: "no" })), {
      kind: "Rejected",
      ending: "Unsent"
    })
    assert.deepInclude(errorFor(new AiError.InvalidOutputError({ description: "no" })), {
      kind: "Rejected",
      ending: "Unseen"
    })
    const own = new AiError.QuotaExhaustedError({ metadata: { budget: { reason: "BudgetExceeded" } } })
    assert.deepInclude(errorFor(own), { kind: "Withheld", ending: "Unsent" })
  })

  it.live("in the middle of a stream is known by its type", () =>
    Effect.gen(function* () {
      const overloaded = `event: error\ndata: ${JSON.stringify({
        type: "error",
        error: { type: "overloaded_error", message: "Overloaded" }
      })}\n\n`
      const client = new Anthropic({
        apiKey: "none",
        maxRetries: 0,
        fetch: async () => new Response(overloaded, { headers: { "content-type": "text/event-stream" } })
      })
      const error = yield* errorOf(() =>
        client.messages.stream({ model: "claude-sonnet-5", max_tokens: 10, messages }).finalMessage()
      )
      assert.deepInclude(read(error), { kind: "Unavailable", ending: "Unseen" })
    })
  )

  it("of which nothing can be read is unknown", () => {
    for (const error of [
      undefined,
      null,
      "no",
      500,
      new Error("no"),
      { status: "500" },
      { status: 200 },
      { status: 1e9 }
    ]) {
      assert.deepInclude(read(error), { kind: "Unknown", ending: "Unseen" })
    }
  })

  it("may be anything, without end, or throw when it is read", () =>
    forEachSeed({ name: "any error", runs: 2_000 }, (random) => {
      const names = ["cause", "reason", "error", "lastError", "status", "headers", "response", "_tag", "code", "name"]
      const made: Array<object> = []
      const draw = (depth: number): unknown => {
        const object: object = random.chance(0.5) ? new Error("no") : {}
        made.push(object)
        for (const name of names) {
          if (random.chance(0.5)) continue
          const value = random.chance(0.2)
            ? random.pick(made)
            : depth > 0 && random.chance(0.4)
              ? draw(depth - 1)
              : random.pick([429, Number.NaN, "x", "ECONNRESET", "RateLimitError", null, Symbol("x"), () => 1])
          const get = () => {
            if (random.chance(0.2)) throw new Error("unreadable")
            return value
          }
          Object.defineProperty(object, name, { get, configurable: true })
        }
        return random.chance(0.1)
          ? new Proxy(object, {
              get: () => {
                throw new Error("unreadable")
              },
              has: () => {
                throw new Error("unreadable")
              },
              getPrototypeOf: () => {
                throw new Error("unreadable")
              }
            })
          : object
      }
      const { kind } = CallFailure.of(draw(3))
      assert.include(["Unavailable", "Throttled", "Rejected", "Withheld", "Unknown"], kind)
    }))
})

describe("a cause", () => {
  it("is what has failed first, or a defect", () => {
    assert.strictEqual(CallFailure.fromCause(Cause.fail({ status: 500 })).kind, "Unavailable")
    assert.strictEqual(CallFailure.fromCause(Cause.die({ status: 429 })).kind, "Throttled")
    assert.strictEqual(CallFailure.fromCause(Cause.interrupt(1)).kind, "Withheld")
    const isTransient = (status: number) => CallFailure.isTransient(CallFailure.of({ status }))
    assert.deepStrictEqual([400, 408, 429, 500].map(isTransient), [false, true, true, true])
  })
})
