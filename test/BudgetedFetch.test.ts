import { createServer } from "node:http"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Budget from "../src/Budget.ts"
import * as BudgetedFetch from "../src/BudgetedFetch.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import type * as Dialect from "../src/Dialect.ts"
import * as Governor from "../src/Governor.ts"
import * as Limit from "../src/Limit.ts"
import * as OutputHistory from "../src/OutputHistory.ts"
import { Backoff } from "../src/internal/governor/backoff.ts"
import { makeLatch, settle, until } from "./support/latch.ts"
import { forEachSeed } from "./support/random.ts"

const chatUrl = "https://api.openai.com/v1/chat/completions"
const messagesUrl = "https://api.anthropic.com/v1/messages"

const question = (more: object = {}) => ({
  model: "gpt-4o-mini",
  messages: [{ role: "user", content: "Hi" }],
  max_tokens: 500,
  ...more
})

const post = (body: unknown = question(), more: RequestInit = {}): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  ...more
})

const answered = (prompt_tokens = 9, completion_tokens = 20) => ({
  model: "gpt-4o-mini",
  usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
})

const sse = (...events: ReadonlyArray<unknown>): string =>
  events.map((event) => `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`).join("")

const delta = (content: string) => ({ model: "gpt-4o-mini", choices: [{ index: 0, delta: { content } }] })

const events = (body: BodyInit): Response => new Response(body, { headers: { "content-type": "text/event-stream" } })

const usd = Limit.cap("usd", 100)

/** A budget with a fetch over a hand-made provider, and what the provider was sent. */
const setUp = Effect.fnUntraced(function* (
  answer: (body: string, signal: AbortSignal | undefined) => Response | Promise<Response>,
  options: Partial<Governor.Options> & Pick<BudgetedFetch.Options, "onRefusal"> & { limits?: Array<Limit.Limit> } = {}
) {
  const { limits = [Limit.cap("tokens", 1_000_000)], ...rest } = options
  const budget = yield* Budget.make({ name: "run", limits })
  const sent: Array<string> = []
  const estimates: Array<number> = []
  const fetch = yield* BudgetedFetch.make({
    budget,
    ...rest,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const body = await request.text()
      sent.push(body)
      estimates.push(Effect.runSync(budget.snapshot).limits[0]?.reserved ?? 0)
      return answer(body, init?.signal ?? undefined)
    }
  })
  return { budget, fetch, sent, estimates }
})

const spentOf = Effect.fnUntraced(function* (budget: Budget.Budget) {
  const { inputTokens, outputTokens, requests } = (yield* budget.snapshot).spent
  return { requests, inputTokens, outputTokens }
})

const totalOf = Effect.fnUntraced(function* (budget: Budget.Budget) {
  const { inputTokens, outputTokens } = (yield* budget.snapshot).spent
  return inputTokens + outputTokens
})

const nothing = { requests: 0, inputTokens: 0, outputTokens: 0 }
const usual = { requests: 1, inputTokens: 9, outputTokens: 20 }

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const waiting = (budget: Budget.Budget): number => Effect.runSync(budget.snapshot).waiting

describe("what passes", () => {
  it.effect("unbudgeted: addresses that no dialect speaks, GETs, and bodies that ask nothing", () =>
    Effect.gen(function* () {
      const { budget, fetch } = yield* setUp(() => Response.json({ ok: true }))
      yield* Effect.promise(() => fetch("https://api.openai.com/v1/models"))
      yield* Effect.promise(() => fetch("https://example.com/anything", post()))
      yield* Effect.promise(() => fetch(chatUrl, { method: "POST", body: "no json" }))
      yield* Effect.promise(() => fetch(chatUrl))
      expect(yield* spentOf(budget)).toEqual(nothing)
      yield* expectAtRest(budget)
    })
  )

  it.effect("a body that is no text, byte by byte", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [] })
      const seen: Array<Uint8Array> = []
      const types: Array<string | null> = []
      const fetch = yield* BudgetedFetch.make({
        budget,
        fetch: async (input, init) => {
          const request = new Request(input, init)
          types.push(request.headers.get("content-type"))
          seen.push(await request.bytes())
          return Response.json({})
        }
      })
      const bytes = new Uint8Array([0xff, 0xfe, 0x00, 0x80, 0x41])
      const form = new FormData()
      form.set("file", new Blob([bytes]), "a.bin")
      const stream = new Blob([bytes]).stream()
      yield* Effect.promise(() => fetch(chatUrl, { method: "POST", body: bytes }))
      yield* Effect.promise(() => fetch(chatUrl, { method: "POST", body: new Blob([bytes]) }))
      const streamed: RequestInit & { duplex: "half" } = { method: "POST", body: stream, duplex: "half" }
      yield* Effect.promise(() => fetch(chatUrl, streamed))
      yield* Effect.promise(() => fetch(new Request(chatUrl, { method: "POST", body: bytes })))
      yield* Effect.promise(() => fetch(chatUrl, { method: "POST", body: form }))
      expect(seen.slice(0, 4)).toEqual([bytes, bytes, bytes, bytes])
      expect(types[4]).toMatch(/^multipart\/form-data; boundary=/)
    })
  )

  it.effect("governed: requests as Request objects, bytes and streams, with what they said", () =>
    Effect.gen(function* () {
      const { budget, fetch, sent } = yield* setUp(() => Response.json(answered()))
      const text = JSON.stringify(question())
      const bytes = new TextEncoder().encode(text)
      const streamed: RequestInit & { duplex: "half" } = {
        method: "POST",
        body: new Blob([bytes]).stream(),
        duplex: "half"
      }
      const calls = [
        () => fetch(new Request(chatUrl, { method: "POST", body: text })),
        () => fetch(new URL(chatUrl), { method: "POST", body: bytes }),
        () => fetch(chatUrl, streamed),
        () => fetch(new Request(chatUrl, { method: "POST", body: "{}" }), { method: "POST", body: text })
      ]
      for (const call of calls) yield* Effect.promise(async () => (await call()).json())
      expect(sent).toEqual([text, text, text, text])
      expect(yield* spentOf(budget)).toEqual({ requests: 4, inputTokens: 36, outputTokens: 80 })
      yield* expectAtRest(budget)
    })
  )
})

