/**
 * Are the limits too tight, and what would be enough?
 *
 * The share of calls that had to wait or were refused says whether limits are too tight; above 5 % they are, as a rule of
 * thumb. What would be enough is not guessed: the same calls are simulated again under other limits.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as internal from "./internal/advice/advise.ts"
import type * as Limit from "./Limit.ts"
import type { Recording } from "./Recording.ts"
import type * as Simulation from "./Simulation.ts"
import type { WorkloadError } from "./Workload.ts"

/**
 * What is to be said of limits and the calls under them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Advice {
  /** The share of calls that may wait or be refused. */
  readonly target: number
  /** The share of calls that did. */
  readonly share: number
  readonly certainty: Certainty
  /** The limits that calls have waited for or were refused because of, those of most calls first. */
  readonly hindrances: ReadonlyArray<Hindrance>
  /** How many calls were simulated again. */
  readonly simulated: number
  /**
   * What would be enough: the limits that would have to be larger. Empty when the share is at most the target; absent when
   * no maxima would do.
   */
  readonly limits: ReadonlyArray<LimitAdvice> | undefined
  /** The share of the simulated calls that would wait or be refused then. */
  readonly shareThen: number | undefined
  /** Instead of larger limits: how fast calls may come, as a fraction of their pace. Absent where a fleet calls. */
  readonly pace: number | undefined
  /** Instead of larger limits: how many of a fleet's workers there may be. Absent where calls come by themselves. */
  readonly workers: { readonly current: number; readonly advised: number } | undefined
  /** All of this in a few sentences. */
  readonly verdict: string
}

/**
 * Within which bounds the share of such calls lies with a probability of 95 %.
 *
 * **Details**
 *
 * Calls that follow each other wait together. The recording is therefore cut into up to 20 blocks, and the bounds follow
 * from how much these differ. `isEnough` says whether there are enough calls (400) and blocks (10) for that.
 *
 * @category models
 * @since 0.1.0
 */
export interface Certainty {
  readonly low: number
  readonly high: number
  readonly calls: number
  readonly blocks: number
  readonly isEnough: boolean
}

/**
 * How many calls a limit was in the way of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hindrance {
  readonly budget: string
  /** The name of the limit. */
  readonly limit: string
  readonly waited: number
  readonly refused: number
  /** Of all calls. */
  readonly share: number
}

/**
 * A limit as it is, and as it would have to be.
 *
 * **Details**
 *
 * All advised limits together are enough, and none of them could be a tenth smaller. Which limits are to grow, and by how
 * much, is not unique: here all that are in the way grow by the same factor first, and then each shrinks, in the order in
 * which they were found, as far as the others allow. Of a bucket, the inflow and the capacity grow together.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitAdvice {
  readonly budget: string
  readonly current: Limit.Limit
  readonly advised: Limit.Limit
}

/**
 * What advice is to aim at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The share of calls that may wait or be refused: between 0 and 1, 0.05 by default. */
  readonly target?: number | undefined
}

/**
 * How to give advice on a recording.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordingOptions extends Options {
  /** The limits of the outermost budget, where they count by meters of one's own, which a recording does not keep. */
  readonly limits?: ReadonlyArray<Limit.Limit> | undefined
  /** How long calls wait before they give up; without end by default. */
  readonly maxWait?: Duration.Input | undefined
}

/**
 * Why there can be no advice on a recording.
 *
 * @category errors
 * @since 0.1.0
 */
export class AdviceError extends Data.TaggedError("AdviceError")<{ readonly problem: string }> {
  override get message(): string {
    return `Advice.fromRecording: ${this.problem}`
  }
}

/**
 * Advice on what a recording tells: of a live budget, or of a simulation.
 *
 * **Details**
 *
 * The share and its certainty are those of all calls of the recording. Simulated again are the most recent ones that it
 * has kept, as if the limits had been unused before. They come when they came, whoever had to wait; a call that was
 * refused is taken to use what it reserved, and to run as long as others did on average.
 *
 * It fails with an `AdviceError` when the recording has no calls, a limit that cannot be made again, a shadow budget, or
 * a budget that is not directly within the outermost one, and dies with a `RangeError` when the target is not between 0
 * and 1. Limits of budgets that the recorder was not told of (`tenants`) are left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromRecording: (recording: Recording, options?: RecordingOptions) => Effect.Effect<Advice, AdviceError> =
  internal.fromRecording

/**
 * Advice on limits and a workload, as they would be given to `Simulation.run`.
 *
 * **Details**
 *
 * The first `callsMax` calls of the workload are kept in memory and simulated again and again: for each doubling of the
 * limits in the way until they suffice, and then up to about ten times for each of these limits, in one round as a rule.
 * With a few limits that is about fifty times, with many tenants that have limits of their own hundreds of times. A fleet
 * is simulated for as long as it works.
 *
 * It fails with a `WorkloadError` as `Simulation.run` does, and dies with a `RangeError` when the options make no sense.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Advice, Limit, Workload } from "effect-budget"
 *
 * const advice = await Effect.runPromise(
 *   Advice.fromWorkload({
 *     limits: [Limit.concurrency(2)],
 *     workload: Workload.poisson({ perMinute: 30, duration: "1 hour", calls: { millis: 5_000 } })
 *   })
 * )
 *
 * advice.share > 0.5 // => true
 * advice.limits?.map(({ advised }) => advised.max) // => [6]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromWorkload: <E = never, R = never>(
  options: WorkloadOptions<E, R>
) => Effect.Effect<Advice, E | WorkloadError, R> = internal.fromWorkload

/**
 * How to give advice on a workload.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkloadOptions<E = never, R = never>
  extends Options, Pick<Simulation.Options<E, R>, "limits" | "tenants" | "workload" | "maxWait" | "start" | "name"> {
  /** How many calls are simulated. A positive whole number, 10,000 by default. */
  readonly callsMax?: number | undefined
}
