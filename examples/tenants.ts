/**
 * Two plans, one key: `npm run example:tenants`
 *
 * Both tenants ask for more than the key allows, at the same time. The one that pays more gets three times the share;
 * the other one waits longer, and is refused what would take too long.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Budget, BudgetedFetch, BudgetMap, Limit } from "effect-budget"
import { OpenAI, RateLimitError } from "openai"
import { printTotals } from "./mock/account.ts"
import { provider } from "./mock/scoped.ts"

class ProviderKey extends Budget.Service<ProviderKey>()("ProviderKey", {
  limits: [Limit.slidingWindow("requests", 8, "1 second")]
}) {}

// The free plan is what a tenant has unless the map says otherwise.
class Tenant extends Budget.Service<Tenant>()("Tenant", {
  limits: [Limit.slidingWindow("requests", 4, "1 second"), Limit.cap("usd", 0.05)],
  within: [ProviderKey]
}) {}

const premium: Budget.Options = { limits: [Limit.cap("usd", 5)], weight: 3 }

class Tenants extends BudgetMap.Service<Tenants>()("Tenants", {
  budget: Tenant,
  options: (tenant) => (tenant === "acme" ? premium : Tenant.options)
}) {}

/** One tenant's work: all calls at once. Says how long each has waited, in milliseconds, and how many were refused. */
const work = Effect.fnUntraced(function* (url: string, calls: number) {
  // The tag `Tenant` is the budget of whoever is provided here.
  const fetch = yield* BudgetedFetch.make({ budget: Tenant, maxWait: "2500 millis" })
  const client = new OpenAI({ fetch, baseURL: `${url}/v1`, apiKey: "the mock provider asks for none", maxRetries: 0 })
  const waits: Array<number> = []
  yield* Effect.forkScoped(
    Stream.runForEach(Tenant.events, (event) =>
      Effect.sync(() => (event._tag === "Admitted" ? waits.push(event.waitedMillis) : 0))
    ),
    { startImmediately: true }
  )
  const ask = Effect.tryPromise({
    try: () =>
      client.chat.completions.create({
        model: "gpt-5.4-mini",
        messages: [{ role: "user", content: "What is a token bucket?" }],
        max_completion_tokens: 200
      }),
    catch: (error) => error
  }).pipe(
    Effect.as("answered" as const),
    Effect.catch((error) => (error instanceof RateLimitError ? Effect.succeed("refused" as const) : Effect.die(error)))
  )
  const outcomes = yield* Effect.replicateEffect(ask, calls, { concurrency: "unbounded" })
  yield* Effect.yieldNow
  return { waits, refused: outcomes.filter((outcome) => outcome === "refused").length }
}, Effect.scoped)

const program = Effect.gen(function* () {
  const { served, url } = yield* provider
  const [acme, hobby] = yield* Effect.all(
    [work(url, 20).pipe(Effect.provide(Tenants.get("acme"))), work(url, 20).pipe(Effect.provide(Tenants.get("hobby")))],
    { concurrency: "unbounded" }
  )

  yield* Console.log("Two tenants make 20 calls each, at once. The key allows 8 requests in any second.\n")
  const row = (label: string, a: string | number, b: string | number) =>
    Console.log(`  ${label.padEnd(24)}${String(a).padStart(16)}${String(b).padStart(16)}`)
  const sentAfter = (waits: ReadonlyArray<number>, second: number) =>
    waits.filter((millis) => Math.round(millis / 1_000) === second).length
  yield* row("", "acme (premium)", "hobby (free)")
  for (const second of [0, 1, 2]) {
    yield* row(
      second === 0 ? "sent at once" : `sent after ${second} s`,
      sentAfter(acme.waits, second),
      sentAfter(hobby.waits, second)
    )
  }
  yield* row("refused, at no cost", acme.refused, hobby.refused)
  yield* Console.log(`\n  answered with 429 by the provider: ${served.filter(({ status }) => status === 429).length}`)
  printTotals(yield* ProviderKey.snapshot, served)
})

program.pipe(Effect.scoped, Effect.provide(Tenants.layer), Effect.provide(ProviderKey.layer), NodeRuntime.runMain)
