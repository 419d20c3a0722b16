import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Pricing from "../Pricing.ts"
import type * as Workload from "../Workload.ts"
import { type CommandFailure, misuse } from "./failure.ts"
import { readJson } from "./files.ts"
import { ratesOf, unknownModel } from "./price.ts"
import { type Complain, makeSetting, type Priced, type Setting, SettingFields, type WorkloadFields } from "./setting.ts"

/** What a simulation is of: a file, and flags that say the same or something else. */
export const settingFlags = {
  file: Argument.String("file").pipe(
    Argument.withDescription("A JSON file with limits, tenants, provider and workload; flags override it"),
    Argument.optional
  ),
  limits: Flag.String("limit").pipe(
    Flag.withAlias("l"),
    Flag.withMetavar("limit"),
    Flag.withDescription('As "90k tokens / minute", "$2", "40 concurrent"; may be given several times'),
    Flag.atLeast(0)
  ),
  providerLimits: Flag.String("provider-limit").pipe(
    Flag.withMetavar("limit"),
    Flag.withDescription("A limit of the provider's own: says what it would have answered with 429"),
    Flag.atLeast(0)
  ),
  maxWait: Flag.String("max-wait").pipe(
    Flag.withMetavar("duration"),
    Flag.withDescription("How long calls wait for room (default: without end)"),
    Flag.optional
  ),
  rate: Flag.String("rate").pipe(
    Flag.withMetavar("calls"),
    Flag.withDescription("Calls per minute, which come independently of each other"),
    Flag.optional
  ),
  workers: Flag.String("workers").pipe(
    Flag.withMetavar("number"),
    Flag.withDescription("Workers, each of which makes one call after the other"),
    Flag.optional
  ),
  trace: Flag.String("trace").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("A CSV file with one call a line, as Azure publishes them"),
    Flag.optional
  ),
  columns: Flag.String("columns").pipe(
    Flag.withMetavar("names"),
    Flag.withDescription(
      'The columns of the trace: "at=time,inputTokens=in,outputTokens=out", and maxOutputTokens, tenant, millis'
    ),
    Flag.optional
  ),
  timeUnit: Flag.Literals("time-unit", ["seconds", "millis"]).pipe(
    Flag.withDescription("What the times of the trace count, where they are numbers"),
    Flag.optional
  ),
  duration: Flag.String("duration").pipe(
    Flag.withMetavar("duration"),
    Flag.withDescription('For how long calls come (default: "1 hour")'),
    Flag.optional
  ),
  input: Flag.String("input").pipe(
    Flag.withMetavar("tokens"),
    Flag.withDescription('Input of a call: "1000", "200..800", or "1000 p95 4000", a median and what 95 % stay below'),
    Flag.optional
  ),
  output: Flag.String("output").pipe(
    Flag.withMetavar("tokens"),
    Flag.withDescription("What a call writes, in the same way"),
    Flag.optional
  ),
  maxOutput: Flag.String("max-output").pipe(
    Flag.withMetavar("tokens"),
    Flag.withDescription("What is reserved for the output (default: what it writes)"),
    Flag.optional
  ),
  model: Flag.String("model").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("Prices the calls as this model's"),
    Flag.optional
  ),
  seed: Flag.Int("seed").pipe(Flag.withDescription("The same seed makes the same calls (default: 1)"), Flag.optional),
  title: Flag.String("title").pipe(Flag.withDescription("What it is called in reports"), Flag.optional)
}

export interface SettingGiven {
  readonly file: Option.Option<string>
  readonly limits: ReadonlyArray<string>
  readonly providerLimits: ReadonlyArray<string>
  readonly maxWait: Option.Option<string>
  readonly rate: Option.Option<string>
  readonly workers: Option.Option<string>
  readonly trace: Option.Option<string>
  readonly columns: Option.Option<string>
  readonly timeUnit: Option.Option<"seconds" | "millis">
  readonly duration: Option.Option<string>
  readonly input: Option.Option<string>
  readonly output: Option.Option<string>
  readonly maxOutput: Option.Option<string>
  readonly model: Option.Option<string>
  readonly seed: Option.Option<number>
  readonly title: Option.Option<string>
}

