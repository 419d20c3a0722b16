/**
 * What a store of shared budgets does, for who writes one: `BudgetStoreContract` is the suite that it has to pass.
 *
 * One process after the other sends batches of operations on budgets that belong together. Lines, priorities and
 * fairness among the budgets of one process stay in the process; the store decides who is admitted.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Limit from "./Limit.ts"
import type * as Usage from "./Usage.ts"

/**
 * What a store does. Whoever writes one runs `BudgetStoreContract` on it.
 *
 * **Details**
 *
 * - _Atomic_: `apply` does a whole batch, at one instant, or nothing of it. No other batch of the group is applied in
 *   between.
 * - _Whose clock_: the store's own, in epoch millis, the same for all members. It never runs backwards between two
 *   batches of a group, whatever the clock does.
 * - _Idempotent_: a batch with the member and sequence of one that was applied is not applied again, and is answered as
 *   the first time, until the member says that it has the answer.
 * - _Leases_: what a member holds is settled by the store when its lease is over. From then on its batches are answered
 *   with `Lapsed` and change nothing.
 * - _Counters_: what a limit has counted stays under its name, whatever maximum and period come with a batch. Another
 *   rule of the name (another kind or meter, or another time at which it counts) starts anew. A limit that does not know
 *   a reservation is charged with what it has used.
 * - _Turns_: who waits is passed at most 8 times by younger requests of other members that may delay it, as long as it
 *   asks again when it was told to, and at most a second later. Requests of one member are in nobody's way there.
 * - _Waking_: where there is room, the member is woken that has waited longest. A message may get lost: nobody relies on
 *   it, as everybody asks again.
 * - _Names and numbers_: groups, keys, limits and members are named by any strings. Numbers are exact up to 2^53 - 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Store {
  /** Does a batch. Whoever gets an error does not know whether it was done, and sends it again. */
  readonly apply: (batch: Batch) => Effect.Effect<Answer, StoreError>

  /** Tells, while the scope is open, whom there may be room for: the member that a call of `onWake` names. */
  readonly listen: (group: string, onWake: (member: string) => void) => Effect.Effect<void, StoreError, Scope.Scope>
}

/**
 * The store did not answer, or its answer makes no sense.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreError extends Data.TaggedError("StoreError")<{ readonly cause: unknown }> {}

/**
 * What one member asks of the budgets of one group, in this order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Batch {
  /** Budgets that are reserved together belong to one group: a store keeps them where it can change them at once. */
  readonly group: string
  /** Names who asks: one process, until its lease is over. */
  readonly member: string
  /** Counts the batches of a member from 1. */
  readonly sequence: number
  /** The member has the answers of all batches up to this sequence. */
  readonly answered: number
  /** How long the member's lease is from now on. */
  readonly leaseMillis: number
  /** What happens to what a member holds when its lease is over. See {@link Lapse}. */
  readonly lapse: Lapse
  readonly operations: ReadonlyArray<Operation>
}

/**
 * What happens to open reservations whose process has died: their estimates are charged, because they may well have
 * been spent, or released. Concurrency is freed in any case. What windows and buckets have counted stays until time
 * brings it back.
 *
 * @category models
 * @since 0.1.0
 */
export type Lapse = "charge" | "release"

/**
 * A budget as the store sees it. Limits come with every batch: the store keeps what was counted, not what is allowed.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedBudget {
  readonly key: string
  /** Without `Limit.perCall`, which counts nothing. */
  readonly limits: ReadonlyArray<Exclude<Limit.Limit, Limit.PerCall>>
  /** Whether its limits count but keep nobody out. */
  readonly isShadow: boolean
}

/**
 * The shared budgets of a path, innermost first. Amounts that go with it are those of the limits of its budgets, in this
 * order. The same object means the same route.
 *
 * @category models
 * @since 0.1.0
 */
export interface Route {
  readonly budgets: ReadonlyArray<SharedBudget>
}

/**
 * One thing that a member asks of a store.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation = Reserve | Settle | Charge | Assert | Withdraw | Pause | Tighten | Look

/**
 * Take all amounts, or none and say what is in the way. Answered with a {@link Verdict}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reserve {
  readonly _tag: "Reserve"
  readonly route: Route
  readonly amounts: ReadonlyArray<number>
  /** Its place among those that wait, as the store has given it. Absent when it asks for the first time. */
  readonly ticket: number | undefined
  /** Whether it goes on waiting when it is refused. */
  readonly waits: boolean
  /**
   * Zero for a call. Else it is taken ahead, for calls that are yet to come within so many millis: a sliding window counts
   * it from the end of that time, nothing counts it as open, and it is refused where anybody waits.
   */
  readonly aheadMillis: number
}

