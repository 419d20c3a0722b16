import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Limit from "../Limit.ts"
import type * as Simulation from "../Simulation.ts"
import * as Workload from "../Workload.ts"
import { CommandFailure, fileFailure, misuse } from "./failure.ts"
import { millisOf } from "./durationText.ts"
import { type LimitText, parseLimit } from "./limitText.ts"

/** A number of zero or more that is to be found out is written as "?". */
const Unknown = Schema.Literal("?")

const Amount = Schema.Union([
  Schema.Finite,
  Schema.Struct({ min: Schema.Finite, max: Schema.Finite }),
  Schema.Struct({ median: Schema.Finite, p95: Schema.Finite })
])

const Calls = Schema.Struct({
  inputTokens: Schema.optionalKey(Amount),
  outputTokens: Schema.optionalKey(Amount),
  maxOutputTokens: Schema.optionalKey(Amount),
  millis: Schema.optionalKey(Amount),
  model: Schema.optionalKey(Schema.String),
  tenants: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite))
})

const generated = {
  duration: Schema.String,
  seed: Schema.optionalKey(Schema.Int),
  calls: Schema.optionalKey(Calls)
}

const PerMinute = Schema.Union([Schema.Finite, Unknown])

const WorkloadFields = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("poisson"), perMinute: PerMinute, ...generated }),
  Schema.Struct({
    kind: Schema.Literal("bursts"),
    size: Schema.Int,
    every: Schema.String,
    within: Schema.optionalKey(Schema.String),
    ...generated
  }),
  Schema.Struct({
    kind: Schema.Literal("diurnal"),
    perMinute: PerMinute,
    swing: Schema.optionalKey(Schema.Finite),
    peak: Schema.optionalKey(Schema.String),
    ...generated
  }),
  Schema.Struct({
    kind: Schema.Literal("fleet"),
    workers: Schema.Union([Schema.Int, Unknown]),
    thinkMillis: Schema.optionalKey(Amount),
    ...generated
  }),
  Schema.Struct({
    kind: Schema.Literal("trace"),
    file: Schema.String,
    columns: Schema.optionalKey(
      Schema.Struct({
        at: Schema.String,
        inputTokens: Schema.String,
        outputTokens: Schema.String,
        maxOutputTokens: Schema.optionalKey(Schema.String),
        tenant: Schema.optionalKey(Schema.String),
        millis: Schema.optionalKey(Schema.String)
      })
    ),
    timeUnit: Schema.optionalKey(Schema.Literals(["seconds", "millis"])),
    reserve: Schema.optionalKey(Schema.Int),
    calls: Schema.optionalKey(Schema.Struct({ model: Schema.optionalKey(Schema.String) }))
  })
])

const Limits = Schema.Array(Schema.String)

/** What the file of a simulation says. Durations are written as `"30 seconds"`, limits as `limitText.ts` says. */
export const SettingFields = Schema.Struct({
  title: Schema.optionalKey(Schema.String),
  limits: Schema.optionalKey(Limits),
  tenants: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        name: Schema.String,
        limits: Schema.optionalKey(Limits),
        weight: Schema.optionalKey(Schema.Finite)
      })
    )
  ),
  provider: Schema.optionalKey(Schema.Struct({ limits: Limits })),
  maxWait: Schema.optionalKey(Schema.String),
  workload: Schema.optionalKey(WorkloadFields)
})

export type SettingFields = typeof SettingFields.Type
export type WorkloadFields = typeof WorkloadFields.Type

/** Says what is wrong with the value at a path of the fields, so many characters behind its beginning. */
export type Complain = (path: ReadonlyArray<PropertyKey>, problem: string, within?: number) => CommandFailure

/** What is simulated, once the number is known that "?" stands for. */
export interface Setting {
  readonly unknown: Unknown | undefined
  readonly hasProvider: boolean
  readonly options: (advance: AdvanceOfCalls, wanted?: number) => Effect.Effect<Options, CommandFailure>
}

/** Tells how much of a simulation is done, as a fraction, and how many calls have come where they are made up. */
export type AdvanceOfCalls = (fraction: number, calls?: number) => Effect.Effect<void>

