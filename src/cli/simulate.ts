import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Report from "../Report.ts"
import * as Simulation from "../Simulation.ts"
import { CommandFailure, misuse } from "./failure.ts"
import { writeFile } from "./files.ts"
import { outcomeText } from "./outcomeText.ts"
import { palette, print, printJson } from "./output.ts"
import { withProgress } from "./progress.ts"
import type { Options } from "./setting.ts"
import { settingFlags, settingOf } from "./settingFlags.ts"

export const simulate = Command.make(
  "simulate",
  {
    ...settingFlags,
    recording: Flag.String("recording").pipe(
      Flag.withMetavar("file"),
      Flag.withDescription("Writes all of it there, for reports and advice"),
      Flag.optional
    ),
    report: Flag.String("report").pipe(
      Flag.withMetavar("file"),
      Flag.withDescription("Writes it there as a page, with charts"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ json, recording, report, ...given }) {
    const setting = yield* settingOf(given)
    const { unknown } = setting
    if (unknown !== undefined) {
      return yield* misuse(
        `nothing can be unknown in a simulation, got "?" for ${unknown.name}: see effect-budget plan`
      )
    }
    const outcome = yield* withProgress("simulating", 1, (advance) =>
      Effect.flatMap(setting.options(advance), simulated)
    )
    if (Option.isSome(recording)) yield* writeFile(recording.value, `${JSON.stringify(outcome.recording)}\n`)
    if (Option.isSome(report)) yield* writeFile(report.value, yield* Report.html(outcome.recording))
    if (!json) return yield* print(outcomeText(outcome, yield* palette))
    const { recording: _, ...rest } = outcome
    yield* printJson(rest)
  })
).pipe(
  Command.withDescription(
    "Runs calls against limits in virtual time, on the real budgets: how long they wait, what is refused, what is full."
  ),
  Command.withShortDescription("See what limits do to a workload"),
  Command.withExamples([
    { command: 'effect-budget simulate --rate 60 --limit "90k tokens / minute" --limit "20 concurrent"' },
    { command: "effect-budget simulate fleet.json --report fleet.html --recording fleet.recording.json" }
  ])
)

/** A simulation, with its complaints about the workload as those of a command. */
export const simulated = (options: Options): Effect.Effect<Simulation.Outcome, CommandFailure, FileSystem.FileSystem> =>
  Simulation.run(options).pipe(
    Effect.mapError(({ message }) => new CommandFailure({ message })),
    // Names of limits or tenants that are there twice, and the like.
    Effect.catchDefect((defect) =>
      defect instanceof RangeError ? Effect.fail(new CommandFailure({ message: defect.message })) : Effect.die(defect)
    )
  )
