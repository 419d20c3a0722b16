import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Redis from "effect/persistence/Redis"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { afterAll, beforeAll, expect, vi } from "vitest"
import { makeMemory } from "../../../src/internal/store/memory.ts"
import { makeRedis } from "../../../src/internal/store/redis/store.ts"
import type { Batch, SharedBudget } from "../../../src/StoreProtocol.ts"
import { forEachSeed, type Random } from "../../support/random.ts"
import { layerAt, type Server } from "../../support/redis/server.ts"
import { describeServers } from "../../support/redis/servers.ts"
import { anyLimit, changedLimit, StoreProgram } from "../../support/storeProgram.ts"

const START = Date.UTC(2026, 2, 28, 23, 50)

describeServers("the store in Redis says what the store in memory says", (kind) => {
  const scope = Scope.makeUnsafe()
  let server: Server
  let runtime: ManagedRuntime.ManagedRuntime<Redis.Redis, Redis.RedisError>

  beforeAll(async () => {
    server = await Effect.runPromise(Scope.provide(kind.start, scope))
    runtime = ManagedRuntime.make(layerAt(server.url))
  })
  afterAll(async () => {
    await runtime.dispose()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  })

  const compare = (random: Random, isCrowded: boolean) =>
    Effect.gen(function* () {
      let now = START + random.int(0, 86_400_000)
      yield* TestClock.setTime(now)
      const group = `group {${random.seed}}`
      const memory = yield* makeMemory
      const redis = yield* makeRedis({ prefix: server.keyPrefix, now: () => now })
      const wakes: Record<"memory" | "redis", Array<string>> = { memory: [], redis: [] }
      yield* memory.listen(group, (member) => wakes.memory.push(member))
      yield* redis.listen(group, (member) => wakes.redis.push(member))
      const program = new StoreProgram(random, group, {
        // No more than may lapse in one call.
        members: isCrowded ? 4 : 3,
        limit: anyLimit,
        changed: changedLimit,
        isCrowded
      })

      const apply = Effect.fnUntraced(function* (batch: Batch) {
        random.note(`at +${now - START}`, describe(batch))
        const told = wakes.memory.length
        const expected = yield* memory.apply(batch)
        // Who is told twice in a batch is told once.
        wakes.memory.push(...new Set(wakes.memory.splice(told)))
        const actual = yield* redis.apply(batch)
        random.note("  ", actual)
        expect(actual).toEqual(expected)
        return actual
      })

      for (let step = random.int(1, isCrowded ? 150 : 60); step > 0; step--) {
        const millis = pass(random, isCrowded ? quickly : slowly, program.promised(now), now)
        now += millis
        yield* TestClock.adjust(millis)
        const { batch, member } = program.next()
        program.hear(member, batch, yield* apply(batch))
      }
      yield* apply(program.look())
      yield* Effect.promise(() => vi.waitUntil(() => wakes.redis.length >= wakes.memory.length, { timeout: 5_000 }))
      expect(wakes.redis.toSorted()).toEqual(wakes.memory.toSorted())
    }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))

  it("whatever members do", { timeout: 600_000 }, () =>
    forEachSeed({ name: "Redis is as memory", runs: 150 }, (random) => runtime.runPromise(compare(random, false)))
  )

  it("whatever they do when there are too many of them", { timeout: 600_000 }, () =>
    forEachSeed({ name: "Redis is as memory in a crowd", runs: 40 }, (random) =>
      runtime.runPromise(compare(random, true))
    )
  )
})

/** A batch as one reads it after a failure: budgets by their keys. */
const describe = ({ operations, ...batch }: Batch): unknown => ({
  ...batch,
  operations: operations.map((operation) =>
    "route" in operation
      ? { ...operation, route: operation.route.budgets.map(brief), usage: undefined }
      : { ...operation, budget: brief(operation.budget) }
  )
})

const brief = ({ isShadow, key, limits }: SharedBudget): string =>
  `${isShadow ? "shadow " : ""}${key} ${limits.map(({ _tag, max }) => `${_tag} ${max}`).join(", ")}`

const slowly = { nothing: 40, little: 20, some: 20, much: 10, days: 0.3, untilPromised: 20 }
const quickly = { nothing: 60, little: 30, some: 5, much: 0, days: 0, untilPromised: 10 }

const pass = (random: Random, how: typeof slowly, promised: number | undefined, now: number): number =>
  ({
    nothing: () => 0,
    little: () => random.int(1, 5),
    some: () => random.magnitude(1, 1_000),
    much: () => random.magnitude(1_000, 70_000),
    days: () => random.int(80_000_000, 90_000_000),
    untilPromised: () => (promised === undefined ? 0 : promised - now - random.int(0, 1))
  })[random.weighted(how)]()