describe("the body of an answer", () => {
  const readers: Record<string, (response: Response) => Promise<unknown>> = {
    text: async (response) => response.text(),
    json: async (response) => JSON.stringify(await response.json()),
    arrayBuffer: async (response) => new TextDecoder().decode(await response.arrayBuffer()),
    bytes: async (response) => new TextDecoder().decode(await response.bytes()),
    blob: async (response) => (await response.blob()).text(),
    body: async (response) => new Response(response.body).text(),
    "clone, then itself": async (response) => {
      const [first, second] = [await response.clone().text(), await response.text()]
      expect(first).toBe(second)
      return second
    },
    "two bodies, piece by piece in turns": async (response) => {
      const copy = response.clone().body!.getReader()
      const own = response.body!.getReader()
      const decoder = new TextDecoder()
      let text = ""
      for (;;) {
        const [one, other] = [await copy.read(), await own.read()]
        if (one.done || other.done) return text
        text += decoder.decode(other.value, { stream: true })
      }
    }
  }
  for (const [name, read] of Object.entries(readers)) {
    it.effect(`passes unchanged and settles the call: ${name}`, () =>
      Effect.gen(function* () {
        const text = JSON.stringify({ ...answered(), pad: "ü€😀".repeat(50) })
        const pieces = () => {
          const bytes = new TextEncoder().encode(text)
          return new ReadableStream<Uint8Array>({
            start(controller) {
              for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.slice(at, at + 7))
              controller.close()
            }
          })
        }
        const { budget, fetch } = yield* setUp(() => new Response(pieces()))
        expect(yield* Effect.promise(async () => read(await fetch(chatUrl, post())))).toBe(text)
        yield* until(() => Effect.runSync(budget.snapshot).open === 0)
        expect(yield* spentOf(budget)).toEqual(usual)
        yield* expectAtRest(budget)
      })
    )
  }

  it.effect("passes in turns as events, too, where two read it", () =>
    Effect.gen(function* () {
      const text = sse(delta("ab"), delta("cd"), { ...answered(), choices: [] }, "[DONE]")
      const pieces = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const byte of new TextEncoder().encode(text)) controller.enqueue(new Uint8Array([byte]))
          controller.close()
        }
      })
      const { budget, fetch } = yield* setUp(() => events(pieces))
      yield* Effect.promise(async () => readers["two bodies, piece by piece in turns"]!(await fetch(chatUrl, post())))
      expect(yield* spentOf(budget)).toEqual(usual)
      yield* expectAtRest(budget)
    })
  )

  it.effect("goes on being read where a copy is thrown away", () =>
    Effect.gen(function* () {
      const { budget, fetch } = yield* setUp(() => Response.json(answered()))
      const response = yield* Effect.promise(() => fetch(chatUrl, post()))
      // The other branch still reads: the promise of this cancel waits for it.
      void response.clone().body!.cancel()
      expect((yield* budget.snapshot).open).toBe(1)
      yield* Effect.promise(() => response.json())
      expect(yield* spentOf(budget)).toEqual(usual)
      yield* expectAtRest(budget)
    })
  )

  it.effect("ends once for each copy, whatever is done with a body that is stale or has been read", () =>
    Effect.gen(function* () {
      const { budget, fetch } = yield* setUp(() => Response.json(answered()))
      const response = yield* Effect.promise(() => fetch(chatUrl, post()))
      const stale = response.body!
      const copy = response.clone()
      void stale.cancel().catch(() => {})
      void response.body!.cancel()
      expect((yield* budget.snapshot).open).toBe(1)
      const reader = copy.body!.getReader()
      yield* Effect.promise(() => reader.read())
      expect(yield* settle(copy.text())).toBeInstanceOf(TypeError)
      expect((yield* budget.snapshot).open).toBe(1)
      yield* Effect.promise(() => reader.read())
      expect(yield* spentOf(budget)).toEqual(usual)
      yield* expectAtRest(budget)
    })
  )

  it.effect("reports all that it reports, also when its first event is long and there are many", () =>
    Effect.gen(function* () {
      const padding = "x".repeat(5_000)
      const usage = { input_tokens: 9, output_tokens: 1 }
      const stream = sse(
        { type: "message_start", message: { model: "claude-haiku-4-5", padding, usage } },
        ...Array.from({ length: 100 }, () => ({
          type: "content_block_delta",
          delta: { type: "text_delta", text: `word ${padding.slice(0, 900)}` }
        })),
        { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 20 } },
        { type: "message_stop" }
      )
      const { budget, fetch } = yield* setUp(() => events(stream))
      yield* Effect.promise(async () => (await fetch(messagesUrl, post())).text())
      expect(yield* spentOf(budget)).toEqual(usual)
    })
  )

  it.effect("arrives piece by piece: the first before the second is sent", () =>
    Effect.gen(function* () {
      const { promise: latch, resolve: open } = makeLatch()
      const encoder = new TextEncoder()
      let pulls = 0
      const source = new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            pulls++
            if (pulls === 1) return controller.enqueue(encoder.encode(sse(delta("Hello"))))
            await latch
            controller.enqueue(encoder.encode(sse({ ...answered(), choices: [] }, "[DONE]")))
            controller.close()
          }
        },
        { highWaterMark: 0 }
      )
      const { budget, fetch } = yield* setUp(() => events(source))
      const reader = (yield* Effect.promise(() => fetch(chatUrl, post()))).body!.getReader()
      yield* turn
      expect(pulls).toBe(0)
      const first = yield* Effect.promise(() => reader.read())
      expect(new TextDecoder().decode(first.value)).toBe(sse(delta("Hello")))
      expect((yield* budget.snapshot).open).toBe(1)
      open()
      yield* Effect.promise(() => reader.read())
      expect(yield* Effect.promise(() => reader.read())).toMatchObject({ done: true })
      expect(yield* spentOf(budget)).toEqual(usual)
      yield* expectAtRest(budget)
    })
  )

  it.effect("says the same usage however it is split, also in the middle of a character", () =>
    Effect.promise(() =>
      forEachSeed({ name: "random chunkings", runs: 100 }, (random) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const isCut = random.chance(0.3)
              const words = ["é😀漢字 ", "plain ", 'ü\\"\n']
              const texts = Array.from({ length: random.int(1, 5) }, () => delta(random.pick(words)))
              const newline = random.pick(["\n", "\r\n"])
              const whole = sse(...texts, ...(isCut ? [] : [{ ...answered(), choices: [] }, "[DONE]"]))
              const bytes = new TextEncoder().encode(whole.replaceAll("\n", newline))
              const chunks: Array<Uint8Array> = []
              for (let at = 0; at < bytes.length;) {
                const length = random.int(1, random.pick([1, 3, 40]))
                chunks.push(bytes.slice(at, at + length))
                at += length
              }
              random.note({ isCut, lengths: chunks.map(({ length }) => length) })
              const answer = () =>
                events(
                  new ReadableStream({
                    start(controller) {
                      for (const chunk of chunks) controller.enqueue(chunk)
                      controller.close()
                    }
                  })
                )
              const pieced = yield* setUp(answer)
              const atOnce = yield* setUp(() => events(bytes))
              const passed: Array<number> = []
              yield* Effect.promise(async () => {
                for await (const chunk of (await pieced.fetch(chatUrl, post())).body!) passed.push(...chunk)
                await (await atOnce.fetch(chatUrl, post())).text()
              })
              expect(passed).toEqual([...bytes])
              expect(yield* spentOf(pieced.budget)).toEqual(yield* spentOf(atOnce.budget))
              if (!isCut) expect(yield* spentOf(pieced.budget)).toEqual(usual)
              yield* expectAtRest(pieced.budget, atOnce.budget)
            })
          )
        )
      )
    )
  )

  it.effect("is not forgotten while its stream is read and nobody holds the response", () =>
    Effect.gen(function* () {
      setFlagsFromString("--expose-gc")
      const gc: () => void = runInNewContext("gc")
      const latch = makeLatch()
      const encoder = new TextEncoder()
      let pulls = 0
      const answer = () =>
        events(
          new ReadableStream<Uint8Array>(
            {
              async pull(controller) {
                if (++pulls > 1) await latch.promise
                controller.enqueue(encoder.encode(pulls === 1 ? sse(delta("a")) : sse({ ...answered(), choices: [] })))
                if (pulls > 1) controller.close()
              }
            },
            { highWaterMark: 0 }
          )
        )
      const { budget, fetch } = yield* setUp(answer)
      const open = async () => (await fetch(chatUrl, post())).body!.getReader()
      const reader = yield* Effect.promise(open)
      yield* Effect.promise(() => reader.read())
      for (let round = 0; round < 10; round++) {
        gc()
        yield* turn
      }
      expect((yield* budget.snapshot).open).toBe(1)
      latch.resolve()
      yield* Effect.promise(() => reader.read())
      yield* Effect.promise(() => reader.read())
      expect(yield* spentOf(budget)).toEqual(usual)
      yield* expectAtRest(budget)
    })
  )

  it.effect("that nobody can read any more is charged as it was estimated", () =>
    Effect.gen(function* () {
      setFlagsFromString("--expose-gc")
      const gc: () => void = runInNewContext("gc")
      const { budget, estimates, fetch } = yield* setUp(() => Response.json(answered()))
      yield* Effect.promise(async () => void (await fetch(chatUrl, post())))
      yield* until(() => (gc(), Effect.runSync(budget.snapshot).open === 0))
      expect(yield* totalOf(budget)).toBe(estimates[0])
      yield* expectAtRest(budget)
    })
  )
})

