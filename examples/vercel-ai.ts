/**
 * Vercel's `ai` within a budget, with two providers: `npm run example:vercel-ai`
 *
 * `generateText` with tools makes several requests. Each of them is a reservation of its own.
 */
import { NodeRuntime } from "@effect/platform-node"
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai"
import { Console, Effect, Stream } from "effect"
import { Budget, BudgetedFetch, Limit } from "effect-budget"
import { printEvent, printTotals, quote } from "./mock/account.ts"
import { provider } from "./mock/scoped.ts"

class AgentRun extends Budget.Service<AgentRun>()("AgentRun", {
  limits: [Limit.cap("tokens", 5_000), Limit.cap("usd", 0.05)]
}) {}

const seaTemperature = tool({
  description: "The temperature of the sea at a city",
  inputSchema: jsonSchema<{ city: string }>({
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"]
  }),
  execute: async () => ({ celsius: 17.5 })
})

const program = Effect.gen(function* () {
  const { served, url } = yield* provider // stands in for both providers
  const fetch = yield* BudgetedFetch.make({ budget: AgentRun })
  const settings = { fetch, baseURL: `${url}/v1`, apiKey: "the mock provider asks for none" }
  const openai = createOpenAI(settings)
  const anthropic = createAnthropic(settings)
  yield* Effect.forkScoped(
    Stream.runForEach(AgentRun.events, (event) => Effect.sync(() => printEvent(event))),
    {
      startImmediately: true
    }
  )

  yield* Console.log("generateText with a tool, by OpenAI: one request asks for the tool, one answers")
  const { steps, text } = yield* Effect.promise(() =>
    generateText({
      model: openai("gpt-5.4-mini"),
      prompt: "Is it warm enough in Lisbon to swim?",
      tools: { seaTemperature },
      stopWhen: stepCountIs(3),
      maxOutputTokens: 200
    })
  )
  yield* Effect.yieldNow
  yield* Console.log(`${quote(text)}\n  steps: ${steps.length}`)

  yield* Console.log("\nstreamText, by Anthropic")
  const stream = streamText({
    model: anthropic("claude-haiku-4-5"),
    prompt: "How does a sliding window differ?",
    maxOutputTokens: 200
  })
  const streamed = yield* Effect.promise(async () => stream.text)
  yield* Effect.yieldNow
  yield* Console.log(quote(streamed))

  printTotals(yield* AgentRun.snapshot, served)
})

program.pipe(Effect.scoped, Effect.provide(AgentRun.fresh), NodeRuntime.runMain)
