/** A server that speaks as Redis does, whatever it is and wherever it runs, and clients of it. */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redis from "effect/persistence/Redis"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { createClient } from "redis"

export interface Server {
  /** What it is, for whoever reads a test report. */
  readonly name: string
  readonly url: string
  /** Before every key of a test: a server may be used by others, too, and keep its keys when the test has ended. */
  readonly keyPrefix: string
}

/** A server of ours. Its other name is trouble: all that a server may do to its clients. */
export interface ServerProcess extends Server {
  readonly port: number
  /** Whether what it has answered is on its disk, and so there again after `restart`. */
  readonly isDurable: boolean
  /** Ends it at once, like a crash (SIGKILL). */
  readonly kill: Effect.Effect<void>
  /** Lets it end in good order (SIGTERM). */
  readonly stop: Effect.Effect<void>
  /** Starts it again on its port, with what is on its disk, if it is durable. Kills it first if it still runs. */
  readonly restart: Effect.Effect<void>
  /** As `restart`, but with an empty disk. */
  readonly restartEmpty: Effect.Effect<void>
  /** Freezes it (SIGSTOP): connections stay open, new ones are even accepted, but nothing is answered. */
  readonly pause: Effect.Effect<void>
  /** Lets a frozen one go on (SIGCONT). It then does all that it was asked to meanwhile. */
  readonly resume: Effect.Effect<void>
}

export const addressOf = (port: number): string => `redis://127.0.0.1:${port}`

export const newKeyPrefix = (): string => `effect-budget-test:${randomUUID()}:`

/**
 * The `Redis` service at an address. The client of `NodeRedis` waits at its end for what is still on its way, which is
 * for ever when the server is dead or frozen. This one drops it.
 */
export const layerAt = (url: string): Layer.Layer<Redis.Redis | NodeRedis.NodeRedis, Redis.RedisError> =>
  Layer.effectDiscard(
    Effect.flatMap(NodeRedis.NodeRedis, ({ client }) =>
      Effect.addFinalizer(() => Effect.sync(() => client.isOpen && client.destroy()))
    )
  ).pipe(Layer.provideMerge(NodeRedis.layer({ url })))

/** The `Redis` service of a server that starts and stops with it. */
export const layerOf = (
  start: Effect.Effect<Server, never, Scope.Scope>
): Layer.Layer<Redis.Redis | NodeRedis.NodeRedis, Redis.RedisError> =>
  Layer.unwrap(Effect.map(start, ({ url }) => layerAt(url)))

/** Sends commands to a server over a connection of its own, which does not come back once it is lost. */
export const connect = (url: string): Effect.Effect<Send, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const client = createClient({ url, socket: { reconnectStrategy: false } })
        // Whoever sends is told. A client without a listener would end the process.
        client.on("error", () => {})
        return client.connect()
      }),
      (client) => Effect.sync(() => client.isOpen && client.destroy())
    ),
    (client) =>
      (...command) =>
        client.sendCommand(command)
  )

/** Sends a command and says what was answered. */
export type Send = (...command: ReadonlyArray<string>) => Promise<unknown>