describe("how calls end", () => {
  it.effect("a refused connection costs nothing", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000_000)] })
      const fetch = yield* BudgetedFetch.make({ budget })
      const server = createServer()
      yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)))
      const address = server.address()
      const port = typeof address === "object" ? address?.port : undefined
      yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      const error = yield* settle(fetch(`http://127.0.0.1:${port}/v1/chat/completions`, post()))
      expect(error).toBeInstanceOf(TypeError)
      expect(yield* spentOf(budget)).toEqual(nothing)
      yield* expectAtRest(budget)
    })
  )

  it.effect(
    "a connection that is reset after the request was sent costs the estimate, and the error is passed on",
    () =>
      Effect.gen(function* () {
        const cause = Object.assign(new Error("reset"), { code: "ECONNRESET" })
        const failure = new TypeError("fetch failed", { cause })
        const { budget, estimates, fetch } = yield* setUp(() => Promise.reject(failure))
        expect(yield* settle(fetch(chatUrl, post()))).toBe(failure)
        expect(yield* totalOf(budget)).toBe(estimates[0])
        yield* expectAtRest(budget)
      })
  )

  for (const status of [400, 401, 404, 429, 500, 503, 529]) {
    it.effect(`an answer of ${status} costs a request and no tokens, before anybody reads it`, () =>
      Effect.gen(function* () {
        const { budget, fetch } = yield* setUp(() => Response.json({ error: {} }, { status }))
        const response = yield* Effect.promise(() => fetch(chatUrl, post()))
        expect(response.status).toBe(status)
        expect(yield* spentOf(budget)).toEqual({ requests: 1, inputTokens: 0, outputTokens: 0 })
        yield* expectAtRest(budget)
        expect(yield* Effect.promise(() => response.json())).toEqual({ error: {} })
      })
    )
  }

  it.effect("malformed JSON costs the estimate, and the reader gets its error", () =>
    Effect.gen(function* () {
      const { budget, estimates, fetch } = yield* setUp(() => new Response("{malformed"))
      const response = yield* Effect.promise(() => fetch(chatUrl, post()))
      expect(yield* settle(response.json())).toBeInstanceOf(SyntaxError)
      expect(yield* totalOf(budget)).toBe(estimates[0])
      yield* expectAtRest(budget)
    })
  )

  it.effect("a cut stream costs its estimated input and the output that was seen", () =>
    Effect.gen(function* () {
      const failure = new Error("cut")
      let pulls = 0
      const source = () =>
        new ReadableStream<Uint8Array>({
          pull(controller) {
            if (pulls++ === 0) controller.enqueue(new TextEncoder().encode(sse(delta("one two three four"))))
            else controller.error(failure)
          }
        })
      const { budget, estimates, fetch } = yield* setUp(() => events(source()))
      const response = yield* Effect.promise(() => fetch(chatUrl, post()))
      expect(yield* settle(response.text())).toBe(failure)
      // text() sees nothing of what came: the estimate.
      expect(yield* totalOf(budget)).toBe(estimates[0])

      pulls = 0
      const read = (yield* Effect.promise(() => fetch(chatUrl, post()))).body!.getReader()
      yield* Effect.promise(() => read.read())
      expect(yield* settle(read.read())).toBe(failure)
      const { inputTokens, outputTokens } = (yield* budget.snapshot).spent
      expect(inputTokens).toBe(2 * (estimates[0]! - 500))
      expect(outputTokens).toBeGreaterThanOrEqual(500 + 4)
      expect(outputTokens).toBeLessThanOrEqual(500 + 8)
      yield* expectAtRest(budget)
    })
  )

  it.effect("a stream without a report costs the same, and a cancelled one at least what was reported", () =>
    Effect.gen(function* () {
      const { budget, estimates, fetch } = yield* setUp((body) =>
        body.includes("claude")
          ? events(
              sse(
                { type: "message_start", message: { model: "m", usage: { input_tokens: 7, output_tokens: 1 } } },
                { type: "content_block_delta", delta: { text: "one two three four five six" } }
              )
            )
          : events(sse(delta("one two three four"), "[DONE]"))
      )
      yield* Effect.promise(async () => (await fetch(chatUrl, post())).text())
      const first = yield* spentOf(budget)
      expect(first.inputTokens).toBe(estimates[0]! - 500)
      expect(first.outputTokens).toBeLessThanOrEqual(8)
      yield* Effect.promise(async () => {
        const response = await fetch(messagesUrl, post(question({ model: "claude-sonnet-4-5" })))
        const reader = response.body!.getReader()
        await reader.read()
        await reader.cancel()
      })
      const second = yield* spentOf(budget)
      expect(second.inputTokens - first.inputTokens).toBe(7)
      expect(second.outputTokens - first.outputTokens).toBeGreaterThanOrEqual(6)
      yield* expectAtRest(budget)
    })
  )

  it.effect("an unread response is charged as it was estimated when the scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000_000)] })
      const fetch = yield* Scope.provide(
        BudgetedFetch.make({ budget, fetch: async () => Response.json(answered()) }),
        scope
      )
      const response = yield* Effect.promise(() => fetch(chatUrl, post()))
      const reserved = (yield* budget.snapshot).limits[0]!.reserved
      yield* Scope.close(scope, Exit.void)
      expect(yield* totalOf(budget)).toBe(reserved)
      yield* Effect.promise(() => response.json())
      expect(yield* totalOf(budget)).toBe(reserved)
      yield* expectAtRest(budget)
      expect(String(yield* settle(fetch(chatUrl, post())))).toContain("closed")
    })
  )

  it.effect("who waits when the scope closes is not admitted later: nothing is sent, nothing charged", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(1)] })
      let sent = 0
      const provider = async () => (sent++, Response.json(answered()))
      const fetch = yield* Scope.provide(BudgetedFetch.make({ budget, fetch: provider }), scope)
      const other = yield* BudgetedFetch.make({ budget, fetch: provider })
      const first = yield* Effect.promise(() => other(chatUrl, post()))
      const second = settle(fetch(chatUrl, post()))
      const fiber = yield* Effect.forkChild(second)
      yield* until(() => waiting(budget) === 1)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.promise(() => first.json())
      expect(String(yield* Fiber.join(fiber))).toContain("closed")
      expect(sent).toBe(1)
      expect(yield* spentOf(budget)).toEqual(usual)
      yield* expectAtRest(budget)
    })
  )

  it.effect("calls aborted at random moments leave nothing reserved", () =>
    Effect.promise(() =>
      forEachSeed({ name: "random aborts", runs: 15 }, (random) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const turns = async (count: number) => {
                for (let left = count; left > 0; left--) await new Promise<void>((resolve) => setImmediate(resolve))
              }
              const stream = (signal: AbortSignal | undefined) => {
                let left = random.int(0, 5)
                const text = new TextEncoder()
                return new ReadableStream<Uint8Array>({
                  start: (controller) => signal?.addEventListener("abort", () => controller.error(signal.reason)),
                  async pull(controller) {
                    await turns(random.int(0, 2))
                    if (signal?.aborted === true) return
                    if (left-- > 0) return controller.enqueue(text.encode(sse(delta("word "))))
                    controller.enqueue(text.encode(sse({ ...answered(), choices: [] }, "[DONE]")))
                    controller.close()
                  }
                })
              }
              const limits = [Limit.concurrency(3), Limit.cap("tokens", 1_000_000)]
              const { budget, fetch } = yield* setUp(
                async (_, signal) => {
                  await turns(random.int(0, 3))
                  if (signal?.aborted === true) throw signal.reason
                  if (random.chance(0.2)) return Response.json({}, { status: 500 })
                  return random.chance(0.5) ? Response.json(answered()) : events(stream(signal))
                },
                { limits }
              )
              const call = async () => {
                const abort = new AbortController()
                const after = random.int(0, 25)
                random.note({ after })
                if (after === 0) abort.abort()
                else void turns(after).then(() => abort.abort())
                try {
                  await (await fetch(chatUrl, post(question(), { signal: abort.signal }))).text()
                } catch (error) {
                  expect(error).toBe(abort.signal.reason)
                }
              }
              yield* Effect.promise(() => Promise.all(Array.from({ length: 30 }, call)))
              yield* expectAtRest(budget)
            })
          )
        )
      )
    )
  )

  it.effect("an abort in line leaves no trace, and a signal that is already aborted sends nothing", () =>
    Effect.gen(function* () {
      const { budget, fetch, sent } = yield* setUp(() => Response.json(answered()), { limits: [Limit.concurrency(1)] })
      const first = yield* Effect.promise(() => fetch(chatUrl, post()))
      const abort = new AbortController()
      const fiber = yield* Effect.forkChild(settle(fetch(chatUrl, post(question(), { signal: abort.signal }))))
      yield* until(() => waiting(budget) === 1)
      const reason = new Error("enough")
      abort.abort(reason)
      expect(yield* Fiber.join(fiber)).toBe(reason)
      expect(waiting(budget)).toBe(0)
      expect(yield* settle(fetch(chatUrl, post(question(), { signal: abort.signal })))).toBe(reason)
      const request = new Request(chatUrl, post(question(), { signal: AbortSignal.abort(reason) }))
      expect(yield* settle(fetch(request))).toBe(reason)
      yield* Effect.promise(() => first.json())
      expect(sent).toHaveLength(1)
      expect(yield* spentOf(budget)).toEqual(usual)
      yield* expectAtRest(budget)
    })
  )
})

