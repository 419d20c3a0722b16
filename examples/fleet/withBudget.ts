/**
 * The same fleet inside two budgets: each agent has a session of its own, and all share the provider's key.
 */
import { Effect } from "effect"
import { Budget, Limit, Usage } from "effect-budget"
import { OpenAI } from "openai"
import type { Document } from "./documents.ts"
import { marginPercent, providerLimits, sessionTokensMax, summaryTokensMax, waitMax, type Plan } from "./plan.ts"
import { startProvider } from "./provider.ts"
import { begin, finish, tasksOf, work, type FinishedRun, type Watch } from "./run.ts"
import { summarise } from "./summarise.ts"

const withMargin = (limit: number) => Math.floor((limit * marginPercent) / 100)

class ProviderKey extends Budget.Service<ProviderKey>()("ProviderKey", {
  limits: [
    Limit.slidingWindow("tokens", withMargin(providerLimits.tokensPerMinute), providerLimits.minuteMillis),
    Limit.slidingWindow("requests", withMargin(providerLimits.requestsPerMinute), providerLimits.minuteMillis)
  ]
}) {}

class AgentSession extends Budget.Service<AgentSession>()("AgentSession", {
  limits: [Limit.cap("tokens", sessionTokensMax)],
  within: [ProviderKey]
}) {}

export interface BudgetedRun extends FinishedRun {
  /** The counters of the shared key when all agents were done. */
  readonly key: Budget.Snapshot
}

export const runWithBudget = Effect.fn("runWithBudget")(
  function* (plan: Plan, documents: ReadonlyArray<Document>, watch: Watch) {
    const provider = yield* startProvider(
      providerLimits,
      documents.map(({ text }) => text)
    )
    // No retries: a 429 would be a call that failed, and seen.
    const client = new OpenAI({ baseURL: provider.baseURL, apiKey: "the local provider asks for none", maxRetries: 0 })
    const run = begin("with a budget", plan, provider)
    yield* Effect.forkScoped(watch(run))

    const summariseWithinBudget = (document: Document) =>
      summarise(client, document).pipe(
        AgentSession.spend({
          estimate: Usage.make({ inputTokens: document.promptTokens, outputTokens: summaryTokensMax }),
          actual: ({ inputTokens, outputTokens }) => Usage.make({ inputTokens, outputTokens }),
          maxWait: waitMax
        })
      )

    yield* Effect.forEach(
      Array.from({ length: plan.agents }, (_, agent) => tasksOf(agent, plan, documents)),
      (tasks) => work(run, tasks, summariseWithinBudget).pipe(Effect.provide(AgentSession.fresh)),
      { concurrency: "unbounded", discard: true }
    )
    return { ...finish(run), key: yield* ProviderKey.snapshot } satisfies BudgetedRun
  },
  Effect.scoped,
  Effect.provide(ProviderKey.layer)
)
