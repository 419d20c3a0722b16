/**
 * The official `openai` client within a budget: `npm run example:openai-sdk`
 *
 * The client gets another `fetch`, and nothing else changes. Each request reserves what it may use before it is sent,
 * and is settled with what it has really used.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Budget, BudgetedFetch, Limit } from "effect-budget"
import { OpenAI, RateLimitError } from "openai"
import { message, printEvent, printTotals, quote } from "./mock/account.ts"
import { provider } from "./mock/scoped.ts"

// What the provider allows to the key, and what one session may spend of it.
class ProviderKey extends Budget.Service<ProviderKey>()("ProviderKey", {
  limits: [Limit.slidingWindow("tokens", 90_000, "1 minute"), Limit.concurrency(40)]
}) {}

class Session extends Budget.Service<Session>()("Session", {
  limits: [Limit.cap("tokens", 400), Limit.cap("usd", 0.01)],
  within: [ProviderKey]
}) {}

const model = "gpt-5.4-mini"

const program = Effect.gen(function* () {
  const { served, url } = yield* provider // stands in for api.openai.com
  const fetch = yield* BudgetedFetch.make({ budget: Session })
  const client = new OpenAI({ fetch, baseURL: `${url}/v1`, apiKey: "the mock provider asks for none" })
  yield* Effect.forkScoped(
    Stream.runForEach(Session.events, (event) => Effect.sync(() => printEvent(event))),
    {
      startImmediately: true
    }
  )

  const chat = (content: string) => ({
    model,
    messages: [{ role: "user" as const, content }],
    max_completion_tokens: 200
  })

  yield* Console.log("A chat completion")
  const answer = yield* Effect.promise(() => client.chat.completions.create(chat("What is a token bucket?")))
  yield* Effect.yieldNow
  yield* Console.log(quote(answer.choices[0]?.message.content ?? ""))

  // A stream reports its usage in its last chunk, if it is asked to. If not, the budget counts the text that it saw.
  yield* Console.log("\nA streamed one")
  const text = yield* Effect.promise(async () => {
    const stream = await client.chat.completions.create({
      ...chat("How does a sliding window differ?"),
      stream: true,
      stream_options: { include_usage: true }
    })
    let text = ""
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
    return text
  })
  yield* Effect.yieldNow
  yield* Console.log(quote(text))

  // The budget answers in the provider's place, with a 429 that also says that it is in vain to retry.
  yield* Console.log("\nOne that may need more than the session has left")
  const refused = yield* Effect.flip(
    Effect.tryPromise({
      try: () =>
        client.chat.completions.create({ ...chat("Which of them do providers use?"), max_completion_tokens: 300 }),
      catch: (error) => error
    })
  )
  yield* Effect.yieldNow
  if (!(refused instanceof RateLimitError)) return yield* Effect.die(refused)
  yield* Console.log(`  the client throws its own RateLimitError:\n${message(refused.message)}`)

  printTotals(yield* Session.snapshot, served)
})

program.pipe(Effect.scoped, Effect.provide(Session.fresh), Effect.provide(ProviderKey.layer), NodeRuntime.runMain)