describe("refusals", () => {
  it.effect("look like the provider's own, and say when to come back to the millisecond", () =>
    Effect.gen(function* () {
      const limits = [Limit.slidingWindow("requests", 1, "1 minute")]
      const { budget, fetch, sent } = yield* setUp(() => Response.json(answered()), { limits, maxWait: 0 })
      yield* Effect.promise(async () => (await fetch(chatUrl, post())).json())
      yield* TestClock.adjust(17_345)
      const refusal = yield* Effect.promise(() => fetch(chatUrl, post()))
      expect(refusal.status).toBe(429)
      expect(Object.fromEntries(refusal.headers)).toEqual({
        "content-type": "application/json",
        "retry-after": "43",
        "retry-after-ms": "42655",
        "x-should-retry": "true",
        "x-effect-budget": "WindowExceeded"
      })
      expect(yield* Effect.promise(() => refusal.json())).toMatchObject({
        error: { type: "rate_limit_exceeded", code: "rate_limit_exceeded" }
      })
      yield* TestClock.adjust(42_654)
      const again = yield* Effect.promise(() => fetch(chatUrl, post()))
      expect(again.headers.get("retry-after-ms")).toBe("1")
      yield* TestClock.adjust(1)
      expect((yield* Effect.promise(() => fetch(chatUrl, post()))).status).toBe(200)
      expect(sent).toHaveLength(2)
      expect((yield* budget.snapshot).open).toBe(1)
    })
  )

  it.effect("say that coming back is in vain where it is", () =>
    Effect.gen(function* () {
      const limits = [Limit.cap("tokens", 100)]
      const { fetch, sent } = yield* setUp(() => Response.json(answered()), { limits })
      const refusal = yield* Effect.promise(() => fetch(messagesUrl, post(question({ model: "claude-sonnet-4-5" }))))
      expect(refusal.status).toBe(429)
      expect(refusal.headers.get("x-should-retry")).toBe("false")
      expect(refusal.headers.get("retry-after")).toBeNull()
      expect(yield* Effect.promise(() => refusal.json())).toMatchObject({
        type: "error",
        error: { type: "rate_limit_error" }
      })
      expect(sent).toEqual([])
    })
  )

  it.effect("are thrown on demand", () =>
    Effect.gen(function* () {
      const { fetch, sent } = yield* setUp(() => Response.json(answered()), {
        limits: [Limit.cap("tokens", 100)],
        onRefusal: "throw"
      })
      expect(yield* settle(fetch(chatUrl, post()))).toMatchObject({ _tag: "BudgetError" })
      expect(sent).toEqual([])
    })
  )

  it.effect("an unknown model is refused where a limit counts money, and passes with its tokens where none does", () =>
    Effect.gen(function* () {
      const body = question({ model: "nobody-knows-1" })
      const counting = yield* setUp(() => Response.json(answered()), { limits: [usd] })
      const refusal = yield* Effect.promise(() => counting.fetch(chatUrl, post(body)))
      expect([refusal.status, refusal.headers.get("x-should-retry")]).toEqual([400, "false"])
      expect(refusal.headers.get("x-effect-budget")).toBe("UnknownModel")
      expect(counting.sent).toEqual([])
      const plain = yield* setUp(() => Response.json({ ...answered(), model: "nobody-knows-1" }))
      yield* Effect.promise(async () => (await plain.fetch(chatUrl, post(body))).json())
      expect(yield* spentOf(plain.budget)).toEqual(usual)
      yield* expectAtRest(counting.budget, plain.budget)
    })
  )

  it.effect("a call that may cost more than a single one may is refused before anything is sent", () =>
    Effect.gen(function* () {
      const { budget, fetch, sent } = yield* setUp(() => Response.json(answered()), {
        limits: [Limit.perCall("usd", 0.01)]
      })
      const dear = yield* Effect.promise(() => fetch(chatUrl, post(question({ max_tokens: 100_000 }))))
      expect([dear.status, dear.headers.get("x-should-retry")]).toEqual([429, "false"])
      expect(sent).toEqual([])
      yield* Effect.promise(async () => (await fetch(chatUrl, post())).json())
      expect(sent).toHaveLength(1)
      yield* expectAtRest(budget)
    })
  )
})

