/**
 * The calls of a simulation: when they come, what they reserve, what they use and how long they run.
 *
 * A workload is generated from a seed, so that it can be run again, or read from a trace. Rates are calls per minute,
 * as providers count them; tokens are whole tokens; durations are whole milliseconds.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { demand, drawing, isWhole } from "./internal/workload/amount.ts"
import { type Arrivals, daily, independent, together } from "./internal/workload/arrivals.ts"
import { callsIn } from "./internal/workload/csv.ts"
import { drafting } from "./internal/workload/draft.ts"
import { Random } from "./internal/workload/random.ts"
import type * as Usage from "./Usage.ts"

/**
 * The calls of a simulation: those that come by themselves, and those of workers that make one after the other.
 *
 * @category models
 * @since 0.1.0
 */
export type Workload<E = never, R = never> = Open<E, R> | Fleet

/**
 * Calls that come whether or not earlier ones have ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Open<E = never, R = never> {
  readonly _tag: "Open"
  /** In the order of `at`. They are read as time goes on, and each time anew. */
  readonly calls: Stream.Stream<Call, E, R>
  /** Whether `at` is in milliseconds since 1970 instead of from the start. */
  readonly isDated: boolean
}

/**
 * Workers that make one call after the other. See {@link fleet}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fleet {
  readonly _tag: "Fleet"
  readonly workers: number
  /** For how long they begin calls. */
  readonly durationMillis: number
  /** The calls of one worker, without end, and how long it thinks before each. */
  readonly callsOf: (worker: number) => Iterator<FleetCall, never>
}

/**
 * A call of a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface FleetCall extends Omit<Call, "at"> {
  readonly thinkMillis: number
}

/**
 * One call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  /** When it comes, in whole milliseconds. */
  readonly at: number
  /** Whose it is. Without tenants in the simulation it makes no difference. */
  readonly tenant?: string | undefined
  /** What it reserves. */
  readonly estimate: Usage.Usage
  /** What it uses. */
  readonly actual: Usage.Usage
  /** How long it runs once it has been let in, in whole milliseconds. */
  readonly millis: number
}

/**
 * A whole number: always the same, any between two with the same probability, or most of them around the median with
 * few large ones (log-normal, at most `p95 * p95 / median`).
 *
 * @category models
 * @since 0.1.0
 */
export type Amount =
  | number
  | { readonly min: number; readonly max: number }
  | { readonly median: number; readonly p95: number }

/**
 * What generated calls are like.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Default: a median of 1,000, and one in twenty above 4,000. */
  readonly inputTokens?: Amount | undefined
  /** What is written. Default: a median of 130, and one in twenty above 500. */
  readonly outputTokens?: Amount | undefined
  /** What is reserved for the output, and the most that is written. By default as much as will be written. */
  readonly maxOutputTokens?: Amount | undefined
  /** How long calls run. By default 300 ms and 20 ms for each token that is written. */
  readonly millis?: Amount | undefined
  /** What a million tokens cost, in dollars. By default nothing. */
  readonly pricePerMillion?: { readonly inputUsd: number; readonly outputUsd: number } | undefined
  /** Whose calls they are: the names of the tenants with their shares of the calls. By default nobody's. */
  readonly tenants?: Readonly<Record<string, number>> | undefined
}

/**
 * What all generators take.
 *
 * @category models
 * @since 0.1.0
 */
export interface GeneratorOptions {
  /** For how long calls come. */
  readonly duration: Duration.Input
  readonly calls?: Shape | undefined
  /** The same seed makes the same calls. A whole number, 1 by default. */
  readonly seed?: number | undefined
}

/**
 * What is wrong with the calls of a workload.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkloadError extends Data.TaggedError("WorkloadError")<{
  readonly problem: string
  readonly file?: string | undefined
  /** Counted from 1. */
  readonly line?: number | undefined
  /** The name of the column. */
  readonly column?: string | undefined
}> {
  override get message(): string {
    const { column, file, line, problem } = this
    const place = [
      ...(file === undefined ? [] : [file]),
      ...(line === undefined ? [] : [`line ${line}`]),
      ...(column === undefined ? [] : [`column ${column}`])
    ]
    return place.length === 0 ? problem : `${place.join(", ")}: ${problem}`
  }
}

