import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import type { Cluster } from "./cluster.ts"
import * as ClusterClient from "./clusterClient.ts"
import { connect, type ServerProcess } from "./server.ts"
import { describeClusters, describeFailover } from "./servers.ts"

const redisOf = ({ nodes }: Cluster) =>
  Effect.map(Layer.build(ClusterClient.layer({ rootNodes: nodes.map(({ url }) => ({ url })) })), (services) =>
    Context.get(services, Redis.Redis)
  )

class TheCluster extends Context.Service<TheCluster, Cluster>()("test/TheCluster") {}

const add = Redis.script((key: string, amount: number) => [key, amount], {
  lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1])',
  numberOfKeys: 1
}).withReturnType<number>()

/** Keys on all nodes, one for each of ten tags. */
const keysOf = ({ keyPrefix }: Cluster, name = "count") =>
  Array.from({ length: 10 }, (_, tag) => `${keyPrefix}{${tag}}${name}`)

const forgetScripts = ({ url }: ServerProcess) =>
  Effect.scoped(Effect.flatMap(connect(url), (send) => Effect.promise(() => send("SCRIPT", "FLUSH"))))

describeClusters("a cluster", ({ start }) =>
  it.layer(Layer.effect(TheCluster, start), { timeout: 120_000 })((it) => {
    it.effect("has its keys on all nodes", () =>
      Effect.gen(function* () {
        const cluster = yield* TheCluster
        const owners = new Set(yield* Effect.forEach(keysOf(cluster), cluster.primaryOf))
        assert.strictEqual(owners.size, cluster.nodes.length)
      })
    )

    it.effect("runs scripts wherever the key is, and again when the nodes have forgotten them", () =>
      Effect.gen(function* () {
        const cluster = yield* TheCluster
        const redis = yield* redisOf(cluster)
        const addToAll = Effect.forEach(keysOf(cluster), (key) => redis.eval(add)(key, 2), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* addToAll, Array(10).fill(2))
        yield* forgetScripts(cluster.nodes[1]!)
        assert.deepStrictEqual(yield* addToAll, Array(10).fill(4))
        for (const node of cluster.nodes) yield* forgetScripts(node)
        assert.deepStrictEqual(yield* addToAll, Array(10).fill(6))
      })
    )

    it.effect("sends other commands to their keys, too", () =>
      Effect.gen(function* () {
        const cluster = yield* TheCluster
        const redis = yield* redisOf(cluster)
        for (const key of keysOf(cluster, "set")) {
          yield* redis.send("SET", key, "1")
          assert.strictEqual(yield* redis.send("GET", key), "1")
          assert.isAbove(yield* redis.send<number>("MEMORY", "USAGE", key), 0)
        }
        assert.strictEqual(yield* redis.send("PING"), "PONG")
        assert.strictEqual(yield* redis.send("DEL", ...keysOf(cluster, "set")), 10)
      })
    )

    it.effect("tells every subscriber what is published anywhere", () =>
      Effect.gen(function* () {
        const cluster = yield* TheCluster
        const [one, other] = [yield* redisOf(cluster), yield* redisOf(cluster)]
        const messages = [yield* one.subscribe("news"), yield* other.subscribe("news")]
        // The listeners of a channel are counted node by node.
        while ((yield* Effect.forEach(cluster.nodes, listenersOf)).reduce((sum, count) => sum + count) < 2) {
          yield* Effect.promise(() => new Promise(setImmediate))
        }
        for (const text of ["a", "b", "c", "d", "e"]) yield* one.send("PUBLISH", "news", text)
        for (const queue of messages) {
          const heard = yield* Effect.replicateEffect(Queue.take(queue), 5)
          assert.deepStrictEqual(heard.map(({ message }) => message).sort(), ["a", "b", "c", "d", "e"])
        }
      })
    )

    it.effect("gives connections of one's own", () =>
      Effect.gen(function* () {
        const cluster = yield* TheCluster
        const redis = yield* redisOf(cluster)
        const connection = yield* redis.reserve
        for (const key of keysOf(cluster, "own")) assert.strictEqual(yield* connection.eval(add)(key, 3), 3)
      })
    )
  })
)

const listenersOf = ({ url }: ServerProcess) =>
  Effect.scoped(
    Effect.flatMap(connect(url), (send) =>
      Effect.promise(async () => {
        const [, count] = Object.entries((await send("PUBSUB", "NUMSUB", "news")) as object).flat()
        return Number(count)
      })
    )
  )

describeFailover("a cluster whose primary dies", ({ start }) => {
  it.live("goes on with its replica, to which clients find their way", () =>
    Effect.gen(function* () {
      const cluster = yield* start
      const redis = yield* redisOf(cluster)
      const [key = ""] = keysOf(cluster)
      assert.strictEqual(yield* redis.eval(add)(key, 1), 1)
      const primary = yield* cluster.primaryOf(key)
      yield* untilReplicated(primary)

      yield* primary.kill
      yield* cluster.healthy
      assert.notStrictEqual(yield* cluster.primaryOf(key), primary)
      // The client that has lost its node fails what it had sent there, and asks for the new one in a while.
      assert.strictEqual(yield* Effect.eventually(redis.eval(add)(key, 1)), 2)

      yield* primary.restart
      yield* cluster.healthy
      assert.notStrictEqual(yield* cluster.primaryOf(key), primary)
      assert.strictEqual(yield* redis.eval(add)(key, 1), 3)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})

const untilReplicated = ({ url }: ServerProcess) =>
  Effect.scoped(Effect.flatMap(connect(url), (send) => Effect.promise(() => send("WAIT", "1", "0"))))
