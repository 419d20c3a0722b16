import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { blockEnd } from "../internal/tokenCounter/blocks.ts"
import * as TokenCounter from "../TokenCounter.ts"
import { CommandFailure, fileFailure } from "./failure.ts"
import { note, palette, print, printJson } from "./output.ts"
import { type Advance, withProgress } from "./progress.ts"
import { grouped, table } from "./table.ts"

/** What counts as one model does. */
interface Counting {
  readonly model: string
  readonly isExact: boolean
  readonly counter: TokenCounter.TokenCounter["Service"]
}

interface Counted {
  readonly name: string
  readonly characters: number
  /** Of each model. */
  readonly tokens: ReadonlyArray<number>
}

const STDIN = "-"

export const count = Command.make(
  "count",
  {
    files: Argument.String("file").pipe(
      Argument.withDescription('Files to count; "-", or none, is standard input'),
      Argument.variadic()
    ),
    models: Flag.String("model").pipe(
      Flag.withAlias("m"),
      Flag.withMetavar("name"),
      Flag.withDescription(
        "Counts as this model does, or this encoding; may be given several times (default: o200k_base)"
      ),
      Flag.atLeast(0)
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ files, json, models }) {
    const countings = yield* Effect.forEach(models.length === 0 ? ["o200k_base"] : models, countingOf)
    const sources = files.length === 0 ? [STDIN] : files
    const { counted, failures } = yield* countAll(sources, countings)
    const total = sumOf(counted, countings.length)
    if (json) yield* printJson(jsonOf(counted, total, countings))
    else if (counted.length > 0) yield* print(yield* tableOf(counted, total, countings))
    if (failures.length > 0) return yield* new CommandFailure({ message: failures.join("\n") })
  })
).pipe(
  Command.withDescription(
    "Counts the tokens of files or of standard input. Models of OpenAI are counted exactly, all others are estimated."
  ),
  Command.withShortDescription("Count the tokens of files, by model"),
  Command.withExamples([
    { command: "effect-budget count README.md docs/*.md --model gpt-4o" },
    { command: "git diff | effect-budget count -m gpt-4o -m claude-sonnet-4-5 --json" }
  ])
)

const countingOf = (model: string): Effect.Effect<Counting> => {
  const counting = (isExact: boolean) =>
    TokenCounter.TokenCounter.useSync((counter): Counting => ({ model, isExact, counter }))
  if (model === "o200k_base" || model === "cl100k_base") {
    return Effect.provide(counting(true), TokenCounter.layerEncoding(model))
  }
  return counting(true).pipe(
    Effect.provide(TokenCounter.layerModel(model)),
    Effect.catchTag("EncodingNotFound", () => Effect.provide(counting(false), TokenCounter.layerHeuristic))
  )
}

/** Counts what can be read, as `wc` does, and says what cannot. */
const countAll = Effect.fnUntraced(function* (sources: ReadonlyArray<string>, countings: ReadonlyArray<Counting>) {
  const fileSystem = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  if (sources.includes(STDIN) && (yield* stdio.stdinIsTerminal)) {
    yield* note("Reading standard input: end it with Ctrl-D.\n")
  }
  const sizes = yield* Effect.forEach(sources, (source) => sizeOf(fileSystem, source))
  const counted: Array<Counted> = []
  const failures: Array<string> = []
  const whole = sizes.reduce((sum, size) => sum + size, 0)
  yield* withProgress("counting", whole, (advance) =>
    Effect.gen(function* () {
      let before = 0
      for (const [index, source] of sources.entries()) {
        const bytes = source === STDIN ? stdio.stdin : fileSystem.stream(source)
        const one = yield* Effect.result(countStream(source, bytes, countings, (read) => advance(before + read)))
        before += sizes[index]!
        if (one._tag === "Success") counted.push(one.success)
        else failures.push(fileFailure("read", source === STDIN ? "standard input" : source)(one.failure).message)
      }
    })
  )
  return { counted, failures }
})

const sizeOf = (fileSystem: FileSystem.FileSystem, source: string): Effect.Effect<number> =>
  source === STDIN
    ? Effect.succeed(0)
    : fileSystem.stat(source).pipe(
        Effect.map(({ size }) => Number(size)),
        Effect.orElseSucceed(() => 0)
      )

// So much of a text is held at once. It is cut where tokens end, so that the counts of the parts add up.
const PART_CHARS = 1_048_576

const countStream = (
  name: string,
  bytes: Stream.Stream<Uint8Array, PlatformError>,
  countings: ReadonlyArray<Counting>,
  advance: Advance
): Effect.Effect<Counted, PlatformError> =>
  Effect.gen(function* () {
    const tokens = countings.map(() => 0)
    let characters = 0
    let read = 0
    let pending = ""
    const take = Effect.fnUntraced(function* (end: number) {
      const part = pending.slice(0, end)
      pending = pending.slice(end)
      characters += part.length
      for (const [index, { counter }] of countings.entries()) tokens[index]! += yield* counter.count(part)
    })
    const text = bytes.pipe(
      Stream.tap((chunk) => Effect.suspend(() => advance((read += chunk.length)))),
      Stream.decodeText
    )
    yield* Stream.runForEach(text, (chunk) =>
      Effect.suspend(() => {
        pending += chunk
        return Effect.whileLoop({
          while: () => pending.length > 2 * PART_CHARS,
          body: () => take(blockEnd(pending, 0, PART_CHARS)),
          step: () => undefined
        })
      })
    )
    yield* take(pending.length)
    return { name, characters, tokens }
  })

const sumOf = (counted: ReadonlyArray<Counted>, models: number): Counted => ({
  name: "total",
  characters: counted.reduce((sum, { characters }) => sum + characters, 0),
  tokens: Array.from({ length: models }, (_, index) =>
    counted.reduce((sum, { tokens }) => sum + (tokens[index] ?? 0), 0)
  )
})

const jsonOf = (counted: ReadonlyArray<Counted>, total: Counted, countings: ReadonlyArray<Counting>) => {
  const byModel = ({ characters, tokens }: Counted) => ({
    characters,
    tokens: Object.fromEntries(countings.map(({ model }, index) => [model, tokens[index]]))
  })
  return {
    models: countings.map(({ isExact, model }) => ({ model, isExact })),
    files: counted.map((one) => ({ file: one.name, ...byModel(one) })),
    total: byModel(total)
  }
}

const tableOf = Effect.fnUntraced(function* (
  counted: ReadonlyArray<Counted>,
  total: Counted,
  countings: ReadonlyArray<Counting>
) {
  const { bold, dim } = yield* palette
  const row = ({ characters, name, tokens }: Counted) => [name, grouped(characters), ...tokens.map(grouped)]
  const heading = ["", "characters", ...countings.map(({ isExact, model }) => (isExact ? model : `${model} ~`))]
  const rows = [heading.map(dim), ...counted.map((one) => row(one.name === STDIN ? { ...one, name: "(input)" } : one))]
  if (counted.length > 1) rows.push(row(total).map(bold))
  const text = table(["left", ...heading.slice(1).map(() => "right" as const)], rows)
  const isEstimated = countings.some(({ isExact }) => !isExact)
  return isEstimated ? `${text}\n${dim("~ estimated: no tokenizer of this model is known")}` : text
})
