/**
 * A page for Prometheus, through Effect's own exporter: `npm run example:prometheus`
 *
 * A server answers at `/metrics` while calls are made within a budget. Here the program scrapes it itself, once, and
 * prints the lines about the budgets, but for the buckets of histograms. With `--serve` it goes on serving on the port of PORT, or 9464.
 */
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { FetchHttpClient, HttpClient, HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { Budget, BudgetMap, Limit, Telemetry, Usage } from "effect-budget"
import { createServer } from "node:http"

class ProviderKey extends Budget.Service<ProviderKey>()("ProviderKey", {
  limits: [Limit.slidingWindow("tokens", 6_000, "1 minute", { name: "tokens per minute" })]
}) {}

class Tenant extends Budget.Service<Tenant>()("Tenant", {
  limits: [Limit.cap("tokens", 2_500, { name: "plan" })],
  within: [ProviderKey]
}) {}

class Tenants extends BudgetMap.Service<Tenants>()("Tenants", { budget: Tenant }) {}

const call = Effect.void.pipe(
  Tenant.spend({
    estimate: Usage.make({ inputTokens: 600, outputTokens: 400 }),
    actual: () => Usage.make({ inputTokens: 600, outputTokens: 250 }),
    maxWait: 0
  }),
  Effect.ignore
)

/** Three tenants, each of which asks once too often. */
const work = Effect.forEach(["acme", "hobby", "newcomer"], (tenant) =>
  Effect.replicateEffect(call, 4).pipe(Effect.provide(Tenants.get(tenant)))
)

const isServing = process.argv.includes("--serve")
const port = isServing ? Number(process.env.PORT ?? 9_464) : 0

const program = Effect.gen(function* () {
  yield* work
  const address = yield* HttpServer.addressFormattedWith((address) => Effect.succeed(address))
  const response = yield* HttpClient.get(`${address}/metrics`)
  const page = (yield* response.text).split("\n")
  const lines = page.filter((line) => line.includes("effect_budget_") && !line.includes("_bucket{"))
  yield* Effect.sync(() => console.log(`GET /metrics: ${response.status}\n\n${lines.join("\n")}`))
  if (isServing) yield* Effect.never
})

// Two tenants have a name of their own on the page. All others are one.
const Seen = Telemetry.layer({ labelsMax: 3, refusalLogs: false })

// The layer of the metrics' registry is the same for the page and the budgets: the default one, of the process.
const Server = HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port, host: "127.0.0.1" }))
)

program.pipe(
  Effect.provide(Tenants.layer),
  Effect.provide(ProviderKey.layer),
  Effect.provide(Seen),
  Effect.provide(Server),
  Effect.provide(FetchHttpClient.layer),
  NodeRuntime.runMain
)
