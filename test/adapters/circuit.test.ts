/**
 * The circuit of a budgeted `fetch`, `HttpClient` and `LanguageModel`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as AiResponse from "effect/ai/Response"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { CircuitBreakerError } from "effect/persistence/CircuitBreaker"
import { APIError, OpenAI } from "openai"
import type * as Breaker from "../../src/Breaker.ts"
import * as Budget from "../../src/Budget.ts"
import * as BudgetedFetch from "../../src/BudgetedFetch.ts"
import * as BudgetedHttpClient from "../../src/BudgetedHttpClient.ts"
import * as BudgetedLanguageModel from "../../src/BudgetedLanguageModel.ts"
import { expectAtRest } from "../../src/BudgetTesting.ts"
import * as CallFailure from "../../src/CallFailure.ts"
import * as Limit from "../../src/Limit.ts"
import { key, makeBreaker, openCircuit } from "../support/circuit.ts"
import { makeLatch, settle, until } from "../support/latch.ts"
import { forEachSeed } from "../support/random.ts"

const model = "gpt-4o-mini"
const url = "https://api.openai.com/v1/chat/completions"
const question = { model, messages: [{ role: "user" as const, content: "Hi" }], max_tokens: 100 }
const usage = { prompt_tokens: 9, completion_tokens: 20, total_tokens: 29 }
const answer = () =>
  Response.json({ model, choices: [{ index: 0, message: { role: "assistant", content: "Hello." } }], usage })
const failure = (status: number, headers: Record<string, string> = {}) =>
  Response.json({ error: { message: "no" } }, { status, headers })

const runScoped = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.provide(Effect.scoped(effect), TestClock.layer()))

const plenty = [Limit.cap("tokens", 1_000_000)]
const spent = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ spent }) => [spent.requests, spent.inputTokens + spent.outputTokens])

describe("a budgeted fetch with a circuit", () => {
  const setUp = Effect.fnUntraced(function* (
    respond: (signal: AbortSignal | undefined) => Response | Promise<Response>,
    options: Partial<BudgetedFetch.Options> & { readonly limits?: ReadonlyArray<Limit.Limit> } = {}
  ) {
    const { limits = plenty, ...rest } = options
    const breaker = options.breaker ?? (yield* makeBreaker())
    const budget = yield* Budget.make({ name: "run", limits })
    const asked: Array<number> = []
    const fetch = yield* BudgetedFetch.make({
      budget,
      ...rest,
      breaker,
      fetch: async (_, init) => {
        asked.push(asked.length)
        return respond(init?.signal ?? undefined)
      }
    })
    const client = new OpenAI({ apiKey: "none", fetch, maxRetries: 0 })
    const ask = (more: object = {}, init: { signal?: AbortSignal } = {}) =>
      settle(client.chat.completions.create({ ...question, ...more }, init))
    return { asked, ask, breaker, budget, client, fetch }
  })

  it.effect("refuses an openai client before anything is reserved, and says when to come back", () =>
    Effect.gen(function* () {
      let status = 503
      const { ask, asked, budget } = yield* setUp(() => (status === 200 ? answer() : failure(status)))
      yield* ask()
      yield* ask()
      yield* TestClock.adjust(1_001)
      const error = yield* ask()
      if (!(error instanceof APIError)) throw new Error("no APIError")
      expect([error.status, asked.length, yield* spent(budget)]).toEqual([503, 2, [2, 0]])
      expect(Object.fromEntries(error.headers ?? [])).toEqual({
        "content-type": "application/json",
        "retry-after": "4",
        "retry-after-ms": "3999",
        "x-should-retry": "true",
        "x-effect-budget": "CircuitOpen"
      })
      expect(CallFailure.of(error)).toMatchObject({ kind: "Withheld", ending: "Unsent" })
      yield* expectAtRest(budget)

      status = 200
      expect(yield* ask({ model: "gpt-4o" })).toMatchObject({ usage })
      yield* TestClock.adjust(3_999)
      expect(yield* ask()).toMatchObject({ usage })
      expect(yield* spent(budget)).toEqual([4, 58])
    })
  )

  it.live("makes an openai client wait until its circuit lets one try", () =>
    Effect.gen(function* () {
      const breaker = yield* makeBreaker({ openDuration: "50 millis" })
      yield* openCircuit(breaker)
      const { asked, client } = yield* setUp(answer, { breaker })
      const waited = yield* Effect.promise(() => client.chat.completions.create(question, { maxRetries: 2 }))
      expect([waited.usage, asked.length]).toEqual([usage, 1])
    })
  )

  it.effect("is opened by 5xx, 408 and lost connections, and by nothing else", () =>
    Effect.gen(function* () {
      const refused = () => Promise.reject(Object.assign(new TypeError("fetch failed"), { code: "ECONNREFUSED" }))
      const reset = () => Promise.reject(Object.assign(new TypeError("fetch failed"), { code: "ECONNRESET" }))
      const responses = [500, 503, 529, 408, 400, 401, 404, 422, 429].map(
        (status) => [String(status), () => failure(status, { "retry-after-ms": "1" })] as const
      )
      const opens: Array<string> = []
      for (const [name, respond] of [...responses, ["refused", refused], ["reset", reset], ["200", answer]] as const) {
        const { ask, breaker } = yield* setUp(respond)
        for (let call = 0; call < 2; call++) {
          const asking = yield* Effect.forkChild(ask())
          yield* until(() => asking.pollUnsafe() !== undefined)
          yield* TestClock.adjust(2_000)
        }
        if ((yield* breaker.state(key))._tag === "Open") opens.push(name)
      }
      expect(opens).toEqual(["500", "503", "529", "408", "refused", "reset"])
    })
  )

  it.effect("is not opened by aborts, nor by the refusals of a budget further in", () =>
    Effect.gen(function* () {
      const hanging = yield* setUp((signal) => new Promise((_, reject) => signal?.addEventListener("abort", reject)))
      for (let call = 1; call <= 3; call++) {
        const abort = new AbortController()
        const asking = yield* Effect.forkChild(hanging.ask({}, { signal: abort.signal }))
        yield* until(() => hanging.asked.length === call)
        abort.abort()
        yield* Fiber.join(asking)
      }
      expect(yield* hanging.breaker.state(key)).toMatchObject({ _tag: "Closed" })

      const inner = yield* setUp(answer)
      yield* openCircuit(inner.breaker)
      const outer = yield* setUp(() => inner.fetch(url, { method: "POST", body: JSON.stringify(question) }))
      for (let call = 0; call < 3; call++) expect(yield* outer.ask()).toMatchObject({ status: 503 })
      expect(yield* spent(outer.budget)).toEqual([0, 0])
      expect(yield* outer.breaker.state(key)).toMatchObject({ _tag: "Closed" })
      expect(inner.asked).toEqual([])
    })
  )

  it.effect("stays away as long as a Retry-After says", () =>
    Effect.gen(function* () {
      const { ask, breaker } = yield* setUp(() => failure(503, { "retry-after": "60" }))
      yield* ask()
      yield* TestClock.adjust("90 seconds")
      yield* ask()
      const state = yield* breaker.state(key)
      expect(state._tag === "Open" && state.retryAfter).toEqual(
        expect.objectContaining({ value: { _tag: "Millis", millis: 60_000 } })
      )
    })
  )

  it.effect("lets one try after a while, and refuses the others meanwhile", () =>
    Effect.gen(function* () {
      const latch = makeLatch()
      const { ask, asked, breaker, budget } = yield* setUp(() => latch.promise.then(answer))
      yield* openCircuit(breaker)
      yield* TestClock.adjust("5 seconds")
      const trying = yield* Effect.forkChild(ask())
      yield* until(() => asked.length === 1)
      const other = yield* ask()
      if (!(other instanceof APIError)) throw new Error("no APIError")
      const header = (name: string) => other.headers?.get(name)
      expect(other.status).toBe(503)
      expect([header("x-effect-budget"), header("x-should-retry"), header("retry-after")]).toEqual([
        "CircuitHalfOpen",
        "false",
        null
      ])
      latch.resolve()
      expect(yield* Fiber.join(trying)).toMatchObject({ usage })
      expect(yield* ask()).toMatchObject({ usage })
      yield* expectAtRest(budget)
    })
  )

  it.effect("does not send who was in line when it opened", () =>
    Effect.gen(function* () {
      const latch = makeLatch()
      const { ask, asked, breaker, budget } = yield* setUp(() => latch.promise.then(answer), {
        limits: [Limit.concurrency(1)]
      })
      const first = yield* Effect.forkChild(ask())
      yield* until(() => asked.length === 1)
      const second = yield* Effect.forkChild(ask())
      yield* until(() => Effect.runSync(budget.snapshot).waiting === 1)
      yield* openCircuit(breaker)
      latch.resolve()
      expect(yield* Fiber.join(first)).toMatchObject({ usage })
      expect(yield* Fiber.join(second)).toMatchObject({ status: 503 })
      expect([asked.length, yield* spent(budget)]).toEqual([1, [1, 29]])
      yield* expectAtRest(budget)
    })
  )

  it.effect("rejects with the circuit's own error on demand", () =>
    Effect.gen(function* () {
      const { breaker, fetch } = yield* setUp(answer, { onRefusal: "throw" })
      yield* openCircuit(breaker)
      expect(yield* settle(fetch(url, { method: "POST", body: JSON.stringify(question) }))).toBeInstanceOf(
        CircuitBreakerError
      )
    })
  )

  it.effect("knows a provider without an id by its host", () =>
    Effect.gen(function* () {
      const { breaker, fetch } = yield* setUp(() => failure(500))
      const ask = settle(
        fetch("https://llm.example:8443/v1/chat/completions", { method: "POST", body: JSON.stringify(question) })
      )
      yield* ask
      yield* settle(
        fetch("https://llm.example:8443/v1/chat/completions", { method: "POST", body: JSON.stringify(question) })
      )
      expect(yield* breaker.state("llm.example%3A8443/gpt-4o-mini")).toMatchObject({ _tag: "Open" })
    })
  )
})

/** How a provider that is asked answers: well, or with a status. */
type Provider = Effect.Effect<"well" | number>

