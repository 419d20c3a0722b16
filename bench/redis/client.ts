import { Effect, type Scope } from "effect"
import { createClient } from "redis"

type Client = ReturnType<typeof createClient>

/** A client of node-redis. Whoever uses it has a connection of its own. */
export const connect = (url: string): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client: Client = createClient({ url })
      client.on("error", (error) => console.error(error))
      return client.connect()
    }),
    (client) => Effect.sync(() => client.destroy())
  )
