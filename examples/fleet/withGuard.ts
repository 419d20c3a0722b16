/**
 * The same fleet within a guard: each agent has a session of its own, all share the provider's key, and nobody asks a
 * provider that is down.
 */
import { Effect, Schedule, Stream } from "effect"
import { Breaker, Budget, Deadline, Guard, Limit, Usage } from "effect-budget"
import { OpenAI } from "openai"
import type { Document } from "./documents.ts"
import {
  attemptMax,
  marginPercent,
  providerLimits,
  sessionTokensMax,
  summaryTokensMax,
  taskMax,
  type Plan
} from "./plan.ts"
import { startProvider } from "./provider.ts"
import { begin, finish, tasksOf, work, type FinishedRun, type Watch } from "./run.ts"
import { model, summarise } from "./summarise.ts"

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

class Model extends Guard.Service<Model>()("Model") {}

const key = Breaker.key({ provider: "local", model })

const ModelLive = Model.layer({
  budget: AgentSession,
  key,
  timeout: attemptMax,
  whenOpen: "wait"
})

// As short as the provider's minute is: by default a circuit stays open for 5 seconds at first.
const BreakerLive = Breaker.layerMemory({
  openDuration: Schedule.exponential("250 millis").pipe(Schedule.upTo({ duration: "4 seconds" }))
})

export interface GuardedRun extends FinishedRun {
  /** The counters of the shared key when all agents were done. */
  readonly key: Budget.Snapshot
  /** How often the circuit opened. */
  readonly openings: number
  /** How many requests were sent all the same, while it was open. */
  readonly sentWhileOpen: number
}

export const runWithGuard = Effect.fn("runWithGuard")(
  function* (plan: Plan, documents: ReadonlyArray<Document>, watch: Watch) {
    const provider = yield* startProvider(
      providerLimits,
      documents.map(({ text }) => text),
      plan.outage
    )
    // The client does not retry, so that no 429 can hide: the guard does.
    const client = new OpenAI({ baseURL: provider.baseURL, apiKey: "the local provider asks for none", maxRetries: 0 })
    const run = begin("with a guard", plan, provider)
    yield* Effect.forkScoped(watch(run))

    let openings = 0
    const breaker = yield* Breaker.CircuitBreaker
    yield* Effect.forkScoped(
      Stream.runForEach(breaker.transitions, ({ to }) => Effect.sync(() => void (openings += to === "Open" ? 1 : 0))),
      { startImmediately: true }
    )

    let sentWhileOpen = 0
    const noteIfOpen = Effect.map(breaker.state(key), ({ _tag }) => void (sentWhileOpen += _tag === "Open" ? 1 : 0))

    const summariseGuarded = (document: Document) =>
      noteIfOpen.pipe(
        Effect.andThen(summarise(client, document)),
        Model.spend({
          estimate: Usage.make({ inputTokens: document.promptTokens, outputTokens: summaryTokensMax }),
          actual: ({ inputTokens, outputTokens }) => Usage.make({ inputTokens, outputTokens })
        }),
        Deadline.within(taskMax, { task: document.name })
      )

    yield* Effect.forEach(
      Array.from({ length: plan.agents }, (_, agent) => tasksOf(agent, plan, documents)),
      (tasks) => work(run, tasks, summariseGuarded).pipe(Effect.provide(ModelLive), Effect.provide(AgentSession.fresh)),
      { concurrency: "unbounded", discard: true }
    )
    return { ...finish(run), key: yield* ProviderKey.snapshot, openings, sentWhileOpen } satisfies GuardedRun
  },
  Effect.scoped,
  Effect.provide([ProviderKey.layer, BreakerLive])
)