describe("what is sent", () => {
  it.effect("is shorter where there is no room for the whole, and nothing else of it changes", () =>
    Effect.gen(function* () {
      const { budget, fetch, sent } = yield* setUp(() => Response.json(answered()), {
        limits: [Limit.cap("tokens", 300)],
        leastOutputTokens: 50
      })
      const body = question({ temperature: 0.25, metadata: { a: [1, "ü"] } })
      yield* Effect.promise(async () => (await fetch(chatUrl, post(body))).json())
      const { max_tokens, ...rest } = JSON.parse(sent[0]!)
      const { max_tokens: asked, ...whole } = body
      expect(rest).toEqual(whole)
      expect(max_tokens).toBeGreaterThan(200)
      expect(max_tokens).toBeLessThan(300)
      expect(asked).toBe(500)
      yield* expectAtRest(budget)
    })
  )

  it.effect("is reserved as experience says, and experience learns what was written", () =>
    Effect.gen(function* () {
      const notes: Array<unknown> = []
      const history: OutputHistory.OutputHistory = {
        snapshot: () => [],
        expect: (_, allowed) => Math.min(allowed, 40),
        note: (kind, tokens) => notes.push({ ...kind, ...tokens })
      }
      yield* Effect.gen(function* () {
        const { budget, estimates, fetch } = yield* setUp(() => Response.json(answered()))
        yield* Effect.promise(async () => (await fetch(chatUrl, post())).json())
        expect(estimates[0]).toBeLessThan(60)
        yield* expectAtRest(budget)
      }).pipe(Effect.provideService(OutputHistory.OutputHistory, history))
      expect(notes).toEqual([{ model: "gpt-4o-mini", operation: "chat", allowed: 500, reserved: 40, written: 20 }])
    })
  )
})

