import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { type Call, type CsvOptions, WorkloadError } from "../../Workload.ts"
import { type Row, RowReader } from "./row.ts"

/** The calls of a table, read as they are asked for. Their `at` is in milliseconds since 1970. */
export const callsIn = <E, R>(
  text: Stream.Stream<string | Uint8Array, E, R>,
  options: CsvOptions
): Stream.Stream<Call, E | WorkloadError, R> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { parse } = yield* Effect.promise(() => import("csv-parse/stream"))
      // What fails upstream would reach us as an error of the parser: it is put aside, and told instead.
      let upstream: Cause.Cause<E> | undefined
      const bytes = text.pipe(
        Stream.map((part) => Buffer.from(part)),
        Stream.tapCause((cause) => Effect.sync(() => (upstream = cause)))
      )
      const readable = yield* Stream.toReadableStreamEffect(bytes)
      const parser = parse({ bom: true, info: true, skip_empty_lines: true, trim: true })
      const rows: ReadableStreamDefaultReader<Parsed> = readable.pipeThrough(parser).getReader()
      const reader = new RowReader(options)
      const failed = (error: WorkloadError): Effect.Effect<never, E | WorkloadError> =>
        upstream === undefined ? Effect.fail(error) : Effect.failCause(upstream)
      const next = Effect.tryPromise({
        try: () => nextCalls(rows, reader),
        catch: (error) => (error instanceof WorkloadError ? error : unreadable(error, options.file))
      })
      const pull: Pull.Pull<readonly [Call, ...Array<Call>], E | WorkloadError> = Effect.matchEffect(next, {
        onFailure: failed,
        onSuccess: (calls) => (isNonEmpty(calls) ? Effect.succeed(calls) : Cause.done())
      })
      return Stream.ensuring(
        Stream.fromPull(Effect.succeed(pull)),
        Effect.ignore(Effect.tryPromise(() => rows.cancel()))
      )
    })
  )

/** What the parser makes of a row. */
interface Parsed {
  readonly record: ReadonlyArray<string>
  readonly info: { readonly lines: number }
}

/** The next few calls, or none when there are no more. */
const nextCalls = async (
  rows: ReadableStreamDefaultReader<Parsed>,
  reader: RowReader
): Promise<ReadonlyArray<Call>> => {
  const calls: Array<Call> = []
  while (calls.length < CALLS_AT_ONCE) {
    const { done, value } = await rows.read()
    if (done) {
      reader.end()
      break
    }
    const row: Row = { cells: value.record, line: value.info.lines }
    const call = reader.read(row)
    if (call !== undefined) calls.push(call)
  }
  return calls
}

/** What the parser says of a table that is none: it names the line and what is wrong there. */
const unreadable = (error: unknown, file: string | undefined): WorkloadError => {
  const line =
    typeof error === "object" && error !== null && "lines" in error && typeof error.lines === "number"
      ? error.lines
      : undefined
  return new WorkloadError({ file, line, problem: error instanceof Error ? error.message : String(error) })
}

const isNonEmpty = (calls: ReadonlyArray<Call>): calls is readonly [Call, ...Array<Call>] => calls.length > 0

// Each pull costs a few microseconds.
const CALLS_AT_ONCE = 512
