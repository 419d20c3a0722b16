/**
 * A language model of `effect/ai` within a budget: `npm run example:effect-ai`
 *
 * The handler of a tool asks the same model, within a budget that allows one open call at a time. It does not wait for
 * its own call: a round of the provider is settled before the tools are called.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option, Schema, Stream } from "effect"
import { LanguageModel, Tool, Toolkit } from "effect/ai"
import { Budget, BudgetedLanguageModel, Limit } from "effect-budget"
import { message, printEvent, printTotals, quote } from "./mock/account.ts"
import { languageModel } from "./mock/languageModel.ts"
import { provider } from "./mock/scoped.ts"

class AgentRun extends Budget.Service<AgentRun>()("AgentRun", {
  limits: [Limit.concurrency(1), Limit.cap("tokens", 500), Limit.cap("usd", 0.01)]
}) {}

const Sea = Toolkit.make(
  Tool.make("seaTemperature", {
    description: "The temperature of the sea at a city",
    parameters: Schema.Struct({ city: Schema.String }),
    success: Schema.String,
    dependencies: [LanguageModel.LanguageModel]
  })
)

const SeaHandlers = Sea.toLayer({
  seaTemperature: () => LanguageModel.generateText({ prompt: '{"celsius":17.5}' }).pipe(Effect.map(({ text }) => text))
})

const model = "gpt-5.4-mini"
const maxOutputTokens = 150

const program = Effect.gen(function* () {
  yield* Effect.forkScoped(
    Stream.runForEach(AgentRun.events, (event) => Effect.sync(() => printEvent(event))),
    { startImmediately: true }
  )

  yield* Console.log("A tool whose handler asks the model itself")
  const { toolResults } = yield* LanguageModel.generateText({
    prompt: "Is it warm enough in Lisbon to swim?",
    toolkit: Sea
  })
  yield* Effect.yieldNow
  yield* Console.log(quote(String(toolResults[0]?.result)))

  // What effect/ai fails with is an AiError. The budget's own error is in it.
  yield* Console.log("\nQuestions, until the run is over")
  const ask = LanguageModel.generateText({ prompt: "What is a token bucket?" })
  const refusal = yield* Effect.flip(Effect.forever(Effect.andThen(ask, Effect.yieldNow)))
  yield* Effect.yieldNow
  yield* Console.log(`  an AiError for ${refusal.reason._tag}, because:`)
  const cause = BudgetedLanguageModel.budgetErrorOf(refusal)
  yield* Console.log(message(Option.match(cause, { onNone: () => refusal.message, onSome: ({ message }) => message })))
})

const main = Effect.gen(function* () {
  const { served, url } = yield* provider // stands in for api.openai.com
  const Model = BudgetedLanguageModel.layer({ budget: AgentRun, model, maxOutputTokens }).pipe(
    Layer.provide(languageModel(url, model, maxOutputTokens))
  )
  yield* program.pipe(Effect.provide(SeaHandlers), Effect.provide(Model))
  printTotals(yield* AgentRun.snapshot, served)
})

main.pipe(Effect.scoped, Effect.provide(AgentRun.fresh), NodeRuntime.runMain)
