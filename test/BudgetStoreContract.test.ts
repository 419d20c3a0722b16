import { describe, it } from "@effect/vitest"
import { BudgetStoreContract, RedisBudgetStore } from "effect-budget"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redis from "effect/persistence/Redis"
import { TestClock } from "effect/testing"
import { makeMemory } from "../src/internal/store/memory.ts"
import type { Store } from "../src/StoreProtocol.ts"
import * as ClusterClient from "./support/redis/clusterClient.ts"
import { layerAt } from "./support/redis/server.ts"
import { describeClusters, describeServers } from "./support/redis/servers.ts"

describe("the store in memory keeps its contract", () => {
  for (const { name, run } of BudgetStoreContract.cases) {
    it.effect(name, () => Effect.flatMap(makeMemory, (store) => run({ store, pass: TestClock.adjust })))
  }
})

class TheStore extends Context.Service<TheStore, Store>()("test/TheStore") {}

/** Every case on a server, on its own clock. All of them share it, as its users would. */
const keepsContract = (redis: Layer.Layer<Redis.Redis, Redis.RedisError>) =>
  it.layer(Layer.provide(Layer.effect(TheStore, RedisBudgetStore.make()), redis), {
    timeout: 120_000,
    excludeTestServices: true
  })((it) => {
    for (const { name, run } of BudgetStoreContract.cases) {
      it.effect(name, () => Effect.flatMap(TheStore, (store) => run({ store })))
    }
  })

describeServers("the store in Redis keeps its contract", ({ start }) =>
  keepsContract(Layer.unwrap(Effect.map(start, ({ url }) => layerAt(url))))
)

describeClusters("the store in a cluster keeps its contract", ({ start }) =>
  keepsContract(
    Layer.unwrap(
      Effect.map(start, ({ nodes }) => ClusterClient.layer({ rootNodes: nodes.map(({ url }) => ({ url })) }))
    )
  )
)
