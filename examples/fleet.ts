/**
 * `npm start`: fifty agents summarise real documents over real HTTP, first without a guard, then with one. The provider
 * has rate limits, and an outage.
 *
 * ```sh
 * npm start                               # every README.md below node_modules
 * npm start -- ~/notes --agents 80        # the .md and .txt files of a folder, a larger fleet
 * ```
 *
 * It fails if the provider answers a single call of the second run with 429, or the outage costs it a document.
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
import { count, throttled } from "./fleet/run.ts"
import { model } from "./fleet/summarise.ts"
import { runWithGuard } from "./fleet/withGuard.ts"
import { runWithoutGuard } from "./fleet/withoutGuard.ts"

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
    function* ({ folder, ...size }) {
      const plan = { ...size, outage: defaultPlan.outage }
      const ink = inkFor(process.stdout)
      const documents = yield* Option.match(folder, {
        onNone: () => readDocuments(nodeModules, readmes, documentTokensMax),
        onSome: (path) => readDocuments(path, texts, documentTokensMax)
      })
      yield* Console.log(introduce(plan, documents, ink))

      const watch = showProgress(process.stdout, ink)
      yield* Console.log(ink.strong("\nWithout a guard"))
      const without = yield* runWithoutGuard(plan, documents, watch)
      yield* Console.log(ink.strong("\nWith a guard"))
      const within = yield* runWithGuard(plan, documents, watch)
      yield* Console.log(report(plan, without, within, ink))

      const broken = [
        ...(throttled(within) > 0 ? [`the provider answered ${throttled(within)} calls with 429`] : []),
        ...(count(within, "Failed") > 0 ? [`${count(within, "Failed")} documents were lost to the outage`] : []),
        ...(within.sentWhileOpen > 0 ? [`${within.sentWhileOpen} calls were sent while the circuit was open`] : []),
        ...(within.key.open > 0 ? [`${within.key.open} reservations are open`] : [])
      ]
      if (broken.length > 0)
        return yield* new PromiseBroken({ message: `Despite the guard, ${broken.join(", and ")}.` })
    },
    Effect.mapError((error) => new CliError.UserError({ cause: error, userMessage: error.message }))
  )
).pipe(Command.withDescription("A fleet of agents summarises documents, first without a guard, then with one."))

fleet.pipe(
  Command.run({ version: "0.1.0" }),
  Effect.provide(Layer.merge(NodeServices.layer, TokenCounter.layerModel(model))),
  NodeRuntime.runMain
)
