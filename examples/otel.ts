/**
 * Spans, logs and metrics through OpenTelemetry: `npm run example:otel`
 *
 * Three calls want 1,000 tokens each of a window that holds 2,000. Two go, and one of them writes more than was
 * estimated; the third would have to wait for too long and is refused. What the console shows is what a collector gets.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { NodeRuntime } from "@effect/platform-node"
import { ConsoleLogRecordExporter, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { ConsoleSpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Layer } from "effect"
import { Budget, Limit, Telemetry, Usage } from "effect-budget"
import { LineMetricExporter } from "./mock/lineMetricExporter.ts"

class ProviderKey extends Budget.Service<ProviderKey>()("ProviderKey", {
  limits: [Limit.slidingWindow("tokens", 2_000, "1 minute", { name: "tokens per minute" })]
}) {}

const estimate = Usage.make({ inputTokens: 600, outputTokens: 400 })

/** Stands in for a call to a model. Its client's spans would be beneath the one of the reservation. */
const call = (outputTokens: number) =>
  Effect.succeed({ text: "an answer", outputTokens }).pipe(
    Effect.delay("20 millis"),
    Effect.withSpan("chat gpt-5.4-mini", { kind: "client" }),
    ProviderKey.spend({
      estimate,
      actual: (answer) => Usage.make({ inputTokens: 600, outputTokens: answer.outputTokens }),
      maxWait: "10 seconds"
    })
  )

const program = Effect.gen(function* () {
  yield* call(150)
  yield* call(600)
  yield* Effect.ignore(call(150))
})

const OpenTelemetry = NodeSdk.layer(() => ({
  resource: { serviceName: "example" },
  spanProcessor: new SimpleSpanProcessor(new ConsoleSpanExporter()),
  logRecordProcessor: new SimpleLogRecordProcessor({ exporter: new ConsoleLogRecordExporter() }),
  loggerMergeWithExisting: false,
  // It exports once more when the program ends.
  metricReader: new PeriodicExportingMetricReader({ exporter: new LineMetricExporter() })
}))

program.pipe(
  Effect.provide(ProviderKey.layer),
  Effect.provide(Layer.provideMerge(Telemetry.layer(), OpenTelemetry)),
  NodeRuntime.runMain
)
