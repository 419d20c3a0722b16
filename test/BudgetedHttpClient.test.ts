import { LLMock } from "@copilotkit/aimock"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Budget, BudgetedHttpClient, BudgetError, Deadline, Limit } from "effect-budget"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { expectAtRest } from "../src/BudgetTesting.ts"
import { makeBreaker } from "./support/circuit.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"

const usage = { prompt_tokens: 9, completion_tokens: 20, total_tokens: 29 }

const ask = (base: string, body: object = {}) =>
  HttpClientRequest.post(`${base}/v1/chat/completions`).pipe(
    HttpClientRequest.bodyJsonUnsafe({
      model: "gpt-4o-mini",
      messages: [{ role: "user", content: "hello" }],
      max_completion_tokens: 100,
      ...body
    })
  )

const openAi = "https://api.openai.com"

/** What `ask` reserves: 4 tokens of texts and 6 that frame them, besides 100 of output. */
const estimate = 110

const run = Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000), Limit.concurrency(2)] })

const used = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ limits }) => limits[0]?.used)

const answering = (respond: (request: HttpClientRequest.HttpClientRequest) => Response) =>
  HttpClient.make((request) => Effect.sync(() => HttpClientResponse.fromWeb(request, respond(request))))

const mockProvider = Effect.acquireRelease(
  Effect.promise(async () => {
    const mock = new LLMock({ port: 0 })
    mock.onMessage("hello", { content: "Good morning, what can I do for you?", usage })
    await mock.start()
    return { mock, url: mock.url }
  }),
  ({ mock }) => Effect.promise(() => mock.stop())
)

const clients = [
  ["fetch", FetchHttpClient.layer],
  ["node:http", NodeHttpClient.layerNodeHttp],
  ["undici", NodeHttpClient.layerUndici]
] as const

describe.each(clients)("BudgetedHttpClient over %s, against a mock provider", (_, clientLayer) => {
  it.live("settles what an answer in JSON reports, and changes nothing of it", () =>
    Effect.gen(function* () {
      const mock = yield* mockProvider
      const budget = yield* run
      const bare = yield* HttpClient.HttpClient
      const client = yield* BudgetedHttpClient.make(bare, { budget })

      const response = yield* client.execute(ask(mock.url))
      const body = yield* response.json
      expect(response.status).toBe(200)
      expect(body).toMatchObject({ usage, choices: [{ message: { content: "Good morning, what can I do for you?" } }] })
      expect(yield* used(budget)).toBe(29)
      yield* expectAtRest(budget)
    }).pipe(Effect.provide(clientLayer))
  )

  it.live("settles a stream when its report has passed by, and passes the same bytes on", () =>
    Effect.gen(function* () {
      const mock = yield* mockProvider
      const budget = yield* run
      const bare = yield* HttpClient.HttpClient
      const client = yield* BudgetedHttpClient.make(bare, { budget })
      const request = ask(mock.url, { stream: true, stream_options: { include_usage: true } })

      const text = yield* client.execute(request).pipe(
        Effect.map((response) => response.stream),
        Stream.unwrap,
        Stream.decodeText,
        Stream.mkString
      )
      expect(text).toContain('"usage":{"prompt_tokens":9')
      expect(text).toMatch(/data: \[DONE\]\n\n$/)
      expect(yield* used(budget)).toBe(29)
      yield* expectAtRest(budget)
    }).pipe(Effect.provide(clientLayer))
  )

  it.live("charges nothing when no connection can be made", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(mockProvider)
      const budget = yield* run
      const bare = yield* HttpClient.HttpClient
      const client = yield* BudgetedHttpClient.make(bare, { budget })

      const error = yield* Effect.flip(client.execute(ask(url)))
      expect(error).toBeInstanceOf(HttpClientError.HttpClientError)
      expect((yield* budget.snapshot).spent.requests).toBe(0)
      yield* expectAtRest(budget)
    }).pipe(Effect.provide(clientLayer))
  )
})

