import { NodeRedis } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import * as References from "effect/References"
import { until } from "../latch.ts"
import * as Proxy from "./proxy.ts"
import { Frames, commandOf } from "./resp.ts"
import { connect, layerAt } from "./server.ts"
import { describeServers } from "./servers.ts"

const failed = Symbol("failed")
/** What is answered, or that the connection is lost. */
const outcome = (answer: Promise<unknown>) => Effect.promise(() => answer.catch(() => failed))

describeServers("a proxy", ({ start }) => {
  const setUp = Effect.gen(function* () {
    const server = yield* start
    const proxy = yield* Proxy.make(server)
    const key = `${server.keyPrefix}key`
    const direct = yield* connect(server.url)
    return { proxy, key, direct, count: Effect.promise(() => direct("GET", key)) }
  })

  it.effect("lets everything through and knows what it was", () =>
    Effect.gen(function* () {
      const { key, proxy } = yield* setUp
      const send = yield* connect(proxy.url)
      const long = "ä".repeat(100_000)
      const answers = [send("SET", key, long), send("GET", key), send("LRANGE", `${key}s`, "0", "-1"), send("GET", "")]
      assert.deepStrictEqual(yield* Effect.promise(() => Promise.all(answers)), ["OK", long, [], null])
      assert.deepStrictEqual((yield* proxy.commands).slice(0, 2), [
        ["SET", key, long],
        ["GET", key]
      ])
    })
  )

  it.effect("loses a request: it is never executed", () =>
    Effect.gen(function* () {
      const { count, key, proxy } = yield* setUp
      const send = yield* connect(proxy.url)
      const lost = yield* proxy.loseRequest(Proxy.named("INCR"))
      assert.strictEqual(yield* outcome(send("SET", key, "1")), "OK")
      assert.strictEqual(yield* outcome(send("INCR", key)), failed)
      yield* lost
      assert.strictEqual(yield* count, "1")
      const again = yield* connect(proxy.url)
      assert.strictEqual(yield* outcome(again("INCR", key)), 2)
    })
  )

  it.effect("loses a reply: the request is executed", () =>
    Effect.gen(function* () {
      const { count, key, proxy } = yield* setUp
      const send = yield* connect(proxy.url)
      const lost = yield* proxy.loseReply(Proxy.named("INCR"))
      assert.strictEqual(yield* outcome(send("SET", key, "1")), "OK")
      assert.strictEqual(yield* outcome(send("INCR", key)), failed)
      yield* lost
      assert.strictEqual(yield* count, "2")
    })
  )

  it.effect("loses only the reply that is meant, of many in a row", () =>
    Effect.gen(function* () {
      const { count, key, proxy } = yield* setUp
      const send = yield* connect(proxy.url)
      yield* proxy.loseReply(([name, , by]) => name === "INCRBY" && by === "10")
      const answers = [1, 10, 100].map((by) => send("INCRBY", key, `${by}`).catch(() => failed))
      assert.deepStrictEqual(yield* Effect.promise(() => Promise.all(answers)), [1, failed, failed])
      assert.strictEqual(yield* count, "111")
    })
  )

  it.effect("loses as many replies as it is told, one connection after the other", () =>
    Effect.gen(function* () {
      const { count, key, proxy } = yield* setUp
      for (let index = 0; index < 2; index++) yield* proxy.loseReply()
      for (const expected of [failed, failed, 3]) {
        const send = yield* connect(proxy.url)
        assert.strictEqual(yield* outcome(send("INCR", key)), expected)
      }
      assert.strictEqual(yield* count, "3")
    })
  )

  it.effect("holds requests back until they are released", () =>
    Effect.gen(function* () {
      const { count, key, proxy } = yield* setUp
      const send = yield* connect(proxy.url)
      const hold = yield* proxy.holdRequests(Proxy.named("INCR"))
      const answers = Promise.all([send("SET", key, "1"), send("INCR", key), send("INCR", key), send("GET", key)])
      yield* hold.caught(2)
      assert.strictEqual(yield* count, "1")
      yield* hold.release
      assert.deepStrictEqual(yield* Effect.promise(() => answers), ["OK", 2, 3, "3"])
      assert.strictEqual(yield* outcome(send("INCR", key)), 4)
    })
  )

  it.effect("holds replies back until they are released", () =>
    Effect.gen(function* () {
      const { count, key, proxy } = yield* setUp
      const send = yield* connect(proxy.url)
      const hold = yield* proxy.holdReplies()
      let answered: unknown
      const answer = send("INCR", key).then((reply) => (answered = reply))
      yield* hold.caught()
      assert.strictEqual(yield* count, "1")
      assert.isUndefined(answered)
      yield* hold.release
      assert.strictEqual(yield* Effect.promise(() => answer), 1)
    })
  )

  it.effect("loses what it holds back when it cuts", () =>
    Effect.gen(function* () {
      const { count, key, proxy } = yield* setUp
      const send = yield* connect(proxy.url)
      const hold = yield* proxy.holdRequests()
      const answer = send("INCR", key)
      yield* hold.caught()
      yield* proxy.cut
      assert.strictEqual(yield* outcome(answer), failed)
      yield* hold.release
      assert.isNull(yield* count)
    })
  )

  it.effect("refuses connections, and lets them in again", () =>
    Effect.gen(function* () {
      const { key, proxy } = yield* setUp
      const send = yield* connect(proxy.url)
      yield* proxy.refuse
      assert.strictEqual(yield* outcome(send("INCR", key)), 1)
      const refused = yield* Effect.exit(Effect.scoped(connect(proxy.url)))
      assert.match(String(refused), /ECONNREFUSED/)
      yield* proxy.accept
      const again = yield* connect(proxy.url)
      assert.strictEqual(yield* outcome(again("INCR", key)), 2)
    })
  )

  it.live("cuts everybody, who may come back", () =>
    Effect.gen(function* () {
      const { key, proxy } = yield* setUp
      yield* Effect.gen(function* () {
        const redis = yield* Redis.Redis
        assert.strictEqual(yield* redis.send("INCR", key), 1)
        const messages = yield* redis.subscribe("news")
        void messages
        assert.strictEqual(yield* proxy.connections, 2)
        yield* proxy.refuse
        yield* proxy.cut
        yield* untilConnections(proxy, 0)
        yield* proxy.accept
        assert.strictEqual(yield* redis.send("INCR", key), 2)
        yield* untilConnections(proxy, 2)
      }).pipe(
        Effect.provide(layerAt(proxy.url)),
        // The client warns of each connection that it loses.
        Effect.provideService(References.MinimumLogLevel, "None")
      )
    })
  )

  it.live("does not take a message for the reply that is meant", () =>
    Effect.gen(function* () {
      const { key, direct, proxy } = yield* setUp
      yield* Effect.gen(function* () {
        const { client } = yield* NodeRedis.NodeRedis
        const heard: Array<string> = []
        yield* Effect.promise(() => client.subscribe(key, (message) => heard.push(message)))
        const lost = yield* proxy.loseReply(Proxy.named("BLPOP"))
        const popped = client.sendCommand(["BLPOP", `${key}s`, "0"])
        yield* untilSeen(proxy, "BLPOP")
        yield* Effect.promise(() => direct("PUBLISH", key, "hello"))
        yield* until(() => heard.length === 1)
        yield* Effect.promise(() => direct("RPUSH", `${key}s`, "a"))
        assert.strictEqual(yield* outcome(popped), failed)
        yield* lost
      }).pipe(Effect.provide(layerAt(proxy.url)), Effect.provideService(References.MinimumLogLevel, "None"))
    })
  )

  it.effect("ends with its scope, and its connections with it", () =>
    Effect.gen(function* () {
      const server = yield* start
      const send = yield* Effect.scoped(
        Effect.gen(function* () {
          const proxy = yield* Proxy.make(server)
          return { proxy, send: yield* connect(proxy.url) }
        })
      )
      assert.strictEqual(yield* outcome(send.send("PING")), failed)
      assert.match(String(yield* Effect.exit(Effect.scoped(connect(send.proxy.url)))), /ECONNREFUSED/)
    })
  )
})