export type Options = Simulation.Options<Workload.WorkloadError | PlatformError, FileSystem.FileSystem>

type AnyWorkload = Options["workload"]

/** What is to be found out: the least maximum of a limit that will do, or the most work that will. */
export interface Unknown {
  readonly what: "least" | "most"
  readonly name: string
  /** How many of the integers that are tried make one of the units of it: a hundred for money, which is cents. */
  readonly scale: number
  /** The largest of these integers that is worth trying. */
  readonly max: number
  /** What it is with a number in its place. */
  readonly written: (wanted: number) => string
}

/** Dollars for a million tokens of a model. */
export type Priced = Workload.Shape["pricePerMillion"]

interface Placed {
  readonly text: LimitText
  readonly path: ReadonlyArray<PropertyKey>
  readonly source: string
}

/** Reads what the fields say, and complains about what makes no sense. */
export const makeSetting = Effect.fnUntraced(function* (
  fields: SettingFields,
  price: Priced,
  complain: Complain
): Effect.fn.Return<Setting, CommandFailure, FileSystem.FileSystem> {
  const { workload } = fields
  if (workload === undefined) {
    return yield* misuse("say what comes: --rate, --workers, --trace, or a file with a workload")
  }
  const root = yield* limitsAt(["limits"], fields.limits ?? [], complain)
  const tenants = yield* Effect.forEach(fields.tenants ?? [], (tenant, index) =>
    Effect.map(limitsAt(["tenants", index, "limits"], tenant.limits ?? [], complain), (limits) => ({
      ...tenant,
      limits
    }))
  )
  const provider = yield* limitsAt(["provider", "limits"], fields.provider?.limits ?? [], complain)
  const unknowns = [
    ...[...root, ...tenants.flatMap(({ limits }) => limits)].filter(({ text }) => text.isOpen).map(unknownLimit),
    ...(yield* sensible(complain, ["workload", "duration"], () => unknownWork(workload)))
  ]
  const [unknown] = unknowns
  if (unknowns.length > 1) return yield* misuse(`only one number can be "?", got ${unknowns.length}`)
  if (provider.some(({ text }) => text.isOpen)) return yield* misuse('what the provider allows cannot be "?"')

  const made = (placed: ReadonlyArray<Placed>, wanted?: number): ReadonlyArray<Limit.Limit> =>
    placed.map(({ text }) => text.limit(wanted))
  const durationMillis =
    workload.kind === "trace"
      ? 0
      : yield* sensible(complain, ["workload", "duration"], () => durationOf(workload.duration))
  const bytes = workload.kind === "trace" ? yield* sizeOf(workload.file) : 0
  const options = (advance: AdvanceOfCalls, wanted?: number) =>
    sensible(complain, ["workload"], () => ({
      limits: made(root, wanted),
      ...(tenants.length === 0
        ? {}
        : { tenants: tenants.map(({ limits, name, weight }) => ({ name, weight, limits: made(limits, wanted) })) }),
      ...(provider.length === 0 ? {} : { provider: { limits: made(provider) } }),
      ...(fields.title === undefined ? {} : { title: fields.title }),
      ...(fields.maxWait === undefined ? {} : { maxWait: durationOf(fields.maxWait) }),
      ...(workload.kind === "trace"
        ? { workload: traceOf(workload, price, (read) => advance(read / bytes)) }
        : {
            workload: workloadOf(workload, price, wanted),
            onProgress: ({ calls, elapsedMillis }: Simulation.Progress) =>
              advance(elapsedMillis / durationMillis, calls)
          })
    }))
  // Whatever is wrong is wrong now.
  if (fields.maxWait !== undefined) yield* sensible(complain, ["maxWait"], () => durationOf(fields.maxWait ?? ""))
  yield* options(() => Effect.void, unknown === undefined ? undefined : 1)
  return { unknown, hasProvider: provider.length > 0, options }
})

const limitsAt = (path: ReadonlyArray<PropertyKey>, texts: ReadonlyArray<string>, complain: Complain) =>
  Effect.forEach(texts, (source, index): Effect.Effect<Placed, CommandFailure> => {
    const text = parseLimit(source)
    const place = [...path, index]
    return "problem" in text
      ? Effect.fail(complain(place, text.problem, text.offset))
      : Effect.succeed({ text, path: place, source })
  })