/** Puts file and flags together. */
export const settingOf = Effect.fnUntraced(function* (
  given: SettingGiven
): Effect.fn.Return<Setting, CommandFailure, FileSystem.FileSystem | Path.Path> {
  const { complain, value } = Option.isSome(given.file)
    ? yield* readJson(given.file.value, SettingFields)
    : { value: {}, complain: undefined }
  const fields = yield* overridden(besideIts(value, given.file, yield* Path.Path), given)
  const price = yield* priceOf(fields.workload?.calls?.model)
  return yield* makeSetting(fields, price, complainOf(fields, given, complain))
})

/** A trace is named from where the file is that names it. */
const besideIts = (fields: SettingFields, file: Option.Option<string>, path: Path.Path): SettingFields => {
  const { workload } = fields
  if (workload?.kind !== "trace" || Option.isNone(file)) return fields
  return { ...fields, workload: { ...workload, file: path.resolve(path.dirname(file.value), workload.file) } }
}

const overridden = Effect.fnUntraced(function* (file: SettingFields, given: SettingGiven) {
  const workload = yield* workloadOf(file.workload, given)
  return {
    ...file,
    ...some("title", given.title),
    ...some("maxWait", given.maxWait),
    ...(given.limits.length === 0 ? {} : { limits: given.limits }),
    ...(given.providerLimits.length === 0 ? {} : { provider: { limits: given.providerLimits } }),
    ...(workload === undefined ? {} : { workload })
  }
})

const workloadOf = Effect.fnUntraced(function* (
  file: WorkloadFields | undefined,
  given: SettingGiven
): Effect.fn.Return<WorkloadFields | undefined, CommandFailure> {
  const { duration, input, maxOutput, model, output, rate, seed, trace, workers } = given
  if ([rate, workers, trace].filter(Option.isSome).length > 1) {
    return yield* misuse("only one of --rate, --workers and --trace says what comes")
  }
  if (Option.isSome(trace) || (file?.kind === "trace" && Option.isNone(rate) && Option.isNone(workers))) {
    return yield* traceOf(file, given)
  }
  const amounts = yield* Effect.all({
    inputTokens: amountOf("--input", input),
    outputTokens: amountOf("--output", output),
    maxOutputTokens: amountOf("--max-output", maxOutput)
  })
  const present = Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount !== undefined))
  const before = file?.kind === "trace" ? undefined : file
  const calls = { ...before?.calls, ...present, ...some("model", model) }
  const common = { duration: "1 hour", ...before, calls, ...some("duration", duration), ...some("seed", seed) }
  const { duration: lasts, seed: from } = common
  const anew = { duration: lasts, calls, ...(from === undefined ? {} : { seed: from }) }
  if (Option.isSome(rate)) {
    const perMinute = yield* numberOf("--rate", rate.value)
    return file?.kind === "diurnal" ? { ...file, ...anew, perMinute } : { kind: "poisson", ...anew, perMinute }
  }
  if (Option.isSome(workers)) {
    const number = yield* numberOf("--workers", workers.value)
    return file?.kind === "fleet" ? { ...file, ...anew, workers: number } : { kind: "fleet", ...anew, workers: number }
  }
  return before === undefined ? undefined : { ...before, ...anew }
})

const traceOf = Effect.fnUntraced(function* (
  file: WorkloadFields | undefined,
  given: SettingGiven
): Effect.fn.Return<WorkloadFields, CommandFailure> {
  const { columns, duration, input, maxOutput, model, output, seed, timeUnit, trace } = given
  const wrong = Object.entries({ duration, input, output, seed }).find(([, { _tag }]) => _tag === "Some")
  if (wrong !== undefined) return yield* misuse(`--${wrong[0]} is for calls that are made up, not for a trace`)
  const before = file?.kind === "trace" ? file : undefined
  const names = Option.isSome(columns) ? { columns: yield* columnsOf(columns.value) } : {}
  const reserve = yield* amountOf("--max-output", maxOutput)
  if (typeof reserve === "object") return yield* misuse("--max-output: of a trace it is one number")
  return {
    kind: "trace",
    ...before,
    file: Option.getOrElse(trace, () => before?.file ?? ""),
    ...names,
    ...some("timeUnit", timeUnit),
    ...(reserve === undefined ? {} : { reserve }),
    ...(Option.isSome(model) ? { calls: { model: model.value } } : {})
  }
})

