/**
 * The official `@anthropic-ai/sdk` within a budget: `npm run example:anthropic-sdk`
 *
 * And what happens when the provider says 429 after all, because others use its key, too: everybody who shares the
 * outermost budget waits out its `retry-after`, so that one 429 does not become many.
 */
import { NodeRuntime } from "@effect/platform-node"
import Anthropic from "@anthropic-ai/sdk"
import { Console, Effect, Stream } from "effect"
import { Budget, BudgetedFetch, Limit } from "effect-budget"
import { printEvent, printTotals, quote } from "./mock/account.ts"
import { provider } from "./mock/scoped.ts"

class ProviderKey extends Budget.Service<ProviderKey>()("ProviderKey", {
  limits: [Limit.slidingWindow("uncachedInputTokens", 50_000, "1 minute"), Limit.cap("usd", 0.05)]
}) {}

const program = Effect.gen(function* () {
  const { served, throttleNext, url } = yield* provider // stands in for api.anthropic.com
  const fetch = yield* BudgetedFetch.make({ budget: ProviderKey })
  const client = new Anthropic({ fetch, baseURL: url, apiKey: "the mock provider asks for none" })
  yield* Effect.forkScoped(
    Stream.runForEach(ProviderKey.events, (event) => Effect.sync(() => printEvent(event))),
    {
      startImmediately: true
    }
  )

  const message = (content: string) => ({
    model: "claude-haiku-4-5",
    max_tokens: 200,
    messages: [{ role: "user" as const, content }]
  })
  const ask = (content: string) => Effect.promise(() => client.messages.create(message(content)))

  yield* Console.log("A message")
  const answer = yield* ask("What is a token bucket?")
  yield* Effect.yieldNow
  yield* Console.log(quote(answer.content.map((block) => (block.type === "text" ? block.text : "")).join("")))

  yield* Console.log("\nA streamed one")
  const text = yield* Effect.promise(() =>
    client.messages.stream(message("How does a sliding window differ?")).finalText()
  )
  yield* Effect.yieldNow
  yield* Console.log(quote(text))

  // The client of the first call retries after a second, as it always does. The two that come while it is away would
  // have met a 429 of their own: they wait in the budget instead.
  yield* Console.log("\nThe provider answers one call with 429 and retry-after: 1. Two more come 0.2 s later")
  throttleNext(1)
  const question = "Which of them do providers use?"
  yield* Effect.all([ask(question), Effect.delay(ask(question), 200), Effect.delay(ask(question), 200)], {
    concurrency: "unbounded"
  })
  yield* Effect.yieldNow

  const rejected = served.filter(({ status }) => status === 429).length
  yield* Console.log(`  answered with 429: ${rejected} of ${served.length} requests`)
  printTotals(yield* ProviderKey.snapshot, served)
})

program.pipe(Effect.scoped, Effect.provide(ProviderKey.layer), NodeRuntime.runMain)