const unknownLimit = ({ source, text }: Placed): Unknown => {
  const scale = source.trimStart().startsWith("$") ? 100 : 1
  return { what: "least", name: source, scale, max: LIMIT_MAX, written: text.written }
}

const unknownWork = (workload: WorkloadFields): ReadonlyArray<Unknown> => {
  if ("perMinute" in workload && workload.perMinute === "?") {
    const max = Math.floor((CALLS_MAX * 60_000) / durationOf(workload.duration))
    return [
      { what: "most", name: "calls per minute", scale: 1, max, written: (wanted) => `${wanted} calls per minute` }
    ]
  }
  if ("workers" in workload && workload.workers === "?") {
    return [{ what: "most", name: "workers", scale: 1, max: WORKERS_MAX, written: (wanted) => `${wanted} workers` }]
  }
  return []
}

/** How many calls an attempt may have where their number is what is to be found: all of them may have to wait. */
export const CALLS_MAX = 500_000
export const WORKERS_MAX = 2 ** 16
const LIMIT_MAX = 2 ** 40

/** Constructors throw what makes no sense to them. */
const sensible = <A>(
  complain: Complain,
  path: ReadonlyArray<PropertyKey>,
  make: () => A
): Effect.Effect<A, CommandFailure> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(make())
    } catch (error) {
      if (error instanceof RangeError) return Effect.fail(complain(path, error.message.replace(/^Workload\.\w+: /, "")))
      throw error
    }
  })

const sizeOf = Effect.fnUntraced(function* (file: string) {
  const { size, type } = yield* Effect.mapError(
    FileSystem.FileSystem.use((fileSystem) => fileSystem.stat(file)),
    fileFailure("read", file)
  )
  if (type !== "File") return yield* new CommandFailure({ message: `cannot read ${file}: it is no file` })
  return Number(size)
})

type TraceFields = Extract<WorkloadFields, { readonly kind: "trace" }>

const traceOf = (fields: TraceFields, price: Priced, advance: AdvanceOfCalls): AnyWorkload => {
  const bytes = Stream.unwrap(
    FileSystem.FileSystem.useSync((files) => {
      let read = 0
      return Stream.tap(files.stream(fields.file), (chunk) => Effect.suspend(() => advance((read += chunk.length))))
    })
  )
  return Workload.fromCsv(bytes, {
    columns: fields.columns ?? Workload.azureColumns,
    file: fields.file,
    timeUnit: fields.timeUnit,
    reserve: fields.reserve,
    pricePerMillion: price
  })
}

type Generated = Exclude<WorkloadFields, TraceFields>

const workloadOf = (fields: Generated, price: Priced, wanted: number | undefined): Workload.Workload => {
  const { model: _, ...shape } = fields.calls ?? {}
  const known = (value: number | "?"): number => (value === "?" ? (wanted ?? Number.NaN) : value)
  const common = {
    duration: durationOf(fields.duration),
    ...(fields.seed === undefined ? {} : { seed: fields.seed }),
    calls: { ...shape, ...(price === undefined ? {} : { pricePerMillion: price }) }
  }
  switch (fields.kind) {
    case "poisson":
      return Workload.poisson({ ...common, perMinute: known(fields.perMinute) })
    case "bursts":
      return Workload.bursts({
        ...common,
        size: fields.size,
        every: durationOf(fields.every),
        ...(fields.within === undefined ? {} : { within: durationOf(fields.within) })
      })
    case "diurnal":
      return Workload.diurnal({
        ...common,
        perMinute: known(fields.perMinute),
        ...(fields.swing === undefined ? {} : { swing: fields.swing }),
        ...(fields.peak === undefined ? {} : { peak: durationOf(fields.peak) })
      })
    case "fleet":
      return Workload.fleet({
        ...common,
        workers: known(fields.workers),
        ...(fields.thinkMillis === undefined ? {} : { thinkMillis: fields.thinkMillis })
      })
  }
}

const durationOf = (text: string): number => {
  const millis = millisOf(text)
  if (millis === undefined) throw new RangeError(`expected a duration such as "30 seconds" or "1 hour", got "${text}"`)
  return millis
}
