/** A real Valkey, in WebAssembly: it needs nothing but npm. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { freePort } from "./port.ts"
import { addressOf, newKeyPrefix, type Server, type ServerProcess } from "./server.ts"
import * as Process from "./serverProcess.ts"
import { startValkey } from "./valkey.ts"

/** A server inside this process. */
export const startEmbedded: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  yield* Effect.acquireRelease(
    Effect.promise(() => startValkey(port)),
    (server) => Effect.promise(() => server.stop())
  )
  return { name: "embedded Valkey", url: addressOf(port), keyPrefix: newKeyPrefix() }
})

/** A server in a process of its own, which can be killed. It has no disk. */
export const startEmbeddedProcess: Effect.Effect<ServerProcess, never, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  return yield* Process.start({
    name: "embedded Valkey, process of its own",
    port,
    isDurable: false,
    launch: () =>
      spawn(
        process.execPath,
        ["--no-warnings", fileURLToPath(new URL("embedded.main.ts", import.meta.url)), `${port}`],
        {
          stdio: ["ignore", "ignore", "inherit"]
        }
      ),
    wipe: () => {},
    log: () => ""
  })
})
