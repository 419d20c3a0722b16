import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** The series of a metric by its labels, as `budget=run,limit=cap(tokens)`, without the unit. */
export const seriesOf = (name: string): Effect.Effect<Record<string, Metric.Metric.Snapshot["state"]>> =>
  Effect.map(Metric.snapshot, (snapshot) =>
    Object.fromEntries(
      snapshot
        .filter(({ id }) => id === `effect_budget_${name}`)
        .map(({ attributes, state }) => [labels(attributes ?? {}), state])
    )
  )

/** The values of counters and gauges by their labels. */
export const valuesOf = (name: string): Effect.Effect<Record<string, number | bigint>> =>
  Effect.map(seriesOf(name), (series) =>
    Object.fromEntries(
      Object.entries(series).flatMap(([labels, state]) =>
        "value" in state ? [[labels, state.value]] : "count" in state ? [[labels, state.count]] : []
      )
    )
  )

/** Runs with a registry of metrics of its own. */
export const withOwnMetrics = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.provideService(self, Metric.MetricRegistry, new Map()))

const labels = (attributes: Metric.Metric.AttributeSet): string =>
  Object.entries(attributes)
    .filter(([name]) => name !== "unit")
    .map(([name, value]) => `${name}=${value}`)
    .join(",")