/** Makes what asks a provider within a budget. */
type Adapter = (
  provider: Provider,
  budget: Budget.Budget,
  breaker: Breaker.CircuitBreaker
) => Effect.Effect<Effect.Effect<void, unknown>, never, Scope.Scope>

const finish: AiResponse.FinishPartEncoded = {
  type: "finish",
  reason: "stop",
  usage: { inputTokens: { total: 9 }, outputTokens: { total: 20 } }
}

const down = (status: number) =>
  AiError.make({
    module: "Fake",
    method: "ask",
    reason: AiError.reasonFromHttpStatus({ status, description: "no" })
  })

const languageModel = (method: "generateText" | "streamText") =>
  Effect.fnUntraced(function* (provider: Provider, budget: Budget.Budget, breaker: Breaker.CircuitBreaker) {
    const parts = Effect.flatMap(provider, (said) =>
      said === "well" ? Effect.succeed([finish]) : Effect.fail(down(said))
    )
    const bare = yield* LanguageModel.make({
      generateText: () => parts,
      streamText: () => Stream.unwrap(Effect.map(parts, Stream.fromIterable))
    })
    const options = { budget, breaker, model, provider: "openai", maxOutputTokens: 100 }
    const budgeted = yield* BudgetedLanguageModel.make(bare, options)
    const ask: Effect.Effect<void, AiError.AiError> =
      method === "generateText"
        ? Effect.asVoid(budgeted.generateText({ prompt: "Hi" }))
        : Stream.runDrain(budgeted.streamText({ prompt: "Hi" }))
    return ask
  })