describe("BudgetedHttpClient", () => {
  it.effect("waits for room in the window, and its waiting can be interrupted", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 110, "1 minute")] })
      const client = yield* BudgetedHttpClient.make(
        answering(() => Response.json({ usage: { ...usage, prompt_tokens: 90 } })),
        { budget }
      )
      const call = Effect.flatMap(client.execute(ask(openAi)), (response) => response.json)

      yield* call
      const [waiting, interrupted] = [yield* Effect.forkChild(call), yield* Effect.forkChild(call)]
      yield* TestClock.adjust("59 seconds")
      yield* Fiber.interrupt(interrupted)
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      expect((yield* budget.snapshot).spent.requests).toBe(2)
      yield* expectAtRest(budget)
    })
  )

  it.effect("fails with the budget's error when it says no, before anything is sent", () =>
    Effect.gen(function* () {
      let sent = 0
      const budget = yield* run
      const client = yield* BudgetedHttpClient.make(
        answering(() => {
          sent++
          return Response.json({})
        }),
        { budget }
      )
      const error = yield* Effect.flip(client.execute(ask(openAi, { max_completion_tokens: 5_000 })))
      expect(error).toBeInstanceOf(BudgetError.BudgetError)
      expect(sent).toBe(0)
    })
  )

  it.effect("answers as the provider would where it is the client of the context", () =>
    Effect.gen(function* () {
      class Run extends Budget.Service<Run>()("test/Run", {
        limits: [Limit.slidingWindow("tokens", 110, "1 minute")]
      }) {}
      const provider = Layer.succeed(
        HttpClient.HttpClient,
        answering(() => Response.json({ usage: { ...usage, prompt_tokens: 90 } }))
      )
      const responses = yield* Effect.all([
        Effect.tap(HttpClient.execute(ask(openAi)), (response) => response.json),
        HttpClient.execute(ask(openAi))
      ]).pipe(
        Effect.provide(BudgetedHttpClient.layer({ budget: Run, maxWait: 0 })),
        Effect.provide(Layer.merge(provider, Run.layer))
      )
      expect(responses.map(({ status }) => status)).toEqual([200, 429])
      expect(responses[1]?.headers).toMatchObject({ "retry-after": "60", "x-effect-budget": "WindowExceeded" })
      expect(yield* responses[1]!.json).toMatchObject({ error: { code: "rate_limit_exceeded" } })
    })
  )

  it.effect("asks for a shorter answer when there is no room for the whole", () =>
    Effect.gen(function* () {
      const bodies: Array<unknown> = []
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 60)] })
      const client = yield* BudgetedHttpClient.make(
        answering(({ body }) => {
          if (body._tag === "Uint8Array") bodies.push(JSON.parse(new TextDecoder().decode(body.body)))
          return Response.json({ usage })
        }),
        { budget, leastOutputTokens: 10 }
      )
      yield* Effect.flatMap(client.execute(ask(openAi)), (response) => response.json)
      expect(bodies).toEqual([
        { model: "gpt-4o-mini", messages: [{ role: "user", content: "hello" }], max_completion_tokens: 50 }
      ])
    })
  )

  it.effect("lets what is no call of a model pass unbudgeted", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("requests", 0)] })
      const client = yield* BudgetedHttpClient.make(
        answering(() => new Response("ok")),
        { budget }
      )
      const response = yield* client.get("https://api.openai.com/v1/models")
      expect(yield* response.text).toBe("ok")
    })
  )

  it.effect("reserves anew for each attempt of HttpClient.retryTransient, after the provider's retry-after", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const clock = yield* TestClock.testClockWith(Effect.succeed)
      const budget = yield* run
      const client = yield* BudgetedHttpClient.make(
        answering(() => {
          sentAt.push(clock.currentTimeMillisUnsafe())
          return sentAt.length < 3
            ? new Response("", { status: 429, headers: { "retry-after": "7" } })
            : Response.json({ usage })
        }),
        { budget }
      )
      const retrying = HttpClient.retryTransient(client, { times: 2 })
      const call = yield* Effect.forkChild(Effect.flatMap(retrying.execute(ask(openAi)), (response) => response.json))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(call)
      expect(sentAt).toEqual([0, 7_000, 14_000])
      expect((yield* budget.snapshot).spent).toMatchObject({ requests: 3, outputTokens: 20 })
      yield* expectAtRest(budget)
    })
  )

  it.effect.each(["alone", "with a circuit", "under a deadline"])(
    "loses nothing, whatever operation is interrupted: %s",
    (mode) =>
      interruptAtEveryOperation(
        {
          operationsMin: 30,
          // Under a deadline what is sent has a fiber of its own.
          phases: mode === "under a deadline" ? ["asked", "answered", "read"] : ["asked", "sent", "answered", "read"],
          charges: [0, estimate, 29]
        },
        Effect.gen(function* () {
          let phase = "asked"
          const budget = yield* run
          const breaker = mode === "with a circuit" ? yield* makeBreaker() : undefined
          const gate = yield* Deferred.make<void>()
          const provider = HttpClient.make((request) =>
            Effect.gen(function* () {
              phase = "sent"
              yield* Deferred.await(gate)
              phase = "answered"
              return HttpClientResponse.fromWeb(request, Response.json({ usage }))
            })
          )
          const client = yield* BudgetedHttpClient.make(provider, { budget, breaker })
          const call = client.execute(ask(openAi)).pipe(
            Effect.tap(() =>
              Effect.sync(() => {
                phase = "read"
              })
            ),
            Effect.flatMap((response) => response.json)
          )
          return {
            call: mode === "under a deadline" ? Deadline.within("1 minute")(call) : call,
            meanwhile: Deferred.succeed(gate, undefined),
            phase: () => phase,
            charged: () => Effect.map(used(budget), (used) => used ?? Number.NaN)
          }
        })
      )
  )

  it.effect("cancels the body that an interrupted reader was reading, and charges the call", () =>
    Effect.gen(function* () {
      let isCancelled = false
      const budget = yield* run
      const body = new ReadableStream<Uint8Array>({
        pull: () => new Promise(() => {}),
        cancel: () => {
          isCancelled = true
        }
      })
      const client = yield* BudgetedHttpClient.make(
        answering(() => new Response(body, { headers: { "content-type": "application/json" } })),
        { budget }
      )
      const response = yield* client.execute(ask(openAi))
      const reading = yield* Effect.forkChild(response.json, { startImmediately: true })
      yield* Fiber.interrupt(reading)
      expect(isCancelled).toBe(true)
      expect(yield* used(budget)).toBe(estimate)
      yield* expectAtRest(budget)
    })
  )

  it.effect("sends nothing, and charges nothing, when its scope has closed", () =>
    Effect.gen(function* () {
      let sent = 0
      const budget = yield* run
      const provider = answering(() => {
        sent++
        return Response.json({ usage })
      })
      const client = yield* Effect.scoped(BudgetedHttpClient.make(provider, { budget }))
      const exit = yield* Effect.exit(client.execute(ask(openAi)))
      expect(exit._tag).toBe("Failure")
      expect([sent, yield* used(budget)]).toEqual([0, 0])
      yield* expectAtRest(budget)
    })
  )
})