const untilConnections = (proxy: Proxy.Proxy, count: number) =>
  Effect.gen(function* () {
    while ((yield* proxy.connections) !== count) yield* Effect.promise(() => new Promise(setImmediate))
  })

const untilSeen = (proxy: Proxy.Proxy, name: string) =>
  Effect.gen(function* () {
    while (!(yield* proxy.commands).some(Proxy.named(name))) yield* Effect.promise(() => new Promise(setImmediate))
  })

describe("frames", () => {
  const bytes = (text: string) => Buffer.from(text)
  const all = [
    "+OK\r\n",
    "-ERR no\r\n",
    ":-1\r\n",
    "$-1\r\n",
    "$3\r\na\r\n\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*2\r\n*1\r\n:1\r\n$0\r\n\r\n",
    "_\r\n",
    "#t\r\n",
    ",1.5\r\n",
    "(123\r\n",
    "=5\r\ntxt:a\r\n",
    "~1\r\n+a\r\n",
    "%1\r\n+a\r\n*1\r\n:1\r\n",
    "|1\r\n+ttl\r\n:1\r\n$1\r\na\r\n",
    ">2\r\n+message\r\n$1\r\na\r\n",
    "PING\r\n"
  ]

  it("are the same however they arrive", () => {
    for (const size of [1, 2, 3, 7, 1_000]) {
      const frames = new Frames()
      const found: Array<string> = []
      const stream = bytes(all.join(""))
      for (let from = 0; from < stream.length; from += size) {
        found.push(...frames.add(stream.subarray(from, from + size)).map(String))
      }
      assert.deepStrictEqual(found, all)
    }
  })

  it("are read as commands", () => {
    assert.deepStrictEqual(commandOf(bytes("*3\r\n$3\r\nSET\r\n$2\r\nä\r\n$2\r\n\r\n\r\n")), ["SET", "ä", "\r\n"])
    assert.deepStrictEqual(commandOf(bytes("PING hello\r\n")), ["PING", "hello"])
  })
})
