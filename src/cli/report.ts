import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Recording from "../Recording.ts"
import * as Report from "../Report.ts"
import { readJson, writeFile } from "./files.ts"
import { print } from "./output.ts"

export const recordingFile = Argument.String("recording").pipe(
  Argument.withDescription("A recording, as simulate --recording writes it, or Recording.make of a live budget")
)

export const report = Command.make(
  "report",
  {
    recording: recordingFile,
    output: Flag.String("output").pipe(
      Flag.withAlias("o"),
      Flag.withMetavar("file"),
      Flag.withDescription("Where to write it (default: standard output)"),
      Flag.optional
    ),
    title: Flag.String("title").pipe(Flag.withDescription("Replaces the title of the recording"), Flag.optional)
  },
  Effect.fnUntraced(function* ({ output, recording, title }) {
    const { value } = yield* readJson(recording, Recording.Schema)
    const page = yield* Report.html(value, { title: Option.getOrUndefined(title) })
    yield* Option.match(output, { onNone: () => print(page), onSome: (file) => writeFile(file, page) })
  })
).pipe(
  Command.withDescription("Writes a recording as a page with charts, which needs nothing beside it."),
  Command.withShortDescription("Write a recording as a page"),
  Command.withExamples([{ command: "effect-budget report fleet.recording.json -o fleet.html" }])
)
