/** The `redis-server` of this machine, if it has one. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort } from "./port.ts"
import type { ServerProcess } from "./server.ts"
import * as Process from "./serverProcess.ts"

/** Its version, or `undefined` where there is none. */
export const nativeVersion: string | undefined = (() => {
  const { error, stdout } = spawnSync("redis-server", ["--version"], { encoding: "utf8" })
  return error === undefined ? (/v=(\S+)/.exec(stdout)?.[1] ?? "of unknown version") : undefined
})()

export const nativeName = `redis-server ${nativeVersion ?? ""}`.trim()

export interface NativeOptions {
  /** Whether it writes every change to its disk before it answers. */
  readonly isDurable?: boolean
  /** What else it is told at its start. */
  readonly settings?: ReadonlyArray<string>
}

export const startNative = ({ isDurable = false, settings = [] }: NativeOptions = {}): Effect.Effect<
  ServerProcess,
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const port = yield* freePort
    const home = yield* temporaryDirectory
    const disk = join(home, "disk")
    const logfile = join(home, "log")
    const wipe = () => {
      rmSync(disk, { recursive: true, force: true })
      mkdirSync(disk)
    }
    wipe()
    const places = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", disk, "--logfile", logfile]
    const persistence = isDurable ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"]
    return yield* Process.start({
      name: isDurable ? `${nativeName}, durable` : nativeName,
      port,
      isDurable,
      home,
      launch: () => spawn("redis-server", [...places, "--save", "", ...persistence, ...settings], { stdio: "ignore" }),
      wipe,
      log: () => readFileSync(logfile, "utf8")
    })
  })

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "effect-budget-redis-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)
