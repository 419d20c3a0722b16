/** What it costs to be seen, and that nothing of it stays when nobody looks any more. */
import { Effect, Metric, type Scope } from "effect"
import { Budget, Limit, Telemetry } from "effect-budget"
import { actual, estimate, plenty } from "../amounts.ts"
import { floor } from "../floor.ts"
import type { Contender, Scenario } from "../harness.ts"
import { repeating } from "../loops.ts"
import { SPEND, spending } from "./ours.ts"

const limits = [Limit.cap("tokens", plenty), Limit.slidingWindow("tokens", plenty, "1 minute"), Limit.concurrency(10)]

/** A budget of its own, whose telemetry goes to metrics of its own. Its spans end in nothing. */
const seen = (what: string, options: Telemetry.Options): Effect.Effect<Contender, never, Scope.Scope> => {
  const registry: Metric.MetricRegistry = new Map()
  const made = Budget.make({ name: "observed", limits }).pipe(
    Effect.provide(Telemetry.layer(options)),
    Effect.provideService(Metric.MetricRegistry, registry)
  )
  return Effect.map(made, (budget) => ({ ...spending(budget), library: `${SPEND}, ${what}` }))
}

/** A budget that was observed for a while. */
const unseenAgain = Effect.gen(function* () {
  const budget = yield* Budget.make({ name: "no longer observed", limits })
  yield* Effect.scoped(Effect.andThen(Telemetry.observe(budget), Effect.orDie(bare(budget))))
  return { ...spending(budget), library: NO_LONGER }
}).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

const NO_LONGER = `${SPEND}, no longer observed`

const bare = (budget: Budget.Budget) => budget.spend({ estimate, actual: () => actual })(Effect.void)

export const observed: Scenario = {
  name: "observed, cap + window + concurrency",
  work: "reserve + run nothing + commit, without telemetry, with metrics, and with spans that nobody keeps",
  contenders: Effect.gen(function* () {
    const unseen = yield* Budget.make({ name: "unseen", limits })
    return [
      floor(),
      spending(unseen),
      yield* unseenAgain,
      yield* seen("metrics", { spans: false }),
      yield* seen("metrics and spans", {}),
      repeating(`${SPEND}, in a span of Effect's`, Effect.withSpan(bare(unseen), "call"))
    ]
  }),
  targets: [{ library: NO_LONGER, max: 1.05, of: { ratioTo: SPEND } }]
}