const httpClient = Effect.fnUntraced(function* (
  provider: Provider,
  budget: Budget.Budget,
  breaker: Breaker.CircuitBreaker
) {
  const bare = HttpClient.make((request) =>
    Effect.map(provider, (said) => HttpClientResponse.fromWeb(request, said === "well" ? answer() : failure(said)))
  )
  const client = yield* BudgetedHttpClient.make(bare, { budget, breaker })
  const request = HttpClientRequest.post(url).pipe(HttpClientRequest.bodyJsonUnsafe(question))
  return Effect.flatMap(client.execute(request), (response): Effect.Effect<void, unknown> =>
    response.status === 200 ? Effect.asVoid(response.json) : Effect.fail(response)
  )
})

const adapters: ReadonlyArray<readonly [string, Adapter]> = [
  ["BudgetedHttpClient", httpClient],
  ["BudgetedLanguageModel, asked for a text", languageModel("generateText")],
  ["BudgetedLanguageModel, asked for a stream", languageModel("streamText")]
]

describe.each(adapters)("the circuit of %s", (name, make) => {
  const setUp = Effect.fnUntraced(function* (provider: Provider, limits: ReadonlyArray<Limit.Limit> = plenty) {
    const breaker = yield* makeBreaker()
    const budget = yield* Budget.make({ name: "run", limits })
    let asked = 0
    const counting = Effect.suspend(() => {
      asked++
      return provider
    })
    const ask = yield* make(counting, budget, breaker)
    return { ask, asked: () => asked, breaker, budget }
  })

  it.effect("opens when the provider fails, refuses before anything is reserved, and lets one try after a while", () =>
    Effect.gen(function* () {
      let said: "well" | number = 503
      const { ask, asked, budget } = yield* setUp(Effect.sync(() => said))
      yield* Effect.exit(ask)
      yield* Effect.exit(ask)
      const error = yield* Effect.flip(ask)
      expect(CallFailure.of(error)).toMatchObject({ kind: "Withheld", ending: "Unsent" })
      expect([asked(), yield* spent(budget)]).toEqual([2, [2, 0]])
      yield* expectAtRest(budget)
      said = "well"
      yield* TestClock.adjust("5 seconds")
      yield* ask
      yield* ask
      expect([asked(), yield* spent(budget)]).toEqual([4, [4, 58]])
    })
  )

  it.effect("is not opened by what is no matter of the provider's health", () =>
    Effect.gen(function* () {
      let said: number = 400
      const { ask, asked, breaker } = yield* setUp(
        Effect.suspend(() => (said === 0 ? Effect.never : Effect.succeed(said)))
      )
      for (said of [400, 429, 401, 0]) {
        for (let call = 0; call < 3; call++) {
          const before = asked()
          const asking = yield* Effect.forkChild(Effect.exit(ask))
          yield* until(() => asked() > before)
          yield* TestClock.adjust("2 minutes")
          yield* Fiber.interrupt(asking)
        }
      }
      expect(yield* breaker.state(key)).toMatchObject({ _tag: "Closed" })
    })
  )

  it.effect("does not send who was in line when it opened, and gives back what was reserved", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<"well">()
      const { ask, asked, breaker, budget } = yield* setUp(Deferred.await(gate), [Limit.concurrency(1)])
      const first = yield* Effect.forkChild(ask)
      yield* until(() => asked() === 1)
      const second = yield* Effect.forkChild(Effect.flip(ask))
      yield* until(() => Effect.runSync(budget.snapshot).waiting === 1)
      yield* openCircuit(breaker)
      // Who comes now does not get in line at all.
      expect(CallFailure.of(yield* Effect.flip(ask))).toMatchObject({ kind: "Withheld", ending: "Unsent" })
      yield* Deferred.succeed(gate, "well")
      yield* Fiber.join(first)
      expect(CallFailure.of(yield* Fiber.join(second))).toMatchObject({ kind: "Withheld", ending: "Unsent" })
      expect([asked(), yield* spent(budget)]).toEqual([1, [1, 29]])
      yield* expectAtRest(budget)
    })
  )

  it("asks no provider while it is open, and leaves nothing reserved, whoever waits in line", () =>
    forEachSeed({ name: `the circuit of ${name}`, runs: 20 }, (random) =>
      runScoped(
        Effect.gen(function* () {
          let asks = 0
          let charged = 0
          const whileOpen: Array<number> = []
          const breaker = yield* makeBreaker()
          const budget = yield* Budget.make({ name: "run", limits: [Limit.concurrency(3)] })
          const ask = yield* make(
            Effect.gen(function* () {
              asks++
              if ((yield* Effect.orDie(breaker.state(key)))._tag === "Open") whileOpen.push(asks)
              yield* Effect.sleep(random.int(1, 2_000))
              if (random.chance(0.4)) return 503
              charged += 29
              return "well"
            }),
            budget,
            breaker
          )
          const asking: Array<Fiber.Fiber<unknown, unknown>> = []
          for (let call = 0; call < 60; call++) {
            asking.push(yield* Effect.forkChild(Effect.exit(ask)))
            yield* TestClock.adjust(random.int(0, 400))
          }
          yield* TestClock.adjust("10 minutes")
          for (const fiber of asking) yield* Fiber.join(fiber)
          expect(whileOpen).toEqual([])
          expect(asks).toBeLessThan(60)
          expect(yield* spent(budget)).toEqual([asks, charged])
          yield* expectAtRest(budget)
        })
      )
    ))
})

