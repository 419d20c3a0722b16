/**
 * One rule on one meter: a cap, a window, a bucket, a bound on what is open at once or on a single call.
 *
 * A `Limit` is plain data, made by the constructors below and given to a budget. Amounts are whole units of the
 * limit's meter (tokens, requests, nano-dollars); dollars are written as dollars and converted here. Durations are
 * whole milliseconds.
 *
 * @since 0.1.0
 */
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Meter from "./Meter.ts"
import * as Usage from "./Usage.ts"

/**
 * One rule on one meter.
 *
 * @category models
 * @since 0.1.0
 */
export type Limit = Cap | SlidingWindow | FixedWindow | TokenBucket | Concurrency | PerCall

/**
 * When a call counts in a window: from its admission, as providers count, or from its settlement.
 *
 * **Details**
 *
 * With `"reserve"` a call that outlasts the window has left it before it ends. With `"settle"` the estimate is held
 * until the call is settled, and the actual usage counts from there: the strictest choice.
 *
 * @category models
 * @since 0.1.0
 */
export type ChargeAt = "reserve" | "settle"

interface Named {
  /** Identifies the limit within its budget, in errors and in snapshots. */
  readonly name: string
  readonly meter: Meter.Meter
  /** The most that may be held at once, in the meter's integers. */
  readonly max: number
}

/**
 * A hard ceiling for the life of the budget. See {@link cap}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cap extends Named {
  readonly _tag: "Cap"
}

/**
 * A true rolling window. See {@link slidingWindow}.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlidingWindow extends Named {
  readonly _tag: "SlidingWindow"
  readonly windowMillis: number
  readonly chargeAt: ChargeAt
}

/**
 * A window that resets on a boundary of the calendar. See {@link fixedWindow}.
 *
 * @category models
 * @since 0.1.0
 */
export interface FixedWindow extends Named {
  readonly _tag: "FixedWindow"
  /** The instants at which the window resets. */
  readonly resets: Cron.Cron
  readonly chargeAt: ChargeAt
}

/**
 * A bucket that refills continuously. See {@link tokenBucket}.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenBucket extends Named {
  readonly _tag: "TokenBucket"
  /** How much flows in during `refillMillis`. */
  readonly refill: number
  readonly refillMillis: number
}

/**
 * At most so many reservations open at once. See {@link concurrency}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Concurrency extends Named {
  readonly _tag: "Concurrency"
}

/**
 * A ceiling for every single call. See {@link perCall}.
 *
 * @category models
 * @since 0.1.0
 */
export interface PerCall extends Named {
  readonly _tag: "PerCall"
}

/**
 * Options that every limit takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Replaces the derived name, such as `slidingWindow(tokens, 60000ms)`. Names are unique within a budget. */
  readonly name?: string | undefined
}

/**
 * A hard ceiling for the life of the budget: the session cap, the cost ceiling.
 *
 * **Details**
 *
 * At admission, what is committed and what is reserved never exceed `max` together. What was really used is always
 * recorded, also above the ceiling. `max` is in the meter's unit; for `"usd"` it is dollars.
 *
 * Throws a `RangeError` when the meter is unknown or `max` is not a whole, non-negative amount.
 *
 * **Example**
 *
 * ```ts
 * import { Limit } from "effect-budget"
 *
 * Limit.cap("tokens", 50_000).max // => 50_000
 * Limit.cap("usd", 2).max // => 2_000_000_000
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cap = (meter: Meter.Input, max: number, options?: Options): Cap => {
  const measured = metered("Limit.cap", meter, max)
  return { _tag: "Cap", name: options?.name ?? `cap(${measured.meter.name})`, ...measured }
}

/**
 * A true rolling window: in every interval as long as `window`, no more than `max` is admitted.
 *
 * **Details**
 *
 * What is taken at an instant is free again exactly one window later. Exact to the millisecond while at most
 * 4,096 instants are live; beyond that old instants are merged, which can return capacity up to a thousandth of the
 * window late and never early.
 *
 * Throws a `RangeError` when the meter is unknown, `max` is not a whole, non-negative amount, or the window is not a
 * positive whole number of milliseconds.
 *
 * **Example**
 *
 * ```ts
 * import { Limit } from "effect-budget"
 *
 * Limit.slidingWindow("tokens", 8_000, "1 minute").windowMillis // => 60_000
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const slidingWindow = (
  meter: Meter.Input,
  max: number,
  window: Duration.Input,
  options?: Options & { readonly chargeAt?: ChargeAt | undefined }
): SlidingWindow => {
  const measured = metered("Limit.slidingWindow", meter, max)
  const windowMillis = positiveMillis("Limit.slidingWindow: window", window)
  return {
    _tag: "SlidingWindow",
    name: options?.name ?? `slidingWindow(${measured.meter.name}, ${windowMillis}ms)`,
    ...measured,
    windowMillis,
    chargeAt: options?.chargeAt ?? "reserve"
  }
}

/**
 * The calendar periods that {@link fixedWindow} knows by name. Weeks begin on Monday.
 *
 * @category models
 * @since 0.1.0
 */