describe("what the provider says of its limits", () => {
  it.effect("tightens the window that stands for the key", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 90_000, "1 minute")] })
      const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 90_000)], within: [key] })
      const headers = {
        "x-ratelimit-limit-tokens": "100000",
        "x-ratelimit-remaining-tokens": "1000",
        "x-ratelimit-reset-tokens": "6m0s"
      }
      const fetch = yield* BudgetedFetch.make({
        budget: run,
        fetch: async () => Response.json(answered(), { headers })
      })
      yield* Effect.promise(async () => (await fetch(chatUrl, post())).json())
      const available = (yield* key.snapshot).limits[0]!.available
      expect(available).toBeGreaterThanOrEqual(1_000)
      expect(available).toBeLessThanOrEqual(1_000 + 600)
      expect((yield* run.snapshot).limits[0]!.used).toBe(29)
    })
  )

  it.effect("pauses everyone who shares the key after a 429, once, and they resume one by one", () =>
    Effect.gen(function* () {
      const key = yield* Budget.make({ name: "key", limits: [] })
      const runs = [
        yield* Budget.make({ name: "one", limits: [], within: [key] }),
        yield* Budget.make({ name: "two", limits: [], within: [key] })
      ]
      const arrivals: Array<number> = []
      const latch = makeLatch()
      let under = 0
      const clock = yield* TestClock.testClockWith((clock) => Effect.succeed(clock))
      const fetches = yield* Effect.forEach(runs, (budget) =>
        BudgetedFetch.make({
          budget,
          fetch: async () => {
            arrivals.push(clock.currentTimeMillisUnsafe())
            if (arrivals.length > 4) return Response.json(answered())
            under++
            await latch.promise
            return Response.json({ error: {} }, { status: 429, headers: { "retry-after": "20" } })
          }
        })
      )
      const call = (index: number) => settle(fetches[index % 2]!(chatUrl, post()).then((response) => response.json()))
      const refused = yield* Effect.forkChild(Effect.forEach([0, 1, 2, 3], call, { concurrency: "unbounded" }))
      yield* until(() => under === 4)
      latch.resolve()
      yield* Fiber.join(refused)
      expect((yield* key.snapshot).pausedUntil).toBe(20_000)
      expect(waiting(key)).toBe(0)

      const retried = yield* Effect.forkChild(Effect.forEach([0, 1, 2, 3, 4, 5], call, { concurrency: "unbounded" }))
      yield* until(() => waiting(key) === 6)
      yield* TestClock.adjust(19_999)
      yield* turn
      expect(arrivals).toHaveLength(4)
      for (const millis of [1, 1_000, 500, 500, 250, 250, 250]) {
        yield* TestClock.adjust(millis)
        yield* turn
        yield* turn
      }
      yield* Fiber.join(retried)
      expect(arrivals.slice(4)).toEqual([20_000, 21_000, 21_500, 22_000, 22_250, 22_500])
      yield* expectAtRest(key, ...runs)
    })
  )

  it.effect("a Retry-After of 0 ends no pause that is on", () =>
    Effect.gen(function* () {
      const waits = ["30", "0"]
      const latch = makeLatch()
      let under = 0
      const { budget, fetch } = yield* setUp(async () => {
        const wait = waits[under++]!
        if (wait === "0") await latch.promise
        return Response.json({ error: {} }, { status: 429, headers: { "retry-after": wait } })
      })
      const second = fetch(chatUrl, post())
      const third = fetch(chatUrl, post())
      yield* Effect.promise(() => second)
      expect((yield* budget.snapshot).pausedUntil).toBe(30_000)
      latch.resolve()
      yield* Effect.promise(() => third)
      expect((yield* budget.snapshot).pausedUntil).toBe(30_000)
    })
  )

  it("without Retry-After it stays away for 1, 2, 4 seconds …, as long as a minute, until a call is answered", () => {
    const backoff = new Backoff()
    const throttled = { windows: [], retryAfterMillis: undefined }
    let now = 0
    const waits: Array<number> = []
    for (let time = 0; time < 9; time++) {
      const end = backoff.pauseUntil(throttled, 429, now)!
      // Those that were under way together are one reason, not many.
      expect(backoff.pauseUntil(throttled, 429, end - 1)).toBe(end)
      waits.push(end - now)
      now = end
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
    backoff.reset()
    expect(backoff.pauseUntil(throttled, 429, now)).toBe(now + 1_000)
    expect(backoff.pauseUntil(throttled, 500, now)).toBeUndefined()
    expect(backoff.pauseUntil({ windows: [], retryAfterMillis: 5 }, 503, now)).toBe(now + 5)
    expect(backoff.pauseUntil({ windows: [], retryAfterMillis: 5 }, 200, now)).toBeUndefined()
    expect(backoff.pauseUntil({ windows: [], retryAfterMillis: 0 }, 503, now)).toBeUndefined()
    const empty = { meter: "tokens" as const, limit: 10, remaining: 0, resetMillis: 7_000 }
    expect(backoff.pauseUntil({ windows: [empty], retryAfterMillis: undefined }, 429, now)).toBe(now + 7_000)
  })

  it.effect("each key backs off by itself, and any answer ends it", () =>
    Effect.gen(function* () {
      const keys = [
        yield* Budget.make({ name: "a", limits: [Limit.cap("requests", 100)] }),
        yield* Budget.make({ name: "b", limits: [Limit.cap("requests", 100)] })
      ] as const
      const governor = yield* Governor.make({ budget: Run }).pipe(Effect.provideService(Run, keys[0]))
      const call: Dialect.Call = {
        operation: "chat",
        model: "gpt-4o-mini",
        texts: [],
        otherInputTokens: 1,
        maxOutputTokens: 1,
        answers: 1,
        isStreamed: true
      }
      const hear = (key: Budget.Budget, status: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const open = yield* Effect.provideService(governor.admit(call), Run, key)
            yield* open.hear({ windows: [], retryAfterMillis: undefined }, status)
          })
        )
      const pausedUntil = (key: Budget.Budget) => Effect.map(key.snapshot, ({ pausedUntil }) => pausedUntil)
      yield* hear(keys[0], 429)
      yield* TestClock.adjust("20 seconds")
      yield* hear(keys[0], 429)
      expect(yield* pausedUntil(keys[0])).toBe(22_000)
      yield* hear(keys[1], 429)
      expect(yield* pausedUntil(keys[1])).toBe(21_000)
      yield* TestClock.adjust("20 seconds")
      yield* hear(keys[0], 200)
      yield* hear(keys[0], 429)
      expect(yield* pausedUntil(keys[0])).toBe(41_000)
    })
  )
})