/**
 * Calls that come independently of each other, so many per minute on average (a Poisson process).
 *
 * Throws a `RangeError` when the rate is not a positive number, the duration not a positive whole number of
 * milliseconds, or an amount makes no sense.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Workload } from "effect-budget"
 *
 * const workload = Workload.poisson({ perMinute: 60, duration: "1 hour", seed: 7 })
 *
 * const calls = await Effect.runPromise(Stream.runCollect(workload.calls))
 * Math.abs(calls.length - 3_600) < 200 // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const poisson = (options: GeneratorOptions & { readonly perMinute: number }): Open => {
  const { perMinute } = options
  demand(isPositive(perMinute), `Workload.poisson: perMinute must be a positive number, got ${perMinute}`)
  return generated("Workload.poisson", options, (duration) => independent(perMinute, duration))
}

/**
 * Calls that come so many at a time, as from a job that begins every `every`, spread evenly over `within`, which is one
 * second by default.
 *
 * Throws a `RangeError` when the size is not a positive whole number, `every` or the duration not a positive whole
 * number of milliseconds, `within` longer than `every`, or an amount makes no sense.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bursts = (
  options: GeneratorOptions & {
    readonly size: number
    readonly every: Duration.Input
    readonly within?: Duration.Input | undefined
  }
): Open => {
  const { every, size, within = 1_000 } = options
  demand(isWhole(size) && size > 0, `Workload.bursts: size must be a positive whole number, got ${size}`)
  const everyMillis = positiveMillis("Workload.bursts: every", every)
  const withinMillis = Duration.toMillis(within)
  const fits = withinMillis >= 0 && withinMillis <= everyMillis
  demand(fits, `Workload.bursts: within (${withinMillis} ms) must lie between zero and every (${everyMillis} ms)`)
  return generated("Workload.bursts", options, (duration) => together(size, everyMillis, withinMillis, duration))
}

/**
 * Calls that come independently of each other, more of them by day than by night.
 *
 * **Details**
 *
 * There are `perMinute` on average over a whole day. At the peak there are `1 + swing` times as many, twelve hours later
 * `1 - swing` times. `swing` lies between 0 and 1 and is 0.8 by default; the peak is 15 hours after the start.
 *
 * Throws a `RangeError` when the rate is not a positive number, the swing not in [0, 1], the duration not a positive
 * whole number of milliseconds, or an amount makes no sense.
 *
 * @category constructors
 * @since 0.1.0
 */
export const diurnal = (
  options: GeneratorOptions & {
    readonly perMinute: number
    readonly swing?: number | undefined
    readonly peak?: Duration.Input | undefined
  }
): Open => {
  const { peak = "15 hours", perMinute, swing = 0.8 } = options
  demand(isPositive(perMinute), `Workload.diurnal: perMinute must be a positive number, got ${perMinute}`)
  demand(swing >= 0 && swing <= 1, `Workload.diurnal: swing must be between 0 and 1, got ${swing}`)
  const peakMillis = Duration.toMillis(peak)
  return generated("Workload.diurnal", options, (duration) => daily(perMinute, swing, peakMillis, duration))
}

/**
 * A fixed number of workers, each of which makes one call after the other and thinks in between.
 *
 * **Details**
 *
 * Who has to wait for the budget comes later to its next call: unlike calls that come by themselves, workers slow down.
 * One that is refused goes on after the time that the call would have taken. Each begins with thinking, for a part of
 * its time.
 *
 * Throws a `RangeError` when `workers` is not a positive whole number, the duration not a positive whole number of
 * milliseconds, or an amount makes no sense.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fleet = (
  options: GeneratorOptions & {
    readonly workers: number
    /** Between two calls of a worker, in milliseconds. None by default. */
    readonly thinkMillis?: Amount | undefined
  }
): Fleet => {
  const { calls, duration, seed, thinkMillis = 0, workers } = options
  demand(isWhole(workers) && workers > 0, `Workload.fleet: workers must be a positive whole number, got ${workers}`)
  const draft = drafting("Workload.fleet", calls)
  const think = drawing("Workload.fleet: thinkMillis", thinkMillis)
  const first = seedOf("Workload.fleet", seed)
  return {
    _tag: "Fleet",
    workers,
    durationMillis: positiveMillis("Workload.fleet: duration", duration),
    *callsOf(worker) {
      const random = new Random(first + worker * SEEDS_APART)
      for (let part = random.fraction(); ; part = 1) {
        // A worker that takes no time at all would never let the time pass.
        const { millis, ...call } = draft(random)
        yield { ...call, millis: Math.max(1, millis), thinkMillis: Math.round(part * think(random)) }
      }
    }
  }
}

/**
 * The names of the columns of a table of calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface CsvColumns {
  /** When calls come: a date and time, in UTC unless it says otherwise, or a number (see `timeUnit`). */
  readonly at: string
  readonly inputTokens: string
  /** What was written. */
  readonly outputTokens: string
  /** What is reserved for the output. */
  readonly maxOutputTokens?: string | undefined
  readonly tenant?: string | undefined
  /** How long calls run. By default 300 ms and 20 ms for each token that is written. */
  readonly millis?: string | undefined
}

