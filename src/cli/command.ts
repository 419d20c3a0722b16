import * as Effect from "effect/Effect"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import { advise } from "./advise.ts"
import { count } from "./count.ts"
import { note, palette } from "./output.ts"
import { plan } from "./plan.ts"
import { price } from "./price.ts"
import { report } from "./report.ts"
import { simulate } from "./simulate.ts"
import { version } from "./version.ts"
import { visibleLines } from "./visible.ts"
import { watch } from "./watch.ts"

export const command = Command.make("effect-budget").pipe(
  Command.withDescription("Budgets for LLM calls: see them, plan them, count and price what goes into them."),
  Command.withSubcommands([count, price, simulate, plan, advise, report, watch])
)

/** How a command has ended: it did what it was asked, it could not, or it was not asked properly. */
export type ExitCode = 0 | 1 | 2

/** Runs the command line. What goes wrong is said on standard error. */
export const run = (args: ReadonlyArray<string>): Effect.Effect<ExitCode, never, Command.Environment> =>
  Command.runWith(command, { version })(args).pipe(
    Effect.as<ExitCode>(0),
    Effect.catchTag("CommandFailure", ({ isMisuse, message }) =>
      Effect.as(complain(message), isMisuse === true ? (2 as const) : (1 as const))
    ),
    Effect.catch((error) => {
      if (error._tag !== "ShowHelp") return Effect.as(complain(error.message), 2 as const)
      return error.errors.length === 0 ? Effect.succeed(0 as const) : misused(error)
    }),
    Effect.provide(presenter)
  )

const misused = Effect.fnUntraced(function* ({ commandPath, errors }: CliError.ShowHelp) {
  const mistakes = errors.map(({ message }) => message.trimEnd()).join("\n")
  yield* complain(`${mistakes}\n\n  ${commandPath.join(" ")} --help says how it is used.`)
  return 2 as const
})

const complain = Effect.fnUntraced(function* (message: string) {
  const { red } = yield* palette
  yield* note(`${visibleLines(message).replaceAll(/^(?=\S)/gm, `${red("effect-budget:")} `)}\n`)
})

/** A mistake is told in a few lines on standard error, not with all of the help on standard output. */
const presenter = CliOutput.layerPresenter({
  present: (event) => (event._tag === "InvalidInvocation" ? Effect.void : CliOutput.defaultPresenter.present(event))
})
