/**
 * A held estimate. It ends exactly once: committed or released.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Usage from "./Usage.ts"

/**
 * A held estimate.
 *
 * **Details**
 *
 * Whatever is not settled when the scope or the body ends is settled then:
 *
 * | how it ends | what is charged |
 * | --- | --- |
 * | success, without `commit` | the estimate |
 * | failure or interruption, with `record` | what was recorded last |
 * | failure or interruption, nothing recorded | nothing, or the estimate with `onFailure: "charge"` |
 *
 * A second settlement is a mistake of the program. It is logged and reported as an event and never changes the ledger.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
 *   const reservation = yield* budget.reserve(Usage.make({ inputTokens: 300, outputTokens: 200 }))
 *   yield* reservation.commit(Usage.make({ inputTokens: 310, outputTokens: 40 }))
 *   return (yield* budget.snapshot).limits[0]?.used
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => 350
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Reservation {
  /** What is held: the estimate or, of an elastic reservation, what lies between `least` and that and was granted. */
  readonly granted: Usage.Usage

  /**
   * Settles with what was really used. The difference goes back at once; what exceeds the estimate counts from now,
   * also above a limit's maximum. When `actual` makes no sense, the estimate is charged and an event says so.
   */
  commit(actual: Usage.Usage): Effect.Effect<void>

  /** Settles without charging anything. */
  readonly release: Effect.Effect<void>

  /** Notes the usage so far of a call that still runs, such as a stream. The last note counts if the call is cut. */
  record(partial: Usage.Usage): Effect.Effect<void>
}
