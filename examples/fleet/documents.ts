/**
 * The documents to summarise: real files, cut to the tokens that one call may read.
 */
import { Data, Effect, FileSystem, Path, type PlatformError } from "effect"
import { TokenCounter } from "effect-budget"
import { promptOf } from "./summarise.ts"

export interface Document {
  /** The path below the folder. */
  readonly name: string
  readonly text: string
  /** What the whole prompt with this document counts. */
  readonly promptTokens: number
  /** Whether the file was longer. */
  readonly cut: boolean
}

/** Why there is nothing to summarise; the message is for the one who named the folder. */
export class NoDocuments extends Data.TaggedError("NoDocuments")<{ readonly message: string }> {}

export const readmes = { description: "README.md", matches: (name: string) => /^readme\.md$/i.test(name) }
export const texts = { description: ".md or .txt", matches: (name: string) => /\.(md|txt)$/i.test(name) }

/** Reads every matching file below the folder that has text in it, in the order of their paths. */
export const readDocuments = Effect.fn("readDocuments")(
  function* (folder: string, files: typeof readmes, documentTokensMax: number) {
    const fileSystem = yield* FileSystem.FileSystem
    const path = yield* Path.Path

    const info = yield* fileSystem.stat(folder)
    if (info.type !== "Directory") return yield* new NoDocuments({ message: `${folder} is not a folder.` })
    const paths = yield* fileSystem.readDirectory(folder, { recursive: true })
    const documents: Array<Document> = []
    for (const name of paths.filter((candidate) => files.matches(path.basename(candidate))).sort()) {
      const file = path.join(folder, name)
      // A link that leads nowhere is no file.
      const { type } = yield* fileSystem
        .stat(file)
        .pipe(Effect.catchReason("PlatformError", "NotFound", () => Effect.succeed({ type: "Unknown" as const })))
      if (type !== "File") continue
      const whole = (yield* fileSystem.readFileString(file)).trim()
      if (whole !== "") documents.push(yield* measure(name, whole, documentTokensMax))
    }
    if (documents.length > 0) return documents
    return yield* new NoDocuments({ message: `There is no ${files.description} file with text in it below ${folder}.` })
  },
  (effect, folder) =>
    Effect.catchTag(effect, "PlatformError", (error) =>
      Effect.fail(new NoDocuments({ message: explain(folder, error) }))
    )
)

const measure = Effect.fnUntraced(function* (name: string, whole: string, tokensMax: number) {
  const counter = yield* TokenCounter.TokenCounter
  const text = yield* cutToTokens(whole, tokensMax)
  const promptTokens = yield* counter.countMessages(promptOf(text))
  return { name, text, promptTokens, cut: text.length < whole.length } satisfies Document
})

/** Longer texts are not looked at further: in prose a token is four characters, and hardly ever more than eight. */
const charsPerTokenMax = 8

/** The first lines of a text that fit, found by bisection; of a single long line, as much as fits. */
const cutToTokens = Effect.fnUntraced(function* (text: string, tokensMax: number) {
  const counter = yield* TokenCounter.TokenCounter
  const fits = (length: number) => Effect.map(counter.count(text.slice(0, length)), (tokens) => tokens <= tokensMax)
  let tooLong = Math.min(text.length, tokensMax * charsPerTokenMax)
  if (tooLong === text.length && (yield* fits(text.length))) return text
  let fitting = 0
  while (tooLong - fitting > 1) {
    const middle = Math.floor((fitting + tooLong) / 2)
    if (yield* fits(middle)) fitting = middle
    else tooLong = middle
  }
  const lineEnd = text.lastIndexOf("\n", fitting)
  return text.slice(0, lineEnd > 0 ? lineEnd : fitting)
})

const explain = (folder: string, error: PlatformError.PlatformError): string =>
  error.reason._tag === "NotFound" ? `There is no folder ${folder}.` : `${folder} could not be read: ${error.message}`
