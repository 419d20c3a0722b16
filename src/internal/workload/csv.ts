import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Call, type CsvOptions, WorkloadError } from "../../Workload.ts"
import { Cutter, type Piece } from "./cutter.ts"
import { type Row, RowReader } from "./row.ts"

/** The calls of a table, read as they are asked for. Their `at` is in milliseconds since 1970. */
export const callsIn = <E, R>(
  text: Stream.Stream<string | Uint8Array, E, R>,
  options: CsvOptions
): Stream.Stream<Call, E | WorkloadError, R> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const parse = yield* Effect.promise(parser)
      const reader = new RowReader(options)
      const cutter = new Cutter()
      const callsOf = (piece: Piece | undefined) =>
        tryReading(() => (piece === undefined ? [] : readPiece(piece, parse, reader, options.file)))
      const parts = Stream.mapEffect(text, (part) => callsOf(cutter.add(part)))
      const rest = Stream.fromEffect(
        Effect.suspend(() => Effect.tap(callsOf(cutter.end()), () => tryReading(() => reader.end())))
      )
      return Stream.flattenIterable(Stream.concat(parts, rest))
    })
  )

/** Parses some rows of a table. */
type Parse = (text: string) => ReadonlyArray<Row>

/** The parser that is made for where this runs: the one for browsers takes four times as long. */
const parser = async (): Promise<Parse> => {
  const { parse } =
    typeof Buffer === "undefined" ? await import("csv-parse/browser/esm/sync") : await import("csv-parse/sync")
  return (text) => {
    const rows: Array<Row> = []
    const onRecord = (cells: Array<string>, { lines }: { readonly lines: number }): null => {
      rows.push({ cells, line: lines })
      return null
    }
    parse(text, { ...HOW, on_record: onRecord })
    return rows
  }
}

const readPiece = (
  { linesBefore, text }: Piece,
  parse: Parse,
  reader: RowReader,
  file: string | undefined
): ReadonlyArray<Call> => {
  const calls: Array<Call> = []
  for (const { cells, line } of rowsOf(parse, text, linesBefore, file)) {
    const call = reader.read({ cells, line: linesBefore + line })
    if (call !== undefined) calls.push(call)
  }
  return calls
}

/** The rows of a piece. Of lines, the parser knows only those of the piece. */
const rowsOf = (parse: Parse, text: string, linesBefore: number, file: string | undefined): ReadonlyArray<Row> => {
  try {
    return parse(text)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    if (said.startsWith("Quote Not Closed")) {
      // Everything up to the row in which it is has been read before.
      throw new WorkloadError({ file, line: linesBefore + 1, problem: "a quote is never closed in this row" })
    }
    const [at, line] = / at line (\d+)/.exec(said) ?? []
    throw new WorkloadError({
      file,
      line: line === undefined ? undefined : linesBefore + Number(line),
      problem: at === undefined ? said : said.replace(at, "")
    })
  }
}

const tryReading = <A>(read: () => A): Effect.Effect<A, WorkloadError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(read())
    } catch (error) {
      return error instanceof WorkloadError ? Effect.fail(error) : Effect.die(error)
    }
  })

// How many cells there have to be is known from the header, which only the first piece has.
const HOW = {
  bom: true,
  record_delimiter: ["\r\n", "\n"],
  relax_column_count: true,
  skip_empty_lines: true,
  trim: true
}
