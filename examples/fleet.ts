/**
 * `npm start`: fifty agents summarise real documents over real HTTP, first without a budget, then with one.
 *
 * ```sh
 * npm start                               # every README.md below node_modules
 * npm start -- ~/notes --agents 80        # the .md and .txt files of a folder, a larger fleet
 * ```
 *
 * It fails if the provider answers a single call of the second run with 429.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Data, Effect, Layer, Option, Schema } from "effect"
import { TokenCounter } from "effect-budget"
import { Argument, CliError, Command, Flag } from "effect/cli"
import { fileURLToPath } from "node:url"
import { readDocuments, readmes, texts } from "./fleet/documents.ts"
import { inkFor } from "./fleet/ink.ts"
import { defaultPlan, documentTokensMax } from "./fleet/plan.ts"
import { showProgress } from "./fleet/progress.ts"
import { introduce, report } from "./fleet/report.ts"
import { throttled } from "./fleet/run.ts"
import { model } from "./fleet/summarise.ts"
import { runWithBudget } from "./fleet/withBudget.ts"
import { runWithoutBudget } from "./fleet/withoutBudget.ts"

class PromiseBroken extends Data.TaggedError("PromiseBroken")<{ readonly message: string }> {}

const nodeModules = fileURLToPath(new URL("../node_modules", import.meta.url))

const positive = (name: string, fallback: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withSchema(Schema.Int.check(Schema.isGreaterThan(0))),
    Flag.withDefault(fallback),
    Flag.withDescription(`${description} (default ${fallback})`)
  )

const fleet = Command.make(
  "fleet",
  {
    folder: Argument.String("folder").pipe(
      Argument.withDescription("summarise the .md and .txt files below it, not the READMEs below node_modules"),
      Argument.optional
    ),
    agents: positive("agents", defaultPlan.agents, "how many agents work side by side"),
    tasksPerAgent: positive("tasks", defaultPlan.tasksPerAgent, "how many documents each of them summarises")
  },
  Effect.fn("fleet")(
    function* ({ folder, ...plan }) {
      const ink = inkFor(process.stdout)
      const documents = yield* Option.match(folder, {
        onNone: () => readDocuments(nodeModules, readmes, documentTokensMax),
        onSome: (path) => readDocuments(path, texts, documentTokensMax)
      })
      yield* Console.log(introduce(plan, documents, ink))

      const watch = showProgress(process.stdout, ink)
      yield* Console.log(ink.strong("\nWithout a budget"))
      const without = yield* runWithoutBudget(plan, documents, watch)
      yield* Console.log(ink.strong("\nWith a budget"))
      const within = yield* runWithBudget(plan, documents, watch)
      yield* Console.log(report(without, within, ink))

      const broken = throttled(within)
      if (broken === 0) return
      return yield* new PromiseBroken({ message: `The provider answered ${broken} calls with 429 despite the budget.` })
    },
    Effect.mapError((error) => new CliError.UserError({ cause: error, userMessage: error.message }))
  )
).pipe(Command.withDescription("A fleet of agents summarises documents, first without a budget, then with one."))

fleet.pipe(
  Command.run({ version: "0.1.0" }),
  Effect.provide(Layer.merge(NodeServices.layer, TokenCounter.layerModel(model))),
  NodeRuntime.runMain
)
