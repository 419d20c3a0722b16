/** An application with tenants: each has its own limits, and all of them share the key of the provider. */
import { Effect, Layer } from "effect"
import { Budget, BudgetMap, Limit, Usage } from "effect-budget"

export class ProviderKey extends Budget.Service<ProviderKey>()("app/ProviderKey", {
  limits: [Limit.slidingWindow("tokens", 10_000, "1 minute"), Limit.concurrency(10)]
}) {}

export class Tenant extends Budget.Service<Tenant>()("app/Tenant", {
  limits: [Limit.slidingWindow("tokens", 1_000, "1 minute")],
  within: [ProviderKey]
}) {}

export class Tenants extends BudgetMap.Service<Tenants>()("app/Tenants", {
  budget: Tenant,
  options: (tenant) => (tenant === "acme" ? premium : Tenant.options)
}) {}

const premium: Budget.Options = { limits: [Limit.slidingWindow("tokens", 4_000, "1 minute")], weight: 4 }

export const layer = Tenants.layer.pipe(Layer.provideMerge(ProviderKey.layer))

export const answer = (question: string, maxTokens: number) =>
  Effect.succeed({ text: `an answer to "${question}"`, tokens: maxTokens / 2 }).pipe(
    Tenant.spend({
      estimate: Usage.make({ outputTokens: maxTokens }),
      actual: ({ tokens }) => Usage.make({ outputTokens: tokens }),
      maxWait: "2 minutes"
    })
  )

export const answerFor = (tenant: string, question: string, maxTokens: number) =>
  answer(question, maxTokens).pipe(Effect.provide(Tenants.get(tenant)))