class Run extends Budget.Service<Run>()("test/Run", { limits: [] }) {}

describe("what is over", () => {
  it.effect("was charged as it was estimated when it had been sent, also where the scope has failed", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
      const scope = yield* Scope.make()
      const fetch = yield* Scope.provide(
        BudgetedFetch.make({ budget, fetch: async () => Response.json(answered()) }),
        scope
      )
      const response = yield* Effect.promise(() => fetch(chatUrl, post()))
      const { reserved } = (yield* budget.snapshot).limits[0]!
      yield* Scope.close(scope, Exit.fail("elsewhere"))
      yield* Effect.promise(() => response.json())
      expect(yield* totalOf(budget)).toBe(reserved)
      expect(reserved).toBeGreaterThan(500)
      yield* expectAtRest(budget)
    })
  )

  it.effect("before it begins, because its signal was aborted, is neither sent nor charged", () =>
    Effect.gen(function* () {
      const { budget, fetch, sent } = yield* setUp(() => Response.json(answered()))
      // The first call has loaded what there is to load: from now on nothing has to wait.
      yield* Effect.promise(async () => (await fetch(chatUrl, post())).json())
      const error = yield* settle(fetch(chatUrl, post(question(), { signal: AbortSignal.abort("enough") })))
      expect(error).toBe("enough")
      expect(sent).toHaveLength(1)
      expect(yield* spentOf(budget)).toEqual(usual)
      yield* expectAtRest(budget)
    })
  )

  it.effect("while its stream is still read is not over, also where the stream was taken late", () =>
    Effect.gen(function* () {
      setFlagsFromString("--expose-gc")
      const gc: () => void = runInNewContext("gc")
      const latch = makeLatch()
      let pulls = 0
      const answer = () =>
        events(
          new ReadableStream<Uint8Array>({
            async pull(controller) {
              if (++pulls > 1) await latch.promise
              const text = pulls === 1 ? sse(delta("a")) : sse({ ...answered(), choices: [] })
              controller.enqueue(new TextEncoder().encode(text))
              if (pulls > 1) controller.close()
            }
          })
        )
      const { budget, fetch } = yield* setUp(answer)
      const open = async () => {
        const response = await fetch(chatUrl, post())
        await new Promise((resolve) => setTimeout(resolve, 0))
        return response.body!.getReader()
      }
      const reader = yield* Effect.promise(open)
      yield* Effect.promise(() => reader.read())
      for (let round = 0; round < 10; round++) {
        gc()
        yield* turn
      }
      expect((yield* budget.snapshot).open).toBe(1)
      latch.resolve()
      yield* Effect.promise(() => reader.read())
      yield* Effect.promise(() => reader.read())
      expect(yield* spentOf(budget)).toEqual(usual)
    })
  )
})
