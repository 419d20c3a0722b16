/**
 * What happened in a budget and in those inside it, as plain JSON in bounded memory.
 *
 * Simulations make recordings, and so does a {@link make | recorder} of a live budget. Reports, advice and the command
 * line read them. All durations and instants are whole milliseconds; tokens are whole tokens, money is nano-dollars.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema_ from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Budget } from "./Budget.ts"
import * as internal from "./internal/recording/live.ts"

/**
 * What happened in a budget and in those inside it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recording {
  readonly version: 1
  readonly title: string
  /** When it began, in milliseconds since 1970. */
  readonly startedAt: number
  readonly durationMillis: number
  /** How long one step of each series is. There are at most 720: when there would be more, two become one. */
  readonly stepMillis: number
  /** All calls, whichever budget they asked. */
  readonly calls: CallsRecord
  /** The root first, then the tenants. */
  readonly budgets: ReadonlyArray<BudgetRecord>
  /** Only in simulations that had a provider. */
  readonly provider?: ProviderRecord
  /** The calls that ended most recently, by the time at which they asked: what advice replays. */
  readonly trace: ReadonlyArray<TracedCall>
}

/**
 * What happened in one budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetRecord {
  readonly name: string
  readonly weight: number
  /**
   * Whether only its calls were heard of: `limits` are at most those that calls have waited for or were refused because
   * of, and what was in use is not known. Advice replays it without limits of its own.
   */
  readonly isPartial?: true
  /**
   * Which of `budgets` it is directly within. Null if that is one that is not recorded, or if there are several. Absent of
   * the root, and where it is not known.
   */
  readonly within?: number | null
  /** Whether its limits keep nobody out. */
  readonly isShadow?: true
  readonly limits: ReadonlyArray<LimitRecord>
  /** The calls that asked this very budget. */
  readonly calls: CallsRecord
  readonly series: SeriesRecord
}

/**
 * One number per step, of the calls that asked this very budget: those of all budgets add up to those of everybody.
 *
 * @category models
 * @since 0.1.0
 */
export interface SeriesRecord {
  /** Settled or charged, input and output together. */
  readonly tokens: ReadonlyArray<number>
  /** Settled or charged. */
  readonly costNanoUsd: ReadonlyArray<number>
  readonly admitted: ReadonlyArray<number>
  /** Of those that were admitted, the ones that had to wait. */
  readonly waited: ReadonlyArray<number>
  readonly refused: ReadonlyArray<number>
  /** The longest wait of those that were admitted. */
  readonly waitMillisMax: ReadonlyArray<number>
}

/**
 * A limit, and what it did. Amounts are in the integers of its meter: nano-dollars where it counts money.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitRecord {
  /** Its name within the budget. */
  readonly name: string
  /** The `_tag` of the `Limit`, as `SlidingWindow`. */
  readonly kind: string
  /** The name of the meter. */
  readonly meter: string
  readonly max: number
  /** The length of a sliding window, or the time in which `refill` flows into a bucket. */
  readonly windowMillis?: number
  /** What flows into a bucket in `windowMillis`. */
  readonly refill?: number
  readonly chargeAt?: "reserve" | "settle"
  /** When a fixed window resets. */
  readonly resets?: ResetsRecord
  /** Per step, the most that counted against `max`, open reservations included. */
  readonly used: ReadonlyArray<number>
  /** How many of the calls that were admitted have waited for it last. */
  readonly waited: number
  /** How many calls were refused because of it. */
  readonly refused: number
}

/**
 * When a fixed window resets.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResetsRecord {
  readonly cron: string
  readonly timeZone?: string
  readonly onDstOverlap: "earlier" | "later" | "both"
}

/**
 * How many calls there were, what became of them and what they took.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallsRecord {
  readonly asked: number
  readonly admitted: number
  /** Of those that were admitted, the ones that had to wait. */
  readonly waited: number
  readonly refused: number
  readonly settled: number
  /** Settled calls that used more than they had reserved. */
  readonly overran: number
  readonly refusals: ReadonlyArray<RefusalRecord>
  /** How long those that were admitted have waited, with zero for those that did not. */
  readonly waitMillis: Quantiles
  /** The sum of what was granted. */
  readonly estimated: TotalUsage
  /** The sum of what was settled or charged. */
  readonly actual: TotalUsage
}

