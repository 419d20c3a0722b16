/**
 * Why a budget said no.
 *
 * There is one error, {@link BudgetError}, with a `reason`. Handle it whole, or one reason with `Effect.catchReason`.
 * Amounts are whole units of the limit's meter: tokens, requests, nano-dollars.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import type * as Deadline from "./Deadline.ts"
import { traceless } from "./internal/traceless.ts"
import type * as Limit from "./Limit.ts"
import * as Meter from "./Meter.ts"

/**
 * A cap has too little left: what is committed and reserved leaves no room for what was requested.
 *
 * **Details**
 *
 * With `reserved` above zero the request may fit later, when open reservations give back what they do not use. If it
 * would fit already, the room is kept for others who have waited longer.
 *
 * @category models
 * @since 0.1.0
 */
export class BudgetExceeded extends Data.TaggedClass("BudgetExceeded")<{
  readonly budget: string
  readonly limit: Limit.Limit
  readonly used: number
  readonly reserved: number
  readonly requested: number
}> {
  get max(): number {
    return this.limit.max
  }

  get message(): string {
    const show = (amount: number) => Meter.format(this.limit.meter, amount)
    const fits = this.used + this.reserved + this.requested <= this.max
    return `${where(this)} ${fits ? othersFirst : "has too little left"}: ${show(this.requested)} requested, ${show(
      this.used
    )} used and ${show(this.reserved)} reserved of ${show(this.max)}`
  }
}

/**
 * A window or a bucket has no room now.
 *
 * **Details**
 *
 * `retryAfter` is exact while nobody else asks: one millisecond earlier the request would be refused, at that time it
 * is admitted. It is absent when only a settlement can make room.
 *
 * @category models
 * @since 0.1.0
 */
export class WindowExceeded extends Data.TaggedClass("WindowExceeded")<{
  readonly budget: string
  readonly limit: Limit.Limit
  readonly requested: number
  readonly retryAfter: Duration.Duration | undefined
}> {
  get message(): string {
    const requested = Meter.format(this.limit.meter, this.requested)
    return `${where(this)} has no room for ${requested}: retry ${when(this.retryAfter)}`
  }
}

/**
 * The budget is paused, as after a provider's Retry-After, or resumes gradually after a pause.
 *
 * @category models
 * @since 0.1.0
 */
export class Paused extends Data.TaggedClass("Paused")<{
  readonly budget: string
  /** When the pause lets the request in. Absent when it does, and others who have waited for that go first. */
  readonly retryAfter: Duration.Duration | undefined
}> {
  get message(): string {
    return `${this.budget} is paused: retry ${when(this.retryAfter)}`
  }
}

/**
 * As many reservations are open as the limit allows. Room comes when one of them settles.
 *
 * @category models
 * @since 0.1.0
 */
export class ConcurrencyExceeded extends Data.TaggedClass("ConcurrencyExceeded")<{
  readonly budget: string
  readonly limit: Limit.Limit
  readonly open: number
}> {
  get max(): number {
    return this.limit.max
  }

  get message(): string {
    const state = this.open < this.max ? othersFirst : "is full"
    return `${where(this)} ${state}: ${this.open} of ${this.max} reservations are open`
  }
}

/**
 * The request is larger than the limit and can never be admitted, however long it waits.
 *
 * @category models
 * @since 0.1.0
 */
export class RequestTooLarge extends Data.TaggedClass("RequestTooLarge")<{
  readonly budget: string
  readonly limit: Limit.Limit
  readonly requested: number
}> {
  get max(): number {
    return this.limit.max
  }

  get message(): string {
    const show = (amount: number) => Meter.format(this.limit.meter, amount)
    return `${where(this)} can never admit ${show(this.requested)}: its maximum is ${show(this.max)}`
  }
}

/**
 * The deadline of the task was over before there was room, or it is known that there will be none before.
 *
 * @category models
 * @since 0.1.0
 */
export class DeadlineExceeded extends Data.TaggedClass("DeadlineExceeded")<{
  readonly budget: string
  /** What the deadline says: the task, and how far it was. */
  readonly deadline: Deadline.DeadlineExceeded
  /** Why there was no room. Absent when the deadline was over already. */
  readonly obstacle: Reason | undefined
}> {
  get message(): string {
    const { budget, deadline, obstacle } = this
    return `${budget}: ${deadline.message}${obstacle === undefined ? "" : `; ${obstacle.message}`}`
  }
}

/**
 * An estimate or a charge has a field that is no amount. Nothing was recorded.
 *
 * @category models
 * @since 0.1.0
 */
export class InvalidUsage extends Data.TaggedClass("InvalidUsage")<{
  readonly budget: string
  /** One sentence that names the field. */
  readonly problem: string
}> {
  get message(): string {
    return `${this.budget}: ${this.problem}`
  }
}

/**
 * The store of a shared budget could not answer. Budgets in memory never raise it.
 *
 * @category models
 * @since 0.1.0
 */
export class BudgetStoreError extends Data.TaggedClass("BudgetStoreError")<{
  readonly budget: string
  readonly cause: unknown
}> {
  get message(): string {
    return `${this.budget}: the store could not answer`
  }
}

/**
 * The reasons of a {@link BudgetError}.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  | BudgetExceeded
  | WindowExceeded
  | Paused
  | ConcurrencyExceeded
  | RequestTooLarge
  | DeadlineExceeded
  | InvalidUsage
  | BudgetStoreError

/**
 * A budget said no; `reason` says why.
 *
 * **Details**
 *
 * It carries no stack trace: refusals are frequent, and a trace costs several times what an admission does. The
 * `message` names the budget and the limit.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const budget = yield* Budget.make({ name: "run", limits: [Limit.slidingWindow("tokens", 100, "1 minute")] })
 *   yield* budget.charge(Usage.make({ inputTokens: 80 }))
 *   return yield* Effect.succeed("long answer").pipe(
 *     budget.spend({ estimate: Usage.make({ inputTokens: 30 }), maxWait: 0 }),
 *     Effect.catchReason("BudgetError", "WindowExceeded", () => Effect.succeed("short answer"))
 *   )
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "short answer"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class BudgetError extends Data.TaggedError("BudgetError")<{ readonly reason: Reason }> {
  /** The name of the limit that refused, unless it was no limit. */
  get limitName(): string | undefined {
    const { reason } = this
    return "limit" in reason ? reason.limit.name : undefined
  }

  /** How long to wait before asking again, where that is known. */
  get retryAfter(): Duration.Duration | undefined {
    return "retryAfter" in this.reason ? this.reason.retryAfter : undefined
  }

  override get message(): string {
    return this.reason.message
  }
}

/**
 * Makes a {@link BudgetError} without capturing a stack trace.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: Reason): BudgetError => traceless(() => new BudgetError({ reason }))

const othersFirst = "keeps its room for others who wait"

const when = (retryAfter: Duration.Duration | undefined): string =>
  retryAfter === undefined ? "when a call settles" : `in ${Duration.format(retryAfter)}`

const where = (reason: { readonly budget: string; readonly limit: Limit.Limit }): string =>
  `${reason.budget}: ${reason.limit.name}`
