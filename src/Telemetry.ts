/**
 * Budgets as operators see them: metrics, spans and logs of refusals.
 *
 * One layer turns it on for all budgets that are made beneath it. They are Effect's own `Metric`s, spans and logs: where
 * they go is decided by what exports those, such as `@effect/opentelemetry` or Effect's `PrometheusMetrics`. Without the
 * layer nobody listens, and a call costs what it costs without this module.
 *
 * **Metrics**
 *
 * A name ends in its unit. Each has the label `budget`. Calls are counted once, under the budget that was asked, so that
 * the sum over all budgets is the number of calls; gauges count in a budget what is inside it, too.
 *
 * | metric | unit | further labels |
 * | --- | --- | --- |
 * | `effect_budget_admitted_total` | requests | |
 * | `effect_budget_waited_total`: of the admitted, those that had to wait | requests | `by`, `limit` |
 * | `effect_budget_refused_total` | requests | `reason`, `by`, `limit` |
 * | `effect_budget_shadowed_total` | requests | `reason`, `by`, `limit` |
 * | `effect_budget_settled_total` | requests | |
 * | `effect_budget_charged_total`: charges without a reservation | requests | |
 * | `effect_budget_wait_seconds` (histogram) | seconds | |
 * | `effect_budget_reserved_tokens_total`: all estimates that were admitted | tokens | `gen_ai.token.type` |
 * | `effect_budget_committed_tokens_total`: all that was settled or charged | tokens | `gen_ai.token.type` |
 * | `effect_budget_reserved_usd_total`, `effect_budget_committed_usd_total` | dollars | |
 * | `effect_budget_actual_to_estimate_ratio` (histogram) | ratio | `gen_ai.token.type` |
 * | `effect_budget_overran_total`: settlements of more than was reserved | requests | `by`, `limit` |
 * | `effect_budget_overrun_total`: by how much | units of the meter | `by`, `limit`, `meter` |
 * | `effect_budget_thresholds_reached_total` | times | `limit`, `threshold` |
 * | `effect_budget_tightened_total` | times | `limit` |
 * | `effect_budget_invalid_reports_total`, `effect_budget_settled_already_total` | reports, times | |
 * | `effect_budget_leases_expired_total` | requests | |
 * | `effect_budget_store_unreachable_total`, `effect_budget_store_reached_total` | times | |
 * | `effect_budget_open_reservations`, `effect_budget_waiting_requests` (gauges) | requests | |
 * | `effect_budget_limit_max`, `effect_budget_limit_used`, `effect_budget_limit_reserved` (gauges) | units of the meter | `limit`, `meter` |
 * | `effect_budget_utilisation_ratio` (gauge): used of the maximum, above 1 in debt | ratio | `limit` |
 *
 * - `limit` is the name of a limit, and `by` the budget that has it; both are empty where it was none, as in a pause.
 *   Units of a meter are tokens, requests or dollars.
 * - How good estimates are is a ratio, not a difference: calls of all sizes compare, and a bucket means the same for
 *   each. At most 1, the estimate was enough. Calls that have used no token say nothing of it.
 * - Gauges are read when the metrics are. That costs calls nothing, and is right where nothing happens: what a window
 *   counts becomes less by itself. Budgets that have the same labels are shown as one: their sum, or the fullest.
 *   Of a shared budget it is what this process has last heard.
 *
 * **Spans**
 *
 * `effect_budget.reservation` lasts from the asking to the settlement; what the call does is beneath it. Its attributes
 * are OpenTelemetry's for generative AI, where there are any: `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`
 * and their parts, and in adapters `gen_ai.operation.name`, `gen_ai.request.model` and `gen_ai.provider.name`. The
 * others begin with `effect_budget.`: `budget`, `waited_millis`, `estimate.input_tokens`, `estimate.output_tokens`,
 * `estimate.cost_usd`, `usage.cost_usd`, `refusal.reason`, `refusal.by`, `refusal.limit`. Events in it say when it was
 * admitted, refused, overrun and so on.
 *
 * **Gotchas**
 *
 * - Sums of `gen_ai.usage.*` over spans count a call twice where the provider's client has a span with the same.
 * - A span of `Budget.reserve` has no body of its own: what is called with the reservation is beneath the current span,
 *   but for the adapters, which put the call beneath it. Use `withReservation` or `spend` to have it so.
 * - A trace may be sampled away. Metrics and logs are not: count refusals there.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Budget from "./Budget.ts"
import { observe as observeBudget } from "./internal/budget.ts"
import { CurrentObserver } from "./internal/observer.ts"
import { makeObserver, type Manner } from "./internal/telemetry/observer.ts"
import * as Usage from "./Usage.ts"

/**
 * What is told of budgets, besides their metrics.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Whether reservations are spans. Default `true`. */
  readonly spans?: boolean | undefined
  /**
   * Whether each refusal is logged: as a warning, with annotations, by the fiber that was refused, and whatever is
   * sampled. Default `true`.
   */
  readonly refusalLogs?: boolean | undefined
  /**
   * How many values the labels `budget` and `by` may have, and how many the label `limit`. All others are `"other"`.
   * Default 100: a metric forgets nothing, and budgets may be as many as there are tenants.
   */
  readonly labelsMax?: number | undefined
  /**
   * The label of a budget, by its name: itself by default. With `BudgetMap` the name has the tenant's key in it: where
   * that must not leave the process, name the family instead.
   */
  readonly label?: ((budget: string) => string) | undefined
}

