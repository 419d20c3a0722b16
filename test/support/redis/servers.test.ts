import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redis from "effect/persistence/Redis"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { connect as connectSocket } from "node:net"
import { connect, layerAt, layerOf, type ServerProcess } from "./server.ts"
import { describeDurableServers, describeServerProcesses, describeServers } from "./servers.ts"

const set = (server: ServerProcess, value: string) =>
  Effect.scoped(
    Effect.flatMap(connect(server.url), (send) => Effect.promise(() => send("SET", `${server.keyPrefix}key`, value)))
  )
const get = (server: ServerProcess) =>
  Effect.scoped(
    Effect.flatMap(connect(server.url), (send) => Effect.promise(() => send("GET", `${server.keyPrefix}key`)))
  )

/** Whether anybody listens. */
const listens = (url: string) =>
  Effect.promise(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connectSocket(Number(new URL(url).port), "127.0.0.1", () => {
          resolve(true)
          socket.destroy()
        })
        socket.once("error", () => resolve(false))
      })
  )

const turnOfEvents = Effect.promise(() => new Promise(setImmediate))

const double = Redis.script((key: string) => [key], {
  lua: 'return redis.call("INCRBY", KEYS[1], 2)',
  numberOfKeys: 1
}).withReturnType<number>()

describeServers("a server", ({ start }) => {
  it.effect("runs scripts", () =>
    Effect.gen(function* () {
      const { keyPrefix } = yield* start
      const redis = yield* Redis.Redis
      assert.strictEqual(yield* redis.eval(double)(`${keyPrefix}script`), 2)
      assert.strictEqual(yield* redis.eval(double)(`${keyPrefix}script`), 4)
      yield* redis.send("DEL", `${keyPrefix}script`)
    }).pipe(Effect.provide(layerOf(start)))
  )

  it.effect("leaves no keys behind", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { keyPrefix, url } = yield* Scope.provide(start, scope)
      const send = yield* Scope.provide(connect(url), scope)
      yield* Effect.promise(() => send("SET", `${keyPrefix}key`, "left"))
      yield* Scope.close(scope, Exit.void)
      if (!(yield* listens(url))) return
      const later = yield* connect(url)
      assert.deepStrictEqual(yield* Effect.promise(() => later("KEYS", `${keyPrefix}*`)), [])
    })
  )
})

describeServerProcesses("a server process", ({ start }) => {
  it.effect("ends with its scope", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(start)
      assert.isFalse(yield* listens(url))
    })
  )

  it.effect("ends with its scope when it is frozen", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.scoped(Effect.tap(start, ({ pause }) => pause))
      assert.isFalse(yield* listens(url))
    })
  )

  it.effect("ends when whoever has it is interrupted", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<ServerProcess>()
      const owner = Effect.andThen(
        Effect.flatMap(start, (server) => Deferred.succeed(started, server)),
        Effect.never
      )
      const fiber = yield* Effect.forkChild(Effect.scoped(owner))
      const { url } = yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      assert.isFalse(yield* listens(url))
    })
  )

  it.effect("ends when it is interrupted at some moment of its start", () =>
    Effect.gen(function* () {
      for (const turns of [0, 1, 2, 5, 20, 100]) {
        const fiber = yield* Effect.forkChild(Effect.scoped(Effect.andThen(start, Effect.never)), {
          startImmediately: true
        })
        for (let turn = 0; turn < turns; turn++) yield* turnOfEvents
        yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
        while (process.getActiveResourcesInfo().includes("ProcessWrap")) yield* turnOfEvents
      }
    })
  )

  it.effect("is gone when it is killed, and there again on its port, empty", () =>
    Effect.gen(function* () {
      const server = yield* start
      yield* set(server, "before")
      yield* server.kill
      assert.isFalse(yield* listens(server.url))
      yield* server.restart
      assert.isNull(yield* get(server))
    })
  )

  it.effect("stops in good order", () =>
    Effect.gen(function* () {
      const server = yield* start
      yield* server.stop
      assert.isFalse(yield* listens(server.url))
      yield* server.restart
      assert.isTrue(yield* listens(server.url))
    })
  )

  it.live("may be left dead or frozen, with a command on its way", () =>
    Effect.gen(function* () {
      for (const trouble of ["kill", "pause"] as const) {
        const server = yield* start
        yield* Effect.gen(function* () {
          const redis = yield* Redis.Redis
          yield* server[trouble]
          yield* Effect.forkChild(Effect.exit(redis.send("PING")), { startImmediately: true })
        }).pipe(Effect.provide(layerAt(server.url)), Effect.provideService(References.MinimumLogLevel, "None"))
      }
    })
  )

  it.effect("answers nothing while it is frozen, and everything afterwards", () =>
    Effect.gen(function* () {
      const server = yield* start
      const send = yield* connect(server.url)
      yield* server.pause
      const answer = send("INCR", `${server.keyPrefix}count`)
      const silence = new Promise((resolve) => setTimeout(() => resolve("silence"), 50))
      assert.strictEqual(yield* Effect.promise(() => Promise.race([answer, silence])), "silence")
      yield* server.resume
      assert.strictEqual(yield* Effect.promise(() => answer), 1)
    })
  )
})

describeServerProcesses("a server process whose owner is killed", ({ name }) => {
  it.effect("ends, too, even if it is frozen", () =>
    Effect.gen(function* () {
      const owner = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", ownerOf(name)], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      const [url] = (yield* Effect.promise(() => once(owner.stdout, "data"))) as [Buffer]
      assert.isTrue(yield* listens(url.toString()))
      owner.kill("SIGKILL")
      while (yield* listens(url.toString())) yield* turnOfEvents
    })
  )
})

/** A program that starts a server, freezes it, says where it is, and goes on for ever. */
const ownerOf = (name: string): string => `
  import * as Effect from ${JSON.stringify(import.meta.resolve("effect/Effect"))}
  import * as servers from ${JSON.stringify(new URL("servers.ts", import.meta.url).href)}
  const { start } = [servers.embeddedProcess, servers.native].find((kind) => kind.name === ${JSON.stringify(name)})
  const program = Effect.gen(function* () {
    const { pause, url } = yield* start
    yield* pause
    console.log(url)
    yield* Effect.never
  })
  await Effect.runPromise(Effect.scoped(program))`

describeDurableServers("a durable server", ({ start }) => {
  it.effect("knows after a crash what it had answered", () =>
    Effect.gen(function* () {
      const server = yield* start
      yield* set(server, "kept")
      yield* server.kill
      yield* server.restart
      assert.strictEqual(yield* get(server), "kept")
    })
  )

  it.effect("forgets everything when its disk is lost", () =>
    Effect.gen(function* () {
      const server = yield* start
      yield* set(server, "lost")
      yield* server.restartEmpty
      assert.isNull(yield* get(server))
    })
  )
})
