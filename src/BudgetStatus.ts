/**
 * The counters of budgets as JSON, for whoever looks at them from outside: a dashboard, a health check, or
 * `effect-budget watch`.
 *
 * {@link route} is one route of `effect/http`. Any other server answers with {@link report} as its JSON.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Layer from "effect/Layer"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Budget from "./Budget.ts"

/**
 * The counters of a limit, in the integers of its meter: of `usd`, nano-dollars.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitStatus {
  readonly name: string
  /** `Cap`, `SlidingWindow`, `FixedWindow`, `TokenBucket`, `Concurrency` or `PerCall`. */
  readonly kind: string
  readonly meter: string
  /** How many of these integers are one of the units that people read: 1, and a billion for `usd`. */
  readonly scale: number
  readonly max: number
  /** What counts against the maximum now, open reservations included. It exceeds it by the debt. */
  readonly used: number
  /** The estimates of open reservations. */
  readonly reserved: number
}

/**
 * The counters of a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetStatus {
  readonly name: string
  readonly limits: ReadonlyArray<LimitStatus>
  /** Reservations that are not settled. */
  readonly open: number
  /** Requests that wait in this process; read from a store, requests that are known to wait there. */
  readonly waiting: number
  /** Everything that was settled or charged. */
  readonly spent: {
    readonly requests: number
    readonly inputTokens: number
    readonly outputTokens: number
    readonly costNanoUsd: number
  }
  /** Until when nothing is admitted, in epoch millis. Absent when it is not paused. */
  readonly pausedUntil?: number
  /** When it was so, in epoch millis. */
  readonly asOf: number
}

/**
 * What is told of budgets at one instant.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly budgets: ReadonlyArray<BudgetStatus>
}

const Amount = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * Reads a {@link Report}, as from a response.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ReportSchema: Schema.Codec<Report> = Schema.Struct({
  budgets: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      limits: Schema.Array(
        Schema.Struct({
          name: Schema.String,
          kind: Schema.String,
          meter: Schema.String,
          scale: Schema.Int.check(Schema.isGreaterThan(0)),
          max: Amount,
          used: Amount,
          reserved: Amount
        })
      ),
      open: Amount,
      waiting: Amount,
      spent: Schema.Struct({ requests: Amount, inputTokens: Amount, outputTokens: Amount, costNanoUsd: Amount }),
      pausedUntil: Schema.optionalKey(Schema.Int),
      asOf: Schema.Int
    })
  )
})

/**
 * Tells the counters of budgets as plain data, which any server can send as JSON.
 *
 * **Example** (a handler of one's own)
 *
 * ```ts
 * import { BudgetStatus, Limit, makeBudget } from "effect-budget"
 *
 * const budget = await makeBudget({ name: "key", limits: [Limit.concurrency(40)] })
 * const handle = () => Response.json(BudgetStatus.report([budget.snapshot()]))
 *
 * const body = await handle().json()
 *
 * body.budgets[0].limits[0].max // => 40
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const report = (snapshots: ReadonlyArray<Budget.Snapshot>): Report => ({ budgets: snapshots.map(statusOf) })

/**
 * Answers `GET` of a path with a {@link Report}.
 *
 * **Example** (`effect-budget watch http://localhost:3000/budgets`)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { HttpRouter } from "effect/http"
 * import { Budget, BudgetStatus, Limit } from "effect-budget"
 *
 * class ProviderKey extends Budget.Service<ProviderKey>()("app/ProviderKey", {
 *   limits: [Limit.slidingWindow("tokens", 90_000, "1 minute")]
 * }) {}
 *
 * const status = Layer.unwrap(
 *   ProviderKey.useSync((key) => BudgetStatus.route("/budgets", Effect.all([key.snapshot])))
 * ).pipe(Layer.provide(ProviderKey.layer))
 *
 * // Beside the other routes of the program, as with HttpRouter.serve.
 * const { dispose, handler } = HttpRouter.toWebHandler(status, { disableLogger: true })
 * const response = await handler(new Request("http://localhost/budgets"))
 * const body = await response.json()
 *
 * body.budgets[0].name // => "app/ProviderKey"
 * await dispose()
 * ```
 *
 * @category routes
 * @since 0.1.0
 */
export const route = (
  path: HttpRouter.PathInput,
  snapshots: Effect.Effect<ReadonlyArray<Budget.Snapshot>>
): Layer.Layer<never, never, HttpRouter.HttpRouter> =>
  HttpRouter.add(
    "GET",
    path,
    Effect.map(snapshots, (snapshots) =>
      HttpServerResponse.jsonUnsafe(report(snapshots), { headers: { "cache-control": "no-store" } })
    )
  )

const statusOf = ({ asOf, limits, name, open, pausedUntil, spent, waiting }: Budget.Snapshot): BudgetStatus => ({
  name,
  limits: limits.map(({ limit, reserved, used }) => ({
    name: limit.name,
    kind: limit._tag,
    meter: limit.meter.name,
    scale: limit.meter.scale,
    max: limit.max,
    used,
    reserved
  })),
  open,
  waiting,
  spent: {
    requests: spent.requests,
    inputTokens: spent.inputTokens,
    outputTokens: spent.outputTokens,
    costNanoUsd: spent.costNanoUsd
  },
  ...(pausedUntil === undefined ? {} : { pausedUntil }),
  asOf
})
