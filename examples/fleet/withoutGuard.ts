/**
 * The fleet as it is without a guard: every agent calls when it wants to, and the client retries as it does by default.
 */
import { Effect } from "effect"
import { OpenAI } from "openai"
import type { Document } from "./documents.ts"
import { providerLimits, type Plan } from "./plan.ts"
import { startProvider } from "./provider.ts"
import { begin, finish, tasksOf, work, type Watch } from "./run.ts"
import { summarise } from "./summarise.ts"

export const runWithoutGuard = Effect.fn("runWithoutGuard")(function* (
  plan: Plan,
  documents: ReadonlyArray<Document>,
  watch: Watch
) {
  const provider = yield* startProvider(
    providerLimits,
    documents.map(({ text }) => text),
    plan.outage
  )
  // It retries twice: after the time that the 429 names, else after a back-off with jitter.
  const client = new OpenAI({ baseURL: provider.baseURL, apiKey: "the local provider asks for none" })
  const run = begin("without a guard", plan, provider)
  yield* Effect.forkScoped(watch(run))

  yield* Effect.forEach(
    Array.from({ length: plan.agents }, (_, agent) => tasksOf(agent, plan, documents)),
    (tasks) => work(run, tasks, (document) => summarise(client, document)),
    { concurrency: "unbounded", discard: true }
  )
  return finish(run)
}, Effect.scoped)
