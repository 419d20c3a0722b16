/**
 * Limits and a workload, run together in virtual time: how long do calls wait, what is refused, how full are the limits?
 *
 * The budgets are the real ones, on a clock that is moved: nothing of how they decide is modelled.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as internal from "./internal/simulation/run.ts"
import type * as Limit from "./Limit.ts"
import type { CallsRecord, ProviderRecord, Quantiles, Recording, RefusalRecord } from "./Recording.ts"
import type { Workload, WorkloadError } from "./Workload.ts"

/**
 * How a simulation is run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E = never, R = never> {
  /** The limits of the outermost budget. */
  readonly limits: ReadonlyArray<Limit.Limit>
  /** Budgets within it. With them, each call is of the one that it names; one that names none asks the outermost one. */
  readonly tenants?: ReadonlyArray<Tenant> | undefined
  readonly workload: Workload<E, R>
  /** The limits that the provider has of its own, to see what it would have refused. */
  readonly provider?: ProviderLimits | undefined
  /** How long calls wait for room; without end by default. */
  readonly maxWait?: Duration.Input | undefined
  /**
   * When it starts: it makes a difference to limits that reset on the calendar. By default when the first call of a dated
   * trace comes, or else on a Monday at midnight UTC.
   */
  readonly start?: DateTime.DateTime.Input | undefined
  /** Runs about every 1,000 calls. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
  /** The title of the recording. */
  readonly title?: string | undefined
  /** The name of the outermost budget, `"budget"` by default. */
  readonly name?: string | undefined
  /** How many calls the recording keeps for advice. A whole number, 10,000 by default. */
  readonly traceMax?: number | undefined
}

/**
 * A budget within the outermost one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tenant {
  readonly name: string
  /** Its own limits, none by default. */
  readonly limits?: ReadonlyArray<Limit.Limit> | undefined
  /** Its share where it competes with others. A positive number, 1 by default. */
  readonly weight?: number | undefined
}

/**
 * What a provider allows. A call that has no room in all of these limits when it is sent is a 429. It counts in none of
 * them, and goes on as any other: the traffic stays the same.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderLimits {
  readonly limits: ReadonlyArray<Limit.Limit>
}

/**
 * How far a simulation has come.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** How many calls have come so far. */
  readonly calls: number
  /** How much time has passed for them. */
  readonly elapsedMillis: number
}

/**
 * What came of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  /** All of it, for reports and advice. */
  readonly recording: Recording
  readonly calls: CallsRecord
  /** How long the calls that were admitted have waited, with zero for those that did not. */
  readonly waitMillis: Quantiles
  readonly refusals: ReadonlyArray<RefusalRecord>
  readonly limits: ReadonlyArray<LimitOutcome>
  /** Present when the provider's limits were given. */
  readonly provider?: ProviderRecord
  /** Present when there were tenants. */
  readonly fairness: Fairness | undefined
}

/**
 * What a limit did.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitOutcome {
  readonly budget: string
  readonly limit: string
  readonly max: number
  /** How many calls have waited for it last. */
  readonly waited: number
  /** How many calls were refused because of it. */
  readonly refused: number
  /** How full it was at its fullest in each step of the recording, as a fraction of its maximum, over all steps. */
  readonly utilisation: { readonly mean: number; readonly p95: number; readonly max: number }
}

/**
 * How evenly the tenants were served for their weights.
 *
 * **Details**
 *
 * `index` is Jain's index of the tokens that each has settled, divided by its weight: 1 when these are the same, and one
 * n-th when one of n tenants got everything. It says something about the budget only where all of them want more than
 * they get.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fairness {
  readonly index: number
  readonly shares: ReadonlyArray<{
    readonly tenant: string
    readonly weight: number
    readonly tokens: number
    readonly tokensPerWeight: number
  }>
}

/**
 * Runs a workload against limits, in virtual time.
 *
 * **Details**
 *
 * It takes about 15 µs per call and memory for the calls that run or wait, not for the length of the workload. Without
 * `maxWait`, a workload that is too much for its limits makes an ever longer line. Other fibers have their turn every
 * few milliseconds, and an interruption ends it. The same options have the same outcome.
 *
 * It fails with a `WorkloadError` when there are no calls, they are not in order, or one makes no sense, and dies with a
 * `RangeError` when the options make none.
 *
 * **Example** (how long do calls wait?)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Limit, Simulation, Workload } from "effect-budget"
 *
 * const program = Simulation.run({
 *   limits: [Limit.slidingWindow("tokens", 40_000, "1 minute")],
 *   workload: Workload.poisson({
 *     perMinute: 30,
 *     duration: "1 hour",
 *     calls: { inputTokens: 1_000, outputTokens: 200 }
 *   }),
 *   provider: { limits: [Limit.slidingWindow("tokens", 40_000, "1 minute")] }
 * })
 *
 * const outcome = await Effect.runPromise(program)
 *
 * outcome.calls.refused // => 0
 * outcome.waitMillis.p50 < outcome.waitMillis.p999 // => true
 * outcome.provider?.withBudget.throttled // => 0
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run: <E = never, R = never>(options: Options<E, R>) => Effect.Effect<Outcome, E | WorkloadError, R> =
  internal.run