type Columns = NonNullable<Extract<WorkloadFields, { readonly kind: "trace" }>["columns"]>

const columnNames = ["at", "inputTokens", "outputTokens", "maxOutputTokens", "tenant", "millis"]

const columnsOf = (text: string): Effect.Effect<Columns, CommandFailure> => {
  const columns = Object.fromEntries(
    text.split(",").map((part) => {
      const [name = "", ...column] = part.split("=")
      return [name.trim(), column.join("=").trim()] as const
    })
  )
  const unknown = Object.keys(columns).find((name) => !columnNames.includes(name))
  if (unknown !== undefined) {
    return Effect.fail(misuse(`--columns: expected one of ${columnNames.join(", ")}, got "${unknown}"`))
  }
  const { at, inputTokens, outputTokens } = columns
  return at === undefined || inputTokens === undefined || outputTokens === undefined
    ? Effect.fail(misuse("--columns: at, inputTokens and outputTokens have to be there"))
    : Effect.succeed({ ...columns, at, inputTokens, outputTokens })
}

const numberOf = (flag: string, text: string): Effect.Effect<number | "?", CommandFailure> => {
  if (text === "?") return Effect.succeed("?")
  const value = text.trim() === "" ? Number.NaN : Number(text)
  return Number.isFinite(value)
    ? Effect.succeed(value)
    : Effect.fail(misuse(`${flag}: expected a number or "?", got "${text}"`))
}

const amountOf = (
  flag: string,
  text: Option.Option<string>
): Effect.Effect<Workload.Amount | undefined, CommandFailure> => {
  if (Option.isNone(text)) return Effect.undefined
  const [, first, word, second] = /^(\d+)(?:\s*(\.\.|p95)\s*(\d+))?$/.exec(text.value.trim()) ?? []
  if (first === undefined) {
    return Effect.fail(misuse(`${flag}: expected tokens as "1000", "200..800" or "1000 p95 4000", got "${text.value}"`))
  }
  const [one, two] = [Number(first), Number(second)]
  if (word === undefined) return Effect.succeed(one)
  return Effect.succeed(word === "p95" ? { median: one, p95: two } : { min: one, max: two })
}

const priceOf = Effect.fnUntraced(function* (model: string | undefined): Effect.fn.Return<Priced, CommandFailure> {
  if (model === undefined) return undefined
  const rates = yield* ratesOf((usage) =>
    Pricing.price({ model, usage }).pipe(
      Effect.map(({ costNanoUsd }) => costNanoUsd),
      Effect.catchTag("UnknownModel", () => unknownModel(model))
    )
  )
  return { inputUsd: rates.input, outputUsd: rates.output }
})

/** Of a limit that was typed, shows where in it; of what a file says, says where in the file. */
const complainOf =
  (fields: SettingFields, given: SettingGiven, inFile: Complain | undefined): Complain =>
  (path, problem, within = 0) => {
    const [first, second, third] = path
    const isTyped =
      first === "limits" ? given.limits.length > 0 : first === "provider" && given.providerLimits.length > 0
    const text = first === "limits" ? fields.limits?.[Number(second)] : fields.provider?.limits[Number(third)]
    if (isTyped && text !== undefined) {
      const flag = first === "limits" ? "--limit" : "--provider-limit"
      return misuse(`${flag}: ${problem}\n\n  ${text}\n  ${" ".repeat(within)}^`)
    }
    if (inFile === undefined) return misuse(flagOf(path, problem))
    // A string begins with its quote.
    return inFile(path, problem, within === 0 ? 0 : within + 1)
  }

const flagOf = (path: ReadonlyArray<PropertyKey>, problem: string): string => {
  if (path[0] === "maxWait") return `--max-wait: ${problem}`
  return path[1] === "duration" ? `--duration: ${problem}` : problem
}

const some = <Name extends string, A>(name: Name, option: Option.Option<A>): { readonly [_ in Name]?: A } =>
  (Option.isSome(option) ? { [name]: option.value } : {}) as { readonly [_ in Name]?: A }
