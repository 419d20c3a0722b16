/**
 * The processes of the fleet, as whoever starts them sees them.
 */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { ended } from "./ended.ts"
import type { Calls, Provider } from "./provider.ts"
import type { Place } from "./server.ts"

export interface Worker {
  readonly name: string
  readonly process: ChildProcess
  /** What the provider sees of it. */
  readonly calls: Calls
  /** How many of its calls wait, as it says. */
  waiting: number
}

export const startWorker = (
  name: string,
  provider: Provider,
  { prefix, url }: Place
): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const places = { PROVIDER_URL: `${provider.url}/${name}`, REDIS_PREFIX: prefix, REDIS_URL: url }
      const child = fork(new URL("worker.ts", import.meta.url), { env: { ...process.env, ...places } })
      const worker: Worker = { name, process: child, calls: provider.callsOf(`/${name}`), waiting: 0 }
      child.on("message", (waiting) => (worker.waiting = Number(waiting)))
      return worker
    }),
    (worker) => ended(worker.process, "SIGTERM")
  )
