/** Prints each series of metrics on one line. OpenTelemetry's own `ConsoleMetricExporter` takes twenty. */
import { AggregationTemporality, type PushMetricExporter } from "@opentelemetry/sdk-metrics"

type Metrics = Parameters<PushMetricExporter["export"]>[0]

export class LineMetricExporter implements PushMetricExporter {
  export(...[{ scopeMetrics }, done]: Parameters<PushMetricExporter["export"]>): void {
    for (const metric of scopeMetrics.flatMap(({ metrics }) => metrics)) console.log(linesOf(metric))
    done({ code: 0 })
  }

  selectAggregationTemporality(): AggregationTemporality {
    return AggregationTemporality.CUMULATIVE
  }

  forceFlush(): Promise<void> {
    return Promise.resolve()
  }

  shutdown(): Promise<void> {
    return Promise.resolve()
  }
}

const linesOf = ({ dataPoints, descriptor }: Metrics["scopeMetrics"][number]["metrics"][number]): string =>
  [
    `${descriptor.name} in ${descriptor.unit}`,
    ...dataPoints.map(({ attributes, value }) => {
      const labels = Object.entries(attributes).filter(([name]) => name !== "unit" && name !== "budget")
      const shown =
        typeof value === "number"
          ? String(value)
          : "sum" in value
            ? `${value.count} with a sum of ${value.sum ?? 0}, at most ${value.max ?? 0}`
            : ""
      return `  ${[...labels.map(([name, label]) => `${name}=${String(label)}`), shown].join("  ")}`
    })
  ].join("\n")
