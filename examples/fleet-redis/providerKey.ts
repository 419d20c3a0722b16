/**
 * The budget that all processes share. This is all that it takes.
 */
import { NodeRedis } from "@effect/platform-node"
import { Layer } from "effect"
import { Budget, Limit, RedisBudgetStore, Usage } from "effect-budget"
import type { Place } from "./server.ts"

export const tokensInWindow = Limit.slidingWindow("tokens", 9_000, "2 seconds")
export const atOnce = Limit.concurrency(8)
export const inAll = Limit.cap("tokens", 1_000_000)

// With a `key` its counters are in the store, and belong to everybody who declares the same.
export class ProviderKey extends Budget.Service<ProviderKey>()("ProviderKey", {
  key: "openai",
  limits: [tokensInWindow, atOnce, inAll]
}) {}

/** What a call may take. */
export const estimate = Usage.make({ inputTokens: 400, outputTokens: 100 })

/** How long the store keeps what a process has reserved that it does not hear of. Thirty seconds by default. */
export const leaseSeconds = 2

export const shared = ({ prefix, url }: Place) =>
  ProviderKey.layer.pipe(
    Layer.provide(RedisBudgetStore.layer({ prefix, lease: `${leaseSeconds} seconds` })),
    Layer.provide(NodeRedis.layer({ url }))
  )
