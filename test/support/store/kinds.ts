/** The stores that there are, and suites that hold for each of them, to the millisecond, on the `TestClock`. */
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Context from "effect/Context"
import type * as Redis from "effect/persistence/Redis"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll } from "vitest"
import { makeMemory } from "../../../src/internal/store/memory.ts"
import { makeRedis } from "../../../src/internal/store/redis/store.ts"
import { Timeline } from "../../../src/internal/timeline.ts"
import type { Store } from "../../../src/StoreProtocol.ts"
import { layerBlocking } from "../redis/blocking.ts"
import type { Server } from "../redis/server.ts"
import { describeServerProcess, type Kind } from "../redis/servers.ts"

export interface StoreKind {
  /** Makes one that knows nothing, by the clock that is current. */
  readonly make: Effect.Effect<Store>
  /** How many random programs it can do in the time in which the store in memory does one. */
  readonly pace: number
  /** Whether its clock is that of the process, and is set back with it. */
  readonly hasOurClock: boolean
}

export const describeStores = (what: string, suite: (kind: StoreKind) => void): void => {
  describe(`${what} (in memory)`, () => suite({ make: makeMemory, pace: 1, hasOurClock: true }))
  describeServerProcess(what, (kind) => suite({ make: inRedis(kind), pace: 1 / 30, hasOurClock: false }))
}

/** A store in Redis, on a server that is there for as long as the suite runs. */
const inRedis = ({ start }: Kind<Server>): Effect.Effect<Store> => {
  const scope = Scope.makeUnsafe()
  let user: { readonly keyPrefix: string; readonly redis: Context.Context<Redis.Redis> }
  let made = 0
  beforeAll(() =>
    Effect.gen(function* () {
      const { keyPrefix, url } = yield* start
      user = { keyPrefix, redis: yield* Layer.build(layerBlocking(url)) }
    }).pipe(Scope.provide(scope), Effect.runPromise)
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.flatMap(Timeline.current, (timeline) =>
    Effect.provide(
      makeRedis({ prefix: `${user.keyPrefix}${++made}`, now: () => timeline.now() + AHEAD_MILLIS }),
      user.redis
    )
  )
}

/** The clock of a server is another one: it is ahead of ours, and is not set back when ours is. */
const AHEAD_MILLIS = 86_400_000
