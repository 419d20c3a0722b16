/** The `Redis` service over node-redis's client of a Redis Cluster. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import { createHash } from "node:crypto"
import { createCluster } from "redis"

type Client = ReturnType<typeof createCluster>
export type Options = NonNullable<Parameters<typeof createCluster>[0]>
type Send = Redis.Redis["Service"]["send"]

/** Connects to the cluster that has these nodes. What is still on its way at the end is dropped. */
export const layer = (options: Options): Layer.Layer<Redis.Redis, Redis.RedisError> =>
  Layer.effect(
    Redis.Redis,
    Effect.gen(function* () {
      const runSync = Effect.runSyncWith(yield* Effect.context<never>())
      const warn = (cause: unknown) => runSync(Effect.logWarning("Redis Cluster client error", cause))
      const open = (options: Options) =>
        attempt(async () => {
          const client = createCluster(options)
          client.on("error", warn)
          await client.connect()
          return client
        })
      const close = (client: Client) => Effect.sync(() => client.isOpen && client.destroy())

      const client = yield* Effect.acquireRelease(open(options), close)
      const scripts = new Map<string, string>()
      return yield* Redis.make({
        send: sendWith(client, scripts),
        connect: Effect.map(open({ ...options, minimizeConnections: true }), (client) => ({
          send: sendWith(client, scripts),
          close: close(client)
        })),
        subscribe: (channel, onMessage) => {
          const listener = (message: string | Buffer, channel: string | Buffer) =>
            onMessage({ channel: String(channel), message: String(message) })
          return Effect.as(
            Effect.acquireRelease(
              attempt(() => client.subscribe(channel, listener)),
              () => Effect.ignore(attempt(async () => client.isOpen && client.unsubscribe(channel, listener)))
            ),
            // The client subscribes by itself to another node when one is lost.
            Effect.never
          )
        }
      })
    })
  )

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, Redis.RedisError> =>
  Effect.tryPromise({ try: run, catch: (cause) => new Redis.RedisError({ cause }) })

/**
 * Sends each command to the node that has its first key. Which node knows a script is nobody's business: to load one
 * only means to remember it, and a node that does not know it is given the whole script. So it does not matter that a
 * new primary knows none, and a dead one keeps nobody waiting.
 */
const sendWith = (client: Client, scripts: Map<string, string>): Send => {
  const send = <A>(...command: ReadonlyArray<string>) =>
    attempt(() => client.sendCommand<A>(firstKeyOf(command), false, [...command]))
  return <A>(name: string, ...args: ReadonlyArray<string>) => {
    const [first = "", ...rest] = args
    if (name === "SCRIPT" && first === "LOAD") return Effect.sync(() => remember(scripts, rest[0]!) as A)
    const lua = name === "EVALSHA" ? scripts.get(first) : undefined
    if (lua === undefined) return send<A>(name, ...args)
    return Effect.catchIf(
      send<A>(name, ...args),
      ({ cause }) => String(cause).includes("NOSCRIPT"),
      () => send<A>("EVAL", lua, ...rest)
    )
  }
}

const remember = (scripts: Map<string, string>, lua: string): string => {
  const sha = createHash("sha1").update(lua).digest("hex")
  scripts.set(sha, lua)
  return sha
}

const firstKeyOf = ([name = "", ...args]: ReadonlyArray<string>): string | undefined => {
  if (COUNTING_KEYS.has(name)) return args[1] === "0" ? undefined : args[2]
  if (WITHOUT_KEYS.has(name)) return undefined
  return WITH_SUBCOMMANDS.has(name) ? args[1] : args[0]
}

const COUNTING_KEYS = new Set(["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"])
const WITHOUT_KEYS = new Set(
  "PING ECHO TIME INFO PUBLISH SCRIPT FUNCTION CLUSTER CLIENT CONFIG COMMAND DBSIZE FLUSHALL KEYS SCAN WAIT".split(" ")
)
const WITH_SUBCOMMANDS = new Set(["MEMORY", "OBJECT", "XGROUP", "XINFO"])