/**
 * How many calls were refused for one reason.
 *
 * @category models
 * @since 0.1.0
 */
export interface RefusalRecord {
  /** The `_tag` of the reason of the `BudgetError`. */
  readonly reason: string
  /** The budget whose limit it was, or that was paused. */
  readonly budget: string
  /** The name of the limit, where one was the reason. */
  readonly limit?: string
  readonly count: number
}

/**
 * A sum of usages.
 *
 * @category models
 * @since 0.1.0
 */
export interface TotalUsage {
  readonly requests: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costNanoUsd: number
}

/**
 * Quantiles in milliseconds, of `count` durations. Below 128 ms they are exact, above within 1/128 (0.8 %); `max` is
 * exact. They are zero when there were no durations.
 *
 * @category models
 * @since 0.1.0
 */
export interface Quantiles {
  readonly count: number
  readonly p50: number
  readonly p90: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/**
 * What a provider with limits of its own would have said to the same calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderRecord {
  readonly limits: ReadonlyArray<{ readonly name: string; readonly meter: string; readonly max: number }>
  /** The calls that were sent when the budget had let them in, and how many of these the provider refused (429). */
  readonly withBudget: { readonly calls: number; readonly throttled: number }
  /** The same calls, sent when they arrived. */
  readonly withoutBudget: { readonly calls: number; readonly throttled: number }
}

/**
 * One call of a recording.
 *
 * @category models
 * @since 0.1.0
 */
export interface TracedCall {
  /** When it asked, in milliseconds from the start. Of one that was refused: when it was refused. */
  readonly at: number
  /** Which of `budgets` it asked. */
  readonly tenant: number
  readonly estimate: TracedUsage
  /** What it used. Of one that was refused: its estimate. */
  readonly actual: TracedUsage
  /** How long it ran. Of one that was refused: as long as others did on average. */
  readonly millis: number
  readonly waitMillis: number
  readonly isRefused?: true
}

/**
 * A usage without the fields that are zero (one, for `requests`).
 *
 * @category models
 * @since 0.1.0
 */
export interface TracedUsage {
  readonly requests?: number
  readonly inputTokens?: number
  readonly cacheReadTokens?: number
  readonly outputTokens?: number
  readonly costNanoUsd?: number
}

const Count = Schema_.Int.check(Schema_.isGreaterThanOrEqualTo(0))

const Counts = Schema_.Array(Count)

const Quantiles_ = Schema_.Struct({
  count: Count,
  p50: Count,
  p90: Count,
  p95: Count,
  p99: Count,
  p999: Count,
  max: Count
})

const TotalUsage_ = Schema_.Struct({
  requests: Count,
  inputTokens: Count,
  outputTokens: Count,
  costNanoUsd: Count
})

const CallsRecord_ = Schema_.Struct({
  asked: Count,
  admitted: Count,
  waited: Count,
  refused: Count,
  settled: Count,
  overran: Count,
  refusals: Schema_.Array(
    Schema_.Struct({
      reason: Schema_.String,
      budget: Schema_.String,
      limit: Schema_.optionalKey(Schema_.String),
      count: Count
    })
  ),
  waitMillis: Quantiles_,
  estimated: TotalUsage_,
  actual: TotalUsage_
})

const LimitRecord_ = Schema_.Struct({
  name: Schema_.String,
  kind: Schema_.String,
  meter: Schema_.String,
  max: Count,
  windowMillis: Schema_.optionalKey(Count),
  refill: Schema_.optionalKey(Count),
  chargeAt: Schema_.optionalKey(Schema_.Literals(["reserve", "settle"])),
  resets: Schema_.optionalKey(
    Schema_.Struct({
      cron: Schema_.String,
      timeZone: Schema_.optionalKey(Schema_.String),
      onDstOverlap: Schema_.Literals(["earlier", "later", "both"])
    })
  ),
  used: Counts,
  waited: Count,
  refused: Count
})

