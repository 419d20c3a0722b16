/**
 * Somebody is looking at the screen, and nobody wants to wait: `npm run example:interactive`
 *
 * Where there is no room for a whole answer, a shorter one is asked for. Where there is none for that, the reader gets
 * a sentence of our own instead of an error.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Budget, BudgetedFetch, Limit } from "effect-budget"
import { OpenAI, RateLimitError } from "openai"
import { printEvent, printTotals, quote } from "./mock/account.ts"
import { provider } from "./mock/scoped.ts"

class Chat extends Budget.Service<Chat>()("Chat", {
  limits: [Limit.slidingWindow("tokens", 115, "1 minute")]
}) {}

const program = Effect.gen(function* () {
  const { served, url } = yield* provider
  const fetch = yield* BudgetedFetch.make({ budget: Chat, leastOutputTokens: 20, maxWait: 0 })
  // A client that retries would wait in the budget's place.
  const client = new OpenAI({ fetch, baseURL: `${url}/v1`, apiKey: "the mock provider asks for none", maxRetries: 0 })
  yield* Effect.forkScoped(
    Stream.runForEach(Chat.events, (event) => Effect.sync(() => printEvent(event))),
    {
      startImmediately: true
    }
  )

  const ask = (content: string) =>
    Effect.tryPromise({
      try: () =>
        client.chat.completions.create({
          model: "gpt-5.4-mini",
          messages: [{ role: "user", content }],
          max_completion_tokens: 100
        }),
      catch: (error) => error
    }).pipe(
      Effect.map(({ choices }) => `${choices[0]?.message.content}`),
      Effect.catch((error) => {
        if (!(error instanceof RateLimitError)) return Effect.die(error)
        const seconds = error.headers.get("retry-after")
        return Effect.succeed(`I have talked a lot just now. Ask me again in ${seconds} seconds, please.`)
      })
    )

  for (const question of [
    "What is a token bucket?",
    "How does a sliding window differ?",
    "Which of them do providers use?"
  ]) {
    const before = served.length
    yield* Console.log(`${before === 0 ? "" : "\n"}${question} At most 100 tokens, please.`)
    const answer = yield* ask(question)
    yield* Effect.yieldNow
    yield* Console.log(quote(answer))
    const call = served[before]
    yield* Console.log(
      call === undefined
        ? "  the provider was not asked"
        : `  the provider was asked for at most ${call.maxTokens} tokens`
    )
  }
  printTotals(yield* Chat.snapshot, served)
})

program.pipe(Effect.scoped, Effect.provide(Chat.fresh), NodeRuntime.runMain)
