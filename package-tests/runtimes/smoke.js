/**
 * What has to work wherever the package runs: nothing here is of one runtime. Each sentence is a promise that is kept, or
 * the program fails.
 */
import { Clock, Effect, Fiber } from "effect"
import {
  Budget,
  BudgetedFetch,
  BudgetMap,
  BudgetTesting,
  Limit,
  makeBudget,
  Pricing,
  TokenCounter,
  Usage
} from "effect-budget"
// All of "effect/testing" needs Node.
import * as TestClock from "effect/testing/TestClock"

const output = (outputTokens) => Usage.make({ outputTokens })

const is = (actual, expected) => {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value))
  if (a !== b) throw new Error(`expected ${b}, got ${a}`)
}

const promises = {
  "reserves, spends and settles": Effect.gen(function* () {
    const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000), Limit.cap("usd", 1)] })
    const answer = Effect.succeed({ tokens: 150 })
    yield* answer.pipe(run.spend({ estimate: output(400), actual: ({ tokens }) => output(tokens) }))
    const reservation = yield* run.reserve(output(300))
    yield* reservation.commit(output(100))
    yield* BudgetTesting.expectAtRest(run)
    is((yield* run.snapshot).limits[0]?.used, 250)
    const refused = yield* Effect.flip(run.tryReserve(output(900)))
    is(refused.reason._tag, "BudgetExceeded")
  }),

  "waits for the exact instant": Effect.gen(function* () {
    const limits = [Limit.slidingWindow("tokens", 1_000, "1 minute")]
    const key = yield* BudgetTesting.makeFilled({ name: "key", limits }, 1)
    const call = Clock.currentTimeMillis.pipe(key.spend({ estimate: output(10) }))
    const waiting = yield* Effect.forkChild(call, { startImmediately: true })
    yield* TestClock.adjust("1 minute")
    is(yield* Fiber.join(waiting), 60_000)
  }).pipe(Effect.provide(TestClock.layer())),

  "keeps budgets by key": Effect.gen(function* () {
    class Tenant extends Budget.Service()("Tenant", { limits: [Limit.cap("tokens", 1_000)] }) {}
    class Tenants extends BudgetMap.Service()("Tenants", { budget: Tenant }) {}
    const charge = (tenant, tokens) => Effect.provide(Tenant.charge(output(tokens)), Tenants.get(tenant))
    const left = (tenant) =>
      Effect.map(Tenant.snapshot, ({ limits }) => limits[0]?.available).pipe(Effect.provide(Tenants.get(tenant)))
    yield* Effect.gen(function* () {
      yield* charge("a", 400)
      yield* charge("b", 100)
      is([yield* left("a"), yield* left("b")], [600, 900])
    }).pipe(Effect.provide(Tenants.layer))
  }),

  "budgets a fetch": Effect.gen(function* () {
    const provider = BudgetTesting.makeProvider({ inputTokens: 9, outputTokens: 20 })
    const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
    const fetch = yield* BudgetedFetch.make({ budget: run, fetch: provider.fetch })
    const body = JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }], max_tokens: 100 })
    const url = "https://api.openai.com/v1/chat/completions"
    const response = yield* Effect.promise(() => fetch(url, { method: "POST", body }))
    yield* Effect.promise(() => response.json())
    const { spent } = yield* run.snapshot
    is([spent.inputTokens, spent.outputTokens], [9, 20])
    yield* BudgetTesting.expectAtRest(run)
  }),

  "counts tokens exactly": Effect.gen(function* () {
    const count = TokenCounter.TokenCounter.use((counter) => counter.count("How many tokens are there in this text?"))
    is(yield* Effect.provide(count, TokenCounter.layerModel("gpt-4o")), 9)
    is(
      yield* Effect.provide(count, TokenCounter.layerHeuristic),
      TokenCounter.estimate("How many tokens are there in this text?")
    )
  }),

  "knows prices": Effect.gen(function* () {
    const usage = Usage.make({ inputTokens: 1_000_000 })
    const priced = yield* Pricing.price({ model: "gpt-4o-mini", url: undefined, provider: "openai", usage })
    is(priced.costNanoUsd, 150_000_000)
  }),

  "works without Effect": Effect.promise(async () => {
    const budget = await makeBudget({ limits: [Limit.cap("tokens", 1_000)] })
    is(await budget.spend(async () => "an answer", { estimate: output(100) }), "an answer")
    is(budget.snapshot().spent.outputTokens, 100)
    await budget.close()
  })
}

/** Keeps all promises, and returns them. */
export const keepAll = async () => {
  for (const [promise, program] of Object.entries(promises)) {
    try {
      await Effect.runPromise(Effect.scoped(program))
    } catch (error) {
      throw new Error(`it does not do what it should: ${promise}: ${error}`, { cause: error })
    }
  }
  return Object.keys(promises)
}
