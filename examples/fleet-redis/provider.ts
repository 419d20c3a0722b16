/**
 * A provider that takes its time, and counts by itself how many calls it works on at once.
 */
import { Effect, type Scope } from "effect"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface Calls {
  done: number
  open: number
}

export interface Provider {
  readonly url: string
  /** The calls of the one who calls under this path. */
  readonly callsOf: (path: string) => Calls
  /** How many calls it has answered. */
  readonly done: () => number
  /** How many calls it has worked on at once, at most. */
  readonly mostAtOnce: () => number
}

const startedProvider = async () => {
  const calls = new Map<string, Calls>()
  let open = 0
  let mostAtOnce = 0

  const callsOf = (path: string): Calls => {
    const known = calls.get(path) ?? { done: 0, open: 0 }
    calls.set(path, known)
    return known
  }
  const done = () => [...calls.values()].reduce((sum, own) => sum + own.done, 0)
  const server = createServer((request, response) => {
    const own = callsOf(request.url ?? "")
    own.open++
    mostAtOnce = Math.max(mostAtOnce, ++open)
    const answer = setTimeout(
      () => {
        own.done++
        response.end(JSON.stringify({ inputTokens: 400, outputTokens: 20 + Math.floor(Math.random() * 80) }))
      },
      600 + Math.random() * 400
    )
    // Also when whoever has called is dead.
    response.once("close", () => {
      clearTimeout(answer)
      own.open--
      open--
    })
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  const { port } = server.address() as AddressInfo
  return { server, url: `http://127.0.0.1:${port}`, callsOf, done, mostAtOnce: () => mostAtOnce }
}

export const startProvider: Effect.Effect<Provider, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(startedProvider),
  ({ server }) => Effect.sync(() => server.close().closeAllConnections())
)
