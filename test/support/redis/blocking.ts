/**
 * A client that stands still until the server has answered, and until all that was published meanwhile is here. So a
 * program on a clock of its own is as deterministic with a real server as with none: nothing is ever on its way. The
 * server has to be another process.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import { once } from "node:events"
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads"

export type Question =
  | { readonly does: "send"; readonly command: ReadonlyArray<string> }
  | { readonly does: "subscribe"; readonly channel: string }
  | { readonly does: "unsubscribe"; readonly channel: string }

export interface Published {
  readonly channel: string
  readonly message: string
}

export type Reply = { readonly published: ReadonlyArray<Published> } & (
  | { readonly value: unknown; readonly error?: never }
  | { readonly error: string; readonly value?: never }
)

type Ask = (question: Question) => Reply

const openThread = (url: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const { port1, port2 } = new MessageChannel()
        const bell = new Int32Array(new SharedArrayBuffer(4))
        const worker = new Worker(new URL("blocking.main.ts", import.meta.url), {
          workerData: { bell, port: port2, url },
          transferList: [port2]
        })
        // Whoever stands still does not help it to start.
        await once(port1, "message")
        return { bell, port: port1, worker }
      }),
      ({ worker }) => Effect.promise(() => worker.terminate())
    ),
    ({ bell, port }): Ask =>
      (question) => {
        Atomics.store(bell, 0, 0)
        port.postMessage(question)
        if (Atomics.wait(bell, 0, 0, ANSWER_MILLIS_MAX) === "timed-out") throw new Error("the server does not answer")
        return receiveMessageOnPort(port)!.message as Reply
      }
  )

/** The `Redis` service at an address, whose commands are over as soon as they are sent. */
export const layerBlocking = (url: string): Layer.Layer<Redis.Redis> =>
  Layer.effect(
    Redis.Redis,
    Effect.gen(function* () {
      const thread = yield* openThread(url)
      const listeners = new Map<string, (message: Redis.RedisMessage) => void>()

      const ask = (question: Question): Effect.Effect<unknown, Redis.RedisError> =>
        Effect.suspend(() => {
          const reply = thread(question)
          for (const message of reply.published) listeners.get(message.channel)?.(message)
          if (reply.error === undefined) return Effect.succeed(reply.value)
          return Effect.fail(new Redis.RedisError({ cause: new Error(reply.error) }))
        })

      const leave = (channel: string) =>
        Effect.suspend(() => {
          listeners.delete(channel)
          return Effect.orDie(ask({ does: "unsubscribe", channel }))
        })

      return yield* Redis.make({
        send: <A>(...command: ReadonlyArray<string>) =>
          ask({ does: "send", command }) as Effect.Effect<A, Redis.RedisError>,
        subscribe: (channel, onMessage) =>
          Effect.as(
            Effect.acquireRelease(
              Effect.andThen(
                Effect.sync(() => listeners.set(channel, onMessage)),
                ask({ does: "subscribe", channel })
              ),
              () => leave(channel)
            ),
            Effect.never
          ),
        connect: Effect.die(new Error("there is one connection only"))
      })
    })
  )

const ANSWER_MILLIS_MAX = 30_000