/**
 * End reservations that were taken at the same instant of the store's time: `count` of them, summed up by limit.
 *
 * `estimates` is what they held, `actuals` what was used, and `refunds` the sum of what each of them did not use.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settle {
  readonly _tag: "Settle"
  readonly route: Route
  readonly takenAt: number
  /** For how long it had been taken ahead, as its {@link Reserve} said. */
  readonly aheadMillis: number
  readonly count: number
  readonly estimates: ReadonlyArray<number>
  readonly actuals: ReadonlyArray<number>
  readonly refunds: ReadonlyArray<number>
  readonly usage: Usage.Usage
}

/**
 * Record usage that had no reservation in the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Charge {
  readonly _tag: "Charge"
  readonly route: Route
  readonly amounts: ReadonlyArray<number>
  readonly usage: Usage.Usage
}

/**
 * Take amounts whether or not there is room: reservations that the store has lost.
 *
 * @category models
 * @since 0.1.0
 */
export interface Assert {
  readonly _tag: "Assert"
  readonly route: Route
  readonly count: number
  readonly amounts: ReadonlyArray<number>
}

/**
 * A request of this member that has got a ticket does not wait any longer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Withdraw {
  readonly _tag: "Withdraw"
  readonly route: Route
  readonly ticket: number
}

/**
 * Admit nothing for so long. As {@link PauseOptions} of a budget says.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pause {
  readonly _tag: "Pause"
  readonly budget: SharedBudget
  /** Zero or less ends the pause. */
  readonly millis: number
  readonly isGradual: boolean
}

/**
 * Charge limits with what they have left beyond `remaining`. `indices` are places in `budget.limits`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tighten {
  readonly _tag: "Tighten"
  readonly budget: SharedBudget
  readonly indices: ReadonlyArray<number>
  readonly remaining: number
}

/**
 * Tell the counters of a budget. Answered with a {@link Sight}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Look {
  readonly _tag: "Look"
  readonly budget: SharedBudget
}

/**
 * What became of a batch.
 *
 * **Details**
 *
 * `Applied`: it was done. `now` is the instant at which it was, in the store's time. `verdicts`, `sights` and `tightened`
 * answer the operations that ask something, each kind in its order. `Lapsed`: the member's lease was over, nothing was
 * done. `Forgotten`: the store does not know what it has answered the member before, so that it must have lost data;
 * nothing was done. If it remembers anything that the member holds, it releases that as soon as the next batch comes: the
 * member will say what it holds, as somebody else.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer =
  | {
      readonly _tag: "Applied"
      readonly now: number
      readonly verdicts: ReadonlyArray<Verdict>
      readonly sights: ReadonlyArray<Sight>
      /** By how much each limit was tightened. */
      readonly tightened: ReadonlyArray<ReadonlyArray<number>>
    }
  | { readonly _tag: "Lapsed" | "Forgotten"; readonly now: number }

/**
 * What became of a {@link Reserve}: nothing to say when it was admitted.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict = undefined | Refused

/**
 * What keeps a reservation out: the limit that would let it in last, or a pause.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refused {
  /** The place of the limit in the route, or `-1 - place` of the budget that is paused. */
  readonly index: number
  /** In so many millis it could be let in; `AFTER_SETTLEMENT` or `NEVER` when time alone does not do it. */
  readonly readyInMillis: number
  /** After so many millis it should ask again, also when nobody wakes it. */
  readonly askAgainInMillis: number
  /** What counts against the limit now, open reservations of all members included. */
  readonly used: number
  /** The estimates of the open reservations of all members. */
  readonly reserved: number
  /** Its place among those that wait, if it does. Lower numbers have waited longer. */
  readonly ticket: number | undefined
}

/**
 * The counters of a budget in the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sight {
  /** Of each limit. */
  readonly used: ReadonlyArray<number>
  /** Of each limit. */
  readonly reserved: ReadonlyArray<number>
  readonly open: number
  readonly spent: Usage.Usage
  /** How much longer it is paused: zero when it is not. */
  readonly pausedMillis: number
  /** When the pause lets somebody in: later than its end where it is resumed gradually. */
  readonly resumesInMillis: number
}

/**
 * The answer of {@link Refused} when no passing of time makes room, but a settlement can. Larger than any time.
 *
 * @category constants
 * @since 0.1.0
 */
export { AFTER_SETTLEMENT, NEVER } from "./internal/limit/state.ts"
