/** A real Valkey, in WebAssembly: it needs nothing but npm. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { freePort } from "./port.ts"
import { addressOf, newKeyPrefix, type Server } from "./server.ts"
import { startValkey } from "../../../examples/mock/valkey.ts"

/** A server inside this process. */
export const startEmbedded: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  yield* Effect.acquireRelease(
    Effect.promise(() => startValkey(port)),
    (server) => Effect.promise(() => server.stop())
  )
  return { name: "embedded Valkey", url: addressOf(port), keyPrefix: newKeyPrefix() }
})
