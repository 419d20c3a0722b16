/**
 * What happens to the reservations of a budget, as it happens.
 *
 * A budget reports its own reservations and those of the budgets inside it; `budget` names the one that was asked. `at`
 * is when it happened, in milliseconds since 1970 by Effect's Clock. What happens to one request has the same `call`: a
 * number that no other request has, as long as they have the same Clock.
 *
 * @since 0.1.0
 */
import type * as BudgetError from "./BudgetError.ts"
import type * as Limit from "./Limit.ts"
import type * as Usage from "./Usage.ts"

/**
 * What happens to the reservations of a budget.
 *
 * @category models
 * @since 0.1.0
 */
export type BudgetEvent =
  | Admitted
  | Shadowed
  | Refused
  | Settled
  | Charged
  | Tightened
  | ThresholdReached
  | Overran
  | InvalidReport
  | SettledAlready
  | LeaseExpired
  | StoreUnreachable
  | StoreReached

/**
 * A reservation was admitted, after waiting for so long. `estimate` is what was granted. `waitedFor` is the limit that
 * kept it waiting last, if one did: a pause and the turns of others are none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Admitted {
  readonly _tag: "Admitted"
  readonly at: number
  readonly call: number
  readonly budget: string
  readonly estimate: Usage.Usage
  readonly waitedMillis: number
  readonly waitedFor: LimitOfBudget | undefined
}

/**
 * A limit, and the budget that has it.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitOfBudget {
  readonly budget: string
  readonly limit: Limit.Limit
}

/**
 * A reservation is being admitted that a shadow budget would have kept waiting or refused at this instant, if it were a
 * real one. Told once for each reservation, just before {@link Admitted}.
 *
 * **Details**
 *
 * `budget` is the one that was asked, `reason.budget` the shadow budget: of several limits, the one that would have let
 * it in last. `reason` is what a refusal says, an exact `retryAfter` included. `estimate` is what it asked for: the
 * least, of an elastic one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shadowed {
  readonly _tag: "Shadowed"
  readonly at: number
  readonly call: number
  readonly budget: string
  readonly estimate: Usage.Usage
  readonly reason: BudgetError.Reason
}

/**
 * A request was refused, or waited in vain. `estimate` is what it asked for: the least, of an elastic one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refused {
  readonly _tag: "Refused"
  readonly at: number
  readonly call: number
  readonly budget: string
  readonly estimate: Usage.Usage
  readonly reason: BudgetError.Reason
}

/**
 * A reservation was settled. `estimate` is what was granted, `actual` what was charged: zero when it was released.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settled {
  readonly _tag: "Settled"
  readonly at: number
  readonly call: number
  readonly budget: string
  readonly estimate: Usage.Usage
  readonly actual: Usage.Usage
}

/**
 * Usage without a reservation was charged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Charged {
  readonly _tag: "Charged"
  readonly at: number
  readonly budget: string
  readonly usage: Usage.Usage
}

/**
 * A limit was tightened to what the provider says is left. `by` is in the integers of the limit's meter: what others
 * have used of the provider's limit, as far as nobody here knew of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tightened {
  readonly _tag: "Tightened"
  readonly at: number
  readonly budget: string
  readonly limit: Limit.Limit
  readonly by: number
}

/**
 * What counts against a limit, open reservations included, has reached a fraction of its maximum that
 * `Budget.Options.thresholds` names. `budget` is the one whose limit it is, also when a budget inside it was asked.
 * `used` is in the integers of the limit's meter.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThresholdReached {
  readonly _tag: "ThresholdReached"
  readonly at: number
  readonly budget: string
  readonly limit: Limit.Limit
  readonly threshold: number
  readonly used: number
}

/**
 * More was used than was reserved. `by` is the budget whose limit it is; `overrun` is in the integers of its meter.
 *
 * @category models
 * @since 0.1.0
 */
export interface Overran {
  readonly _tag: "Overran"
  readonly at: number
  readonly call: number
  readonly budget: string
  readonly by: string
  readonly limit: Limit.Limit
  readonly overrun: number
}

/**
 * What was reported as usage made no sense. As the actual usage, the estimate was charged instead; as a note of a call
 * that still runs, the last one that made sense stands, or else the estimate.
 *
 * @category models
 * @since 0.1.0
 */
export interface InvalidReport {
  readonly _tag: "InvalidReport"
  readonly at: number
  readonly call: number
  readonly budget: string
  readonly estimate: Usage.Usage
  readonly problem: string
}

/**
 * Something was done to a reservation that was over: a mistake of the program. The ledger did not change.
 *
 * @category models
 * @since 0.1.0
 */
export interface SettledAlready {
  readonly _tag: "SettledAlready"
  readonly at: number
  readonly call: number
  readonly budget: string
  readonly estimate: Usage.Usage
  readonly attempted: "commit" | "release" | "record"
}

/**
 * The store of a shared budget has not heard of this process for longer than its lease, and has settled this
 * reservation by itself. The call may still run: what it settles later is not counted again.
 *
 * @category models
 * @since 0.1.0
 */
export interface LeaseExpired {
  readonly _tag: "LeaseExpired"
  readonly at: number
  readonly call: number
  readonly budget: string
  readonly estimate: Usage.Usage
}

/**
 * The store of a shared budget has failed, or has not answered in time. `budget` is the shared one.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreUnreachable {
  readonly _tag: "StoreUnreachable"
  readonly at: number
  readonly budget: string
  readonly cause: unknown
}

/**
 * The store of a shared budget answers again.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreReached {
  readonly _tag: "StoreReached"
  readonly at: number
  readonly budget: string
}
