import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { CommandFailure, fileFailure } from "./failure.ts"
import { isMistake, locate, placeOf } from "./json.ts"

/** What a JSON file says, and how to complain about a value in it. */
export interface JsonFile<A> {
  readonly value: A
  /** Says what is wrong with the value at a path, `within` characters behind its beginning. */
  readonly complain: (path: ReadonlyArray<PropertyKey>, problem: string, within?: number) => CommandFailure
}

/** Reads a JSON file, and says where it is wrong: the file, the line and the column. */
export const readJson = Effect.fnUntraced(function* <A>(
  path: string,
  schema: Schema.Codec<A>
): Effect.fn.Return<JsonFile<A>, CommandFailure, FileSystem.FileSystem> {
  const fileSystem = yield* FileSystem.FileSystem
  const text = (yield* Effect.mapError(fileSystem.readFileString(path), fileFailure("read", path))).replace(
    /^\uFEFF/,
    ""
  )
  const at = (offset: number, problem: string): CommandFailure => {
    const { column, line } = placeOf(text, offset)
    return new CommandFailure({ message: `${path}:${line}:${column}: ${problem}` })
  }
  const read = locate(text)
  if (isMistake(read)) return yield* at(read.offset, `this is no JSON: ${read.problem}`)
  const complain: JsonFile<A>["complain"] = (place, problem, within = 0) => {
    const field = nameOf(place)
    return at(read.offsetOf(place) + within, field === "" ? problem : `${field}: ${problem}`)
  }
  const decode = Schema.decodeUnknownEffect(schema, { errors: "all", onExcessProperty: "error" })
  const value = yield* Effect.mapError(decode(read.value), ({ issue }) => {
    const { issues } = toIssues(issue)
    const messages = issues.map(({ message, path = [] }) => complain(path.map(keyOf), sentence(message)).message)
    return new CommandFailure({ message: messages.slice(0, PROBLEMS_MAX).join("\n") })
  })
  return { value, complain }
})

// A file of another kind has a problem in every line.
const PROBLEMS_MAX = 5

const toIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): PropertyKey =>
  typeof segment === "object" ? segment.key : segment

const sentence = (message: string): string =>
  message === "Expected no excess property"
    ? "there is no such field"
    : message.charAt(0).toLowerCase() + message.slice(1)

/** A path as one would write it: `tenants[2].limits[0]`. */
const nameOf = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>((name, key) => {
    if (typeof key === "number") return `${name}[${key}]`
    return name === "" ? String(key) : `${name}.${String(key)}`
  }, "")

/**
 * Writes a file as a whole: it is there when all of it is, and whoever ends the command before that leaves what was there
 * before.
 */
export const writeFile = (
  path: string,
  text: string
): Effect.Effect<void, CommandFailure, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fileSystem = yield* FileSystem.FileSystem
    const directory = (yield* Path.Path).dirname(path)
    // In the same folder, because a file cannot be renamed into another file system.
    const draft = yield* fileSystem.makeTempFileScoped({ directory, prefix: ".effect-budget-" })
    yield* fileSystem.writeFileString(draft, text)
    yield* fileSystem.rename(draft, path)
  }).pipe(Effect.scoped, Effect.mapError(fileFailure("write", path)))