describe("an AiError of an open circuit", () => {
  it.effect("is retryable, says when to come back, and can be traced to the circuit's own", () =>
    Effect.gen(function* () {
      const breaker = yield* makeBreaker()
      const budget = yield* Budget.make({ name: "run", limits: plenty })
      const ask = yield* languageModel("generateText")(Effect.succeed("well"), budget, breaker)
      yield* openCircuit(breaker)
      const error = yield* Effect.flip(ask)
      expect([error.reason._tag, error.isRetryable]).toEqual(["InternalProviderError", true])
      expect(error.reason).toMatchObject({ metadata: { budget: { reason: "CircuitOpen", retryAfterMillis: 5_000 } } })
      expect(Option.getOrUndefined(BudgetedLanguageModel.budgetErrorOf(error))).toBeInstanceOf(CircuitBreakerError)
    })
  )
})

describe("the circuit of a stream", () => {
  it.effect("has its outcome with the first parts, or with the end", () =>
    Effect.gen(function* () {
      const delta: AiResponse.TextDeltaPartEncoded = { type: "text-delta", id: "t", delta: "Hello" }
      const streams = [
        Stream.empty,
        Stream.concat(Stream.succeed(delta), Stream.fail(down(503))),
        Stream.concat(Stream.succeed(delta), Stream.never).pipe(Stream.take(1)),
        Stream.fail(down(503))
      ]
      const states: Array<string> = []
      for (const stream of streams) {
        const breaker = yield* makeBreaker()
        const budget = yield* Budget.make({ name: "run", limits: plenty })
        const bare = yield* LanguageModel.make({
          generateText: () => Effect.die("not asked"),
          streamText: () => stream
        })
        const options = { budget, breaker, model, provider: "openai" }
        const budgeted = yield* BudgetedLanguageModel.make(bare, options)
        for (let call = 0; call < 2; call++) {
          yield* Effect.exit(Stream.runDrain(budgeted.streamText({ prompt: "Hi" })))
        }
        states.push((yield* breaker.state(key))._tag)
        yield* expectAtRest(budget)
      }
      expect(states).toEqual(["Closed", "Closed", "Closed", "Open"])
    })
  )
})
