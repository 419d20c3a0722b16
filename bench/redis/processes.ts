/** Ours in several client processes at once, which share a budget and its server. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import type { Peer, Place } from "./peer.ts"
import type { Told } from "./process.main.ts"

const PROCESSES = 2

/** Those in flight are spread over the processes. One alone would be one process. */
export const oursInProcesses: Peer = {
  library: `effect-budget, ${PROCESSES} × 50 ms ahead`,
  remark: `effect-budget, ${PROCESSES} × 50 ms ahead: the same budget in ${PROCESSES} client processes, each with its part of those in flight; a process more than everybody else has`,
  contender: (place, lanes) =>
    Effect.gen(function* () {
      const perProcess = Math.ceil(lanes / PROCESSES)
      const children = yield* Effect.all(Array.from({ length: PROCESSES }, () => start(place, perProcess)))
      return {
        library: oursInProcesses.library,
        opsPerRun: perProcess * PROCESSES,
        run: async (runs) => {
          const done = await Promise.all(children.map((child) => ask(child, { runs })))
          return done.reduce((sum, count) => sum + count, 0)
        }
      }
    })
}

const start = (place: Place, lanes: number): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = fork(new URL("process.main.ts", import.meta.url))
      const { keyPrefix, name, url } = place.server
      await ask(child, { place: { prefix: place.prefix, server: { keyPrefix, name, url } }, lanes })
      return child
    }),
    (child) => Effect.sync(() => child.disconnect())
  )

/** Tells a process something, and waits for its answer. One that ends instead ends the benchmark. */
const ask = (child: ChildProcess, told: Told): Promise<number> =>
  new Promise((resolve, reject) => {
    const onEnd = () => reject(new Error("bench: a client process has ended"))
    child.once("exit", onEnd)
    child.once("message", (done) => {
      child.off("exit", onEnd)
      resolve(Number(done))
    })
    child.send(told)
  })
