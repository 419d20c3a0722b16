/** The embedded Valkey in a process of its own, which can be killed. It has no disk. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { freePort } from "./port.ts"
import type { ServerProcess } from "./server.ts"
import * as Process from "./serverProcess.ts"

export const startEmbeddedProcess: Effect.Effect<ServerProcess, never, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  return yield* Process.start({
    name: "embedded Valkey, process of its own",
    port,
    isDurable: false,
    launch: () =>
      spawn(
        process.execPath,
        ["--no-warnings", fileURLToPath(new URL("embeddedProcess.main.ts", import.meta.url)), `${port}`],
        {
          stdio: ["ignore", "ignore", "inherit"]
        }
      ),
    wipe: () => {},
    log: () => ""
  })
})
