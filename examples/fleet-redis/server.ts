/**
 * A server that speaks as Redis does: yours, or this machine's, or Valkey in WebAssembly, which comes with npm.
 */
import { Effect, type Scope } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { on, once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { fileURLToPath } from "node:url"
import { createClient } from "redis"
import { ended } from "./ended.ts"

export interface Server {
  readonly name: string
  readonly url: string
}

/** Where a budget is shared: by all who have the same server and the same prefix. */
export interface Place {
  readonly url: string
  readonly prefix: string
}

export const startServer: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function* () {
  const url = process.env["REDIS_URL"]
  if (url !== undefined) return { name: "the Redis at REDIS_URL", url }
  const port = yield* freePort
  const hasNative = spawnSync("redis-server", ["--version"]).status === 0
  yield* hasNative
    ? launch("redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    : launch(process.execPath, "--no-warnings", fileURLToPath(new URL("valkey.ts", import.meta.url)), `${port}`)
  return { name: hasNative ? "redis-server" : "Valkey in WebAssembly", url: `redis://127.0.0.1:${port}` }
})

/** Starts a server and waits until it is ready. */
const launch = (command: string, ...settings: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      // In a group of its own: Ctrl-C is for the workers, which then still have to tell it what they have used.
      const server = spawn(command, settings, { detached: true, stdio: ["pipe", "pipe", "inherit"] })
      for await (const [log] of on(server.stdout, "data", { close: ["end"] })) {
        if (String(log).includes("Ready to accept connections")) break
      }
      server.stdout.resume()
      return server
    }),
    (server) => ended(server, "SIGTERM")
  )

const freePort: Effect.Effect<number> = Effect.promise(async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  await once(server.close(), "close")
  return port
})

/** For keys that nobody else has, and that go when the scope is closed: the server may be used by others, too. */
export const freshPrefix = ({ url }: Server): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => `fleet-redis-${randomUUID()}`),
    (prefix) =>
      Effect.promise(async () => {
        const client = await createClient({ url }).connect()
        for await (const keys of client.scanIterator({ MATCH: `${prefix}:*`, COUNT: 1_000 })) {
          if (keys.length > 0) await client.unlink(keys)
        }
        await client.close()
      })
  )
