/** The server that everything is measured on. */
import type { Effect, Scope } from "effect"
import { startEmbeddedProcess } from "../../test/support/redis/embeddedProcess.ts"
import { nativeVersion, startNative } from "../../test/support/redis/native.ts"
import type { Server } from "../../test/support/redis/server.ts"

/** Whether there is a server whose speed means something. */
export const hasNative = nativeVersion !== undefined

/** A server in a process of its own: the native one, or where there is none, Valkey in WebAssembly. */
export const start: Effect.Effect<Server, never, Scope.Scope> = hasNative ? startNative() : startEmbeddedProcess
