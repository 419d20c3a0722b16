/** The server that `REDIS_URL` names. Others may use it, too: it is left as it was, and cannot be killed. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect, newKeyPrefix, type Send, type Server } from "./server.ts"

export const remoteUrl: string | undefined = process.env["REDIS_URL"] || undefined

export const startRemote: Effect.Effect<Server, never, Scope.Scope> = Effect.gen(function* () {
  if (remoteUrl === undefined) throw new Error("REDIS_URL is not set")
  const url = remoteUrl
  const keyPrefix = newKeyPrefix()
  const send = yield* connect(url)
  yield* Effect.promise(() => send("PING"))
  yield* Effect.addFinalizer(() => Effect.promise(() => removeKeys(send, keyPrefix)))
  return { name: "REDIS_URL", url, keyPrefix }
})

const removeKeys = async (send: Send, prefix: string): Promise<void> => {
  let cursor = "0"
  do {
    const [next, keys] = (await send("SCAN", cursor, "MATCH", `${prefix}*`, "COUNT", "1000")) as [string, Array<string>]
    if (keys.length > 0) await send("DEL", ...keys)
    cursor = next
  } while (cursor !== "0")
}