const BudgetRecord_ = Schema_.Struct({
  name: Schema_.String,
  weight: Schema_.Finite,
  isPartial: Schema_.optionalKey(Schema_.Literal(true)),
  within: Schema_.optionalKey(Schema_.NullOr(Count)),
  isShadow: Schema_.optionalKey(Schema_.Literal(true)),
  limits: Schema_.Array(LimitRecord_),
  calls: CallsRecord_,
  series: Schema_.Struct({
    tokens: Counts,
    costNanoUsd: Counts,
    admitted: Counts,
    waited: Counts,
    refused: Counts,
    waitMillisMax: Counts
  })
})

const Throttling_ = Schema_.Struct({ calls: Count, throttled: Count })

const TracedUsage_ = Schema_.Struct({
  requests: Schema_.optionalKey(Count),
  inputTokens: Schema_.optionalKey(Count),
  cacheReadTokens: Schema_.optionalKey(Count),
  outputTokens: Schema_.optionalKey(Count),
  costNanoUsd: Schema_.optionalKey(Count)
})

/**
 * Reads and writes recordings, and says which field of a file makes no sense.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Recording } from "effect-budget"
 *
 * const read = Schema.decodeUnknownEffect(Recording.Schema)({ version: 2 })
 *
 * const error = await Effect.runPromise(Effect.flip(read))
 * error.message.split("\n")[0] // => "Expected 1"
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Schema: Schema_.Codec<Recording> = Schema_.Struct({
  version: Schema_.Literal(1),
  title: Schema_.String,
  startedAt: Schema_.Int,
  durationMillis: Count,
  stepMillis: Count,
  calls: CallsRecord_,
  budgets: Schema_.Array(BudgetRecord_),
  provider: Schema_.optionalKey(
    Schema_.Struct({
      limits: Schema_.Array(Schema_.Struct({ name: Schema_.String, meter: Schema_.String, max: Count })),
      withBudget: Throttling_,
      withoutBudget: Throttling_
    })
  ),
  trace: Schema_.Array(
    Schema_.Struct({
      at: Count,
      tenant: Count,
      estimate: TracedUsage_,
      actual: TracedUsage_,
      millis: Count,
      waitMillis: Count,
      isRefused: Schema_.optionalKey(Schema_.Literal(true))
    })
  )
})

/**
 * How a live budget is recorded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What it is about. By default the name of the budget. */
  readonly title?: string | undefined
  /** Budgets inside it whose limits are recorded, too. Calls of others are recorded without the limits. */
  readonly tenants?: ReadonlyArray<Budget> | undefined
  /** How many calls are kept for advice. A whole number, 10,000 by default. */
  readonly traceMax?: number | undefined
}

/**
 * Keeps a recording of a live budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorder {
  /** What happened so far. */
  readonly recording: Effect.Effect<Recording>
}

/**
 * Records a live budget for as long as the scope is open.
 *
 * **Details**
 *
 * It listens to the budget and to those inside it without a queue: nothing is lost, and a call takes about a microsecond
 * longer. Memory is bounded: 720 steps, `traceMax` calls, at most 64 budgets (the calls of further ones are in the
 * record named `(others)`, without limits), and the 100,000 youngest calls that run at the same time.
 *
 * It dies with a `RangeError` when `traceMax` is no whole number of zero or more.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Recording, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const key = yield* Budget.make({ name: "key", limits: [Limit.slidingWindow("tokens", 1_000, "1 minute")] })
 *   const recorder = yield* Recording.make(key)
 *
 *   const call = Effect.succeed(300).pipe(
 *     key.spend({
 *       estimate: Usage.make({ inputTokens: 200, outputTokens: 500 }),
 *       actual: (outputTokens) => Usage.make({ inputTokens: 200, outputTokens }),
 *       maxWait: 0
 *     })
 *   )
 *   yield* call
 *   yield* Effect.ignore(call)
 *   return yield* recorder.recording
 * })
 *
 * const { calls } = await Effect.runPromise(Effect.scoped(program))
 *
 * calls.admitted // => 1
 * calls.actual.outputTokens // => 300
 * calls.refusals[0]?.limit // => "slidingWindow(tokens, 60000ms)"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (budget: Budget, options?: Options) => Effect.Effect<Recorder, never, Scope.Scope> = internal.make
