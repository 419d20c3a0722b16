import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Advice from "../Advice.ts"
import type * as Limit from "../Limit.ts"
import * as Meter from "../Meter.ts"
import * as Recording from "../Recording.ts"
import { millisOf } from "./durationText.ts"
import { CommandFailure } from "./failure.ts"
import { readJson } from "./files.ts"
import { type Palette, palette, print, printJson } from "./output.ts"
import { shareOf } from "./percentText.ts"
import { recordingFile } from "./report.ts"
import { grouped, table } from "./table.ts"
import { visible } from "./visible.ts"

export const advise = Command.make(
  "advise",
  {
    recording: recordingFile,
    target: Flag.String("target").pipe(
      Flag.withMetavar("share"),
      Flag.withDescription('The share of calls that may wait or be refused (default: "5 %")'),
      Flag.withDefault("5 %"),
      Flag.filterMap(
        (text) => Option.fromUndefinedOr(shareOf(text)),
        (text) => `a share such as "5 %" or "0.05", got "${text}"`
      )
    ),
    maxWait: Flag.String("max-wait").pipe(
      Flag.withMetavar("duration"),
      Flag.withDescription("How long calls wait before they give up (default: without end)"),
      Flag.filterMap(
        (text) => Option.fromUndefinedOr(millisOf(text)),
        (text) => `a duration such as "30 seconds", got "${text}"`
      ),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ json, maxWait, recording, target }) {
    const { value } = yield* readJson(recording, Recording.Schema)
    const advice = yield* Effect.mapError(
      Advice.fromRecording(value, { target, maxWait: Option.getOrUndefined(maxWait) }),
      ({ problem }) => new CommandFailure({ message: `${recording}: ${problem}` })
    )
    if (json) return yield* printJson(jsonOf(advice))
    yield* print(textOf(advice, yield* palette))
  })
).pipe(
  Command.withDescription(
    "Says which limits of a recording are too tight and what would be enough, by simulating its calls again."
  ),
  Command.withShortDescription("Say what limits would be enough"),
  Command.withExamples([{ command: 'effect-budget advise fleet.recording.json --target "1 %"' }])
)

const jsonOf = ({ limits, ...advice }: Advice.Advice) => ({
  ...advice,
  limits: limits?.map(({ advised, budget, current }) => ({
    budget,
    limit: current.name,
    current: current.max,
    advised: advised.max
  }))
})

const textOf = ({ hindrances, limits = [], verdict }: Advice.Advice, { bold, dim, green }: Palette): string => {
  const sections = [bold(visible(verdict))]
  if (hindrances.length > 0) {
    const rows = hindrances.map(({ budget, limit, refused, share, waited }) => [
      visible(`${budget}: ${limit}`),
      grouped(waited),
      grouped(refused),
      `${(share * 100).toFixed(1)} %`
    ])
    const heading = ["what is in the way", "waited", "refused", "of all calls"].map(dim)
    sections.push(table(["left", "right", "right", "right"], [heading, ...rows]))
  }
  if (limits.length > 0) {
    const rows = limits.map(({ advised, budget, current }) => [
      visible(`${budget}: ${current.name}`),
      amount(current),
      green(amount(advised))
    ])
    sections.push(table(["left", "right", "right"], [["limit", "now", "enough"].map(dim), ...rows]))
  }
  return sections.join("\n\n")
}

const amount = (limit: Limit.Limit): string =>
  limit._tag === "Concurrency" ? grouped(limit.max) : visible(Meter.format(limit.meter, limit.max))