/**
 * Turns telemetry on for all budgets that are made with it in their context: by `Budget.make` and `Budget.slice`, by
 * the layers of a `Budget.Service`, by a `BudgetMap`.
 *
 * **Details**
 *
 * Metrics are kept in the `Metric.MetricRegistry` of where the layer is built. It dies with a `RangeError` when
 * `labelsMax` is not a whole number of at least 0.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Logger } from "effect"
 * import { PrometheusMetrics } from "effect/observability"
 * import { Budget, Limit, Telemetry, Usage } from "effect-budget"
 *
 * class AgentRun extends Budget.Service<AgentRun>()("app/AgentRun", {
 *   limits: [Limit.cap("tokens", 1_000)]
 * }) {}
 *
 * const call = AgentRun.spend({ estimate: Usage.make({ inputTokens: 600 }) })(Effect.void)
 * const program = Effect.gen(function* () {
 *   yield* call
 *   yield* Effect.ignore(call)
 *   const page = yield* PrometheusMetrics.format()
 *   return page.split("\n").filter((line) => line.startsWith("effect_budget_refused_total"))
 * }).pipe(
 *   Effect.provide(AgentRun.layer),
 *   Effect.provide(Telemetry.layer()),
 *   Effect.provide(Logger.layer([]))
 * )
 *
 * const lines = await Effect.runPromise(program)
 * lines.length // => 1
 * lines[0]?.includes(`reason="BudgetExceeded",by="app/AgentRun",limit="cap(tokens)"} 1`) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> =>
  Layer.effect(
    CurrentObserver,
    Effect.suspend(() => makeObserver(mannerOf(options)))
  )

/**
 * Sees a budget that is there already, and what happens in those inside it, as long as the scope is open.
 *
 * **Details**
 *
 * A budget that is seen already, because of {@link layer} for example, is not counted twice and stays as it is: the
 * options have no effect. Gauges and spans are of this budget only, not of those inside it.
 *
 * **Example**
 *
 * ```ts
 * import { Effect, Metric } from "effect"
 * import { Budget, Limit, Telemetry, Usage } from "effect-budget"
 *
 * const program = Effect.gen(function* () {
 *   const run = yield* Budget.make({ name: "a run", limits: [Limit.cap("tokens", 1_000)] })
 *   yield* Telemetry.observe(run)
 *   yield* run.charge(Usage.make({ inputTokens: 250 }))
 *
 *   const metrics = yield* Metric.snapshot
 *   const full = metrics.find(({ id, attributes }) => {
 *     return id === "effect_budget_utilisation_ratio" && attributes?.budget === "a run"
 *   })
 *   return full?.state
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => { value: 0.25 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const observe = (budget: Budget.Budget, options?: Options): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.suspend(() => makeObserver(mannerOf(options))),
    (observer) => observeBudget({ observe: (node, timeline) => observer.observeUntil(node, timeline) }, budget)
  )

const mannerOf = ({
  label = itself,
  labelsMax = LABELS_MAX,
  refusalLogs = true,
  spans = true
}: Options = {}): Manner => {
  if (Usage.isAmount(labelsMax)) return { spans, refusalLogs, labelsMax, labelOf: label }
  throw new RangeError(`Telemetry: labelsMax must be a whole number of at least 0, got ${String(labelsMax)}`)
}

const itself = (budget: string): string => budget

const LABELS_MAX = 100
