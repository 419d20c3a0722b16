/**
 * One process of the fleet: six agents call the provider, again and again, within the budget of all processes.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Schedule } from "effect"
import { Usage } from "effect-budget"
import { estimate, ProviderKey, shared } from "./providerKey.ts"

const { PROVIDER_URL = "", REDIS_PREFIX = "", REDIS_URL = "" } = process.env

const call = Effect.promise(async (signal): Promise<{ inputTokens: number; outputTokens: number }> => {
  const response = await fetch(PROVIDER_URL, { signal })
  return response.json()
}).pipe(ProviderKey.spend({ estimate, actual: Usage.make }))

// If the store cannot be reached, calls fail. Later they may be made again.
const agent = Effect.retry(Effect.forever(call), Schedule.spaced("1 second"))
const agents = Effect.replicateEffect(agent, 6, { concurrency: "unbounded", discard: true })

// Whoever has started this process is told how many calls wait in it. If that one dies, so does this.
const report = Effect.repeat(
  Effect.tap(ProviderKey.snapshot, ({ waiting }) => Effect.sync(() => process.send?.(waiting))),
  Schedule.spaced("100 millis")
)
process.once("disconnect", () => process.exit())

Effect.raceFirst(agents, report).pipe(
  Effect.provide(shared({ url: REDIS_URL, prefix: REDIS_PREFIX })),
  NodeRuntime.runMain
)
