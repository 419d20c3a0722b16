import * as Effect from "effect/Effect"
import { createServer } from "node:net"

/** Between nodes, a Redis Cluster talks on the port that is this much above the clients' one. */
const CLUSTER_BUS = 10_000

/** Ports that no system hands out by itself: nobody takes one of them while its server is down. */
const LOWEST = 10_000
const COUNT = 10_000

const given = new Set<number>()

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })

/** A port of 127.0.0.1 on which nobody listens, nor on that of its cluster bus. It is given only once. */
export const freePort: Effect.Effect<number> = Effect.promise(async () => {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * COUNT)
    if (given.has(port)) continue
    given.add(port)
    if ((await isFree(port)) && (await isFree(port + CLUSTER_BUS))) return port
  }
})