/**
 * The columns of the traces of LLM inference that Azure publishes.
 *
 * @category constants
 * @since 0.1.0
 */
export const azureColumns: CsvColumns = {
  at: "TIMESTAMP",
  inputTokens: "ContextTokens",
  outputTokens: "GeneratedTokens"
}

/**
 * What a number that stands for an instant counts.
 *
 * @category models
 * @since 0.1.0
 */
export type TimeUnit = "seconds" | "millis"

/**
 * How a table of calls is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface CsvOptions extends Pick<Shape, "pricePerMillion"> {
  readonly columns: CsvColumns
  /** Its name, for errors. */
  readonly file?: string | undefined
  /** Where instants are numbers: what they count. */
  readonly timeUnit?: TimeUnit | undefined
  /**
   * What is reserved for the output where no column says so: always the same, or what follows from what will be written.
   * By default as much as will be written.
   */
  readonly reserve?: number | ((outputTokens: number) => number) | undefined
}

/**
 * The calls of a table in CSV, the first line of which names the columns.
 *
 * **Details**
 *
 * It is read while the simulation runs, so that memory does not grow with its length. What makes no sense, as rows that
 * are not in the order of time, fails with a `WorkloadError` that names file, line and column.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Workload } from "effect-budget"
 *
 * const text = `TIMESTAMP,ContextTokens,GeneratedTokens
 * 2023-11-16 18:17:03.9799600,4808,10
 * 2023-11-16 18:17:04.0319600,many,8`
 *
 * const workload = Workload.fromCsv(text, { columns: Workload.azureColumns, file: "trace.csv" })
 *
 * const error = await Effect.runPromise(Effect.flip(Stream.runCollect(workload.calls)))
 * error.message // => 'trace.csv, line 3, column ContextTokens: a whole number of zero or more is expected, got "many"'
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCsv = <E = never, R = never>(
  text: string | Stream.Stream<string | Uint8Array, E, R>,
  options: CsvOptions
): Open<E | WorkloadError, R> => ({
  _tag: "Open",
  calls: callsIn(typeof text === "string" ? Stream.fromIterable(partsOf(text), { chunkSize: 1 }) : text, options),
  isDated: true
})

/**
 * The calls of a file in CSV. See {@link fromCsv}. It fails with a `PlatformError` when the file cannot be read.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCsvFile = (
  path: string,
  options: Omit<CsvOptions, "file">
): Open<WorkloadError | PlatformError, FileSystem.FileSystem> =>
  fromCsv(Stream.unwrap(FileSystem.FileSystem.useSync((files) => files.stream(path))), { ...options, file: path })

/**
 * Calls that are given one by one, in the order of `at`. A generator of them is asked for
 * a few thousand at a time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const trace = (calls: Iterable<Call>): Open => ({
  _tag: "Open",
  calls: Stream.suspend(() => Stream.fromIterable(calls)),
  isDated: false
})

const generated = (where: string, options: GeneratorOptions, arrivals: (durationMillis: number) => Arrivals): Open => {
  const draft = drafting(where, options.calls)
  const durationMillis = positiveMillis(`${where}: duration`, options.duration)
  const seed = seedOf(where, options.seed)
  const calls = {
    *[Symbol.iterator](): Iterator<Call> {
      const random = new Random(seed)
      // Apart from each other, so that other sizes come at the same times.
      const ofCalls = random.fork()
      for (const at of arrivals(durationMillis)(random.fork())) yield { ...draft(ofCalls), at: Math.floor(at) }
    }
  }
  return trace(calls)
}

/** A long text in parts, each of which is parsed at once. */
function* partsOf(text: string): Generator<string> {
  for (let from = 0; from < text.length; from += PART_LENGTH) yield text.slice(from, from + PART_LENGTH)
}

const PART_LENGTH = 65_536

const isPositive = (value: number): boolean => value > 0 && Number.isFinite(value)

const positiveMillis = (what: string, duration: Duration.Input): number => {
  const millis = Duration.toMillis(duration)
  demand(isWhole(millis) && millis > 0, `${what} must be a positive whole number of milliseconds, got ${millis} ms`)
  return millis
}

const seedOf = (where: string, seed = 1): number => {
  demand(Number.isSafeInteger(seed), `${where}: seed must be a whole number, got ${seed}`)
  return seed
}

// Any odd number: it takes the seeds of workers far from each other.
const SEEDS_APART = 0x9e3779b1