export type Period = "minute" | "hour" | "day" | "week" | "month"

const periodCron: Readonly<Record<Period, string>> = {
  minute: "* * * * *",
  hour: "0 * * * *",
  day: "0 0 * * *",
  week: "0 0 * * 1",
  month: "0 0 1 * *"
}

/**
 * A window that resets on a boundary of the calendar, in a time zone: for quotas that providers reset so.
 *
 * **Details**
 *
 * `every` is a period or, for any other rhythm, the `Cron` of its resets (the time zone is then the cron's own). The
 * time zone is an IANA name and defaults to UTC. A clock that is set back re-enters no window that it has left: what
 * was counted stays until the calendar gets to the window's end again.
 *
 * Throws a `RangeError` when the meter, the period or the time zone is unknown, or `max` is not a whole, non-negative
 * amount.
 *
 * **Example** (Gemini's requests per day reset at midnight Pacific time)
 *
 * ```ts
 * import { Limit } from "effect-budget"
 *
 * const perDay = Limit.fixedWindow("requests", 1_000, "day", { timeZone: "America/Los_Angeles" })
 *
 * perDay.name // => "fixedWindow(requests, day America/Los_Angeles)"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fixedWindow = (
  meter: Meter.Input,
  max: number,
  every: Period | Cron.Cron,
  options?: Options & { readonly chargeAt?: ChargeAt | undefined; readonly timeZone?: string | undefined }
): FixedWindow => {
  const measured = metered("Limit.fixedWindow", meter, max)
  const timeZone = options?.timeZone ?? "UTC"
  const label = Cron.isCron(every) ? cronLabel(every) : `${every} ${timeZone}`
  return {
    _tag: "FixedWindow",
    name: options?.name ?? `fixedWindow(${measured.meter.name}, ${label})`,
    ...measured,
    resets: Cron.isCron(every) ? comingResets(every) : periodResets(every, timeZone),
    chargeAt: options?.chargeAt ?? "reserve"
  }
}

/**
 * A bucket that refills continuously by `refill` per `every`, as Anthropic describes its limits.
 *
 * **Details**
 *
 * It holds at most `capacity`, by default as much as flows in per period. Whole units become
 * available; the fraction that flows in between is kept exactly and never rounded away. A refund gives back what would
 * not have overflowed meanwhile, at most one unit less.
 *
 * Throws a `RangeError` when the meter is unknown, an amount is not whole and non-negative, nothing would flow in, or
 * the period is not a positive whole number of milliseconds.
 *
 * **Example**
 *
 * ```ts
 * import { Limit } from "effect-budget"
 *
 * const bucket = Limit.tokenBucket("inputTokens", 30_000, "1 minute", { capacity: 5_000 })
 *
 * bucket.max // => 5_000
 * bucket.refill // => 30_000
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tokenBucket = (
  meter: Meter.Input,
  refill: number,
  every: Duration.Input,
  options?: Options & { readonly capacity?: number | undefined }
): TokenBucket => {
  const inflow = metered("Limit.tokenBucket", meter, refill)
  if (inflow.max === 0) throw new RangeError("Limit.tokenBucket: max must be positive, or nothing would flow in, got 0")
  const measured = options?.capacity === undefined ? inflow : metered("Limit.tokenBucket", meter, options.capacity)
  const refillMillis = positiveMillis("Limit.tokenBucket: every", every)
  return {
    _tag: "TokenBucket",
    name: options?.name ?? `tokenBucket(${measured.meter.name}, ${refillMillis}ms)`,
    ...measured,
    refill: inflow.max,
    refillMillis
  }
}

/**
 * At most `max` reservations open at once.
 *
 * Throws a `RangeError` when `max` is not a whole, non-negative number.
 *
 * **Example**
 *
 * ```ts
 * import { Limit } from "effect-budget"
 *
 * Limit.concurrency(40).name // => "concurrency"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const concurrency = (max: number, options?: Options): Concurrency => ({
  _tag: "Concurrency",
  name: options?.name ?? "concurrency",
  ...metered("Limit.concurrency", Meter.reservations, max)
})

/**
 * A ceiling for every single call: what one call may cost, or how many tokens it may take.
 *
 * **Details**
 *
 * Whoever asks for more is refused with `RequestTooLarge` before the call is made; nobody ever waits for it. It holds
 * nothing: in snapshots `used` and `reserved` are 0, and `available` is `max`. A call that uses more than it reserved
 * is reported as an overrun, as for any limit. `max` is in the meter's unit; for `"usd"` it is dollars.
 *
 * Throws a `RangeError` when the meter is unknown or `max` is not a whole, non-negative amount.
 *
 * **Example**
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budget, Limit, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const budget = yield* Budget.make({ name: "run", limits: [Limit.perCall("usd", 0.5)] })
 *   return yield* Effect.succeed("an expensive answer").pipe(
 *     budget.spend({ estimate: Usage.make({ costUsd: 0.75 }) }),
 *     Effect.catchReason("BudgetError", "RequestTooLarge", ({ message }) => Effect.succeed(message))
 *   )
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "run: perCall(usd) can never admit $0.75: its maximum is $0.5"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const perCall = (meter: Meter.Input, max: number, options?: Options): PerCall => {
  const measured = metered("Limit.perCall", meter, max)
  return { _tag: "PerCall", name: options?.name ?? `perCall(${measured.meter.name})`, ...measured }
}

const metered = (where: string, input: Meter.Input, max: number): Pick<Named, "meter" | "max"> => {
  const meter = Meter.fromInput(input)
  const scaled = Meter.amount(meter, max)
  if (!Usage.isAmount(scaled)) {
    const unit = meter === Meter.usd ? "dollars, at most 9,007,199" : "a safe integer"
    throw new RangeError(`${where}: max of ${meter.name} must be non-negative and ${unit}, got ${String(max)}`)
  }
  return { meter, max: scaled }
}

const positiveMillis = (where: string, input: Duration.Input): number => {
  const millis = Option.match(Duration.fromInput(input), { onNone: () => Number.NaN, onSome: Duration.toMillis })
  if (!Number.isSafeInteger(millis) || millis <= 0) {
    throw new RangeError(`${where} must be a positive whole number of milliseconds, got ${String(input)}`)
  }
  return millis
}

const cronLabel = (cron: Cron.Cron): string =>
  Option.match(cron.tz, {
    onNone: () => Cron.format(cron),
    onSome: (zone) => `${Cron.format(cron)} ${DateTime.zoneToString(zone)}`
  })

const comingResets = (cron: Cron.Cron): Cron.Cron => {
  try {
    Cron.next(cron, new Date(0))
    return cron
  } catch {
    throw new RangeError(`Limit.fixedWindow: the cron "${Cron.format(cron)}" never comes`)
  }
}

const periodResets = (period: Period, timeZone: string): Cron.Cron => {
  if (!Object.hasOwn(periodCron, period)) {
    const known = Object.keys(periodCron).join(", ")
    throw new RangeError(`Limit.fixedWindow: unknown period "${String(period)}", expected a Cron or one of ${known}`)
  }
  // Where clocks are set back, short windows reset in both passes of the repeated hour and a day resets once.
  const onDstOverlap = period === "minute" || period === "hour" ? "both" : "earlier"
  const parsed = Cron.parse(periodCron[period], timeZone, { onDstOverlap })
  if (parsed._tag === "Success") return parsed.success
  throw new RangeError(`Limit.fixedWindow: unknown time zone "${timeZone}"`)
}
