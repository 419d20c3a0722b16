/** Servers in processes of their own. None outlives its scope, nor the process that started it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { addressOf, newKeyPrefix, type ServerProcess } from "./server.ts"

/** How a server is started, again and again. */
export interface Program {
  readonly name: string
  readonly port: number
  readonly isDurable: boolean
  readonly launch: () => ChildProcess
  /** A directory of its own, which is removed even if nobody is left to do so. */
  readonly home?: string
  /** Empties its disk. */
  readonly wipe: () => void
  /** What it has to say if it does not start. */
  readonly log: () => string
}

export const start = (program: Program): Effect.Effect<ServerProcess, never, Scope.Scope> =>
  Effect.gen(function* () {
    let child: ChildProcess | undefined
    const end = (signal: NodeJS.Signals) => Effect.promise(async () => child && ended(child, signal))
    const signal = (signal: NodeJS.Signals) => Effect.sync(() => void child?.kill(signal))
    // Nothing may come between the death of one process and the name of the next one.
    const restart = (prepare: () => void) =>
      Effect.uninterruptible(
        Effect.promise(async () => {
          if (child !== undefined) await ended(child, "SIGKILL")
          prepare()
          child = program.launch()
          watchOver(child, program)
          await answering(child, program)
        })
      )

    yield* Effect.addFinalizer(() => end("SIGKILL"))
    yield* restart(() => {})
    return {
      name: program.name,
      port: program.port,
      url: addressOf(program.port),
      keyPrefix: newKeyPrefix(),
      isDurable: program.isDurable,
      kill: end("SIGKILL"),
      stop: end("SIGTERM"),
      restart: restart(() => {}),
      restartEmpty: restart(program.wipe),
      pause: Effect.andThen(
        signal("SIGSTOP"),
        Effect.promise(async () => child && stopped(child))
      ),
      resume: signal("SIGCONT")
    }
  })

const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null

/** Sends a signal that ends a process, and waits until it has. */
export const ended = (child: ChildProcess, signal: NodeJS.Signals): Promise<void> =>
  new Promise((resolve) => {
    if (hasEnded(child)) return resolve()
    child.once("exit", () => resolve())
    child.kill(signal)
    // A frozen process would not hear of a SIGTERM.
    child.kill("SIGCONT")
  })

/** If this process is killed, its finalizers do not run: a shell that reads from it finds out, and does it for them. */
export const watchOver = (child: ChildProcess, { home = "" }: Pick<Program, "home">): void => {
  if (child.pid === undefined) return
  const watcher = spawn("sh", ["-c", 'read -r _ || { kill -9 "$0"; rm -rf "$1"; }', String(child.pid), home], {
    stdio: ["pipe", "ignore", "ignore"],
    // An interrupt from the keyboard is for all processes of a group. The watcher has to survive it.
    detached: true
  })
  watcher.on("error", () => {})
  watcher.stdin.on("error", () => {})
  child.once("exit", () => watcher.stdin.end("it has ended\n"))
}

/** A signal is sent before it is received. Where the system says so, waits until the process is frozen indeed. */
export const stopped = async (child: ChildProcess): Promise<void> => {
  const isStopped = (): boolean => {
    try {
      return /^\d+ \(.*\) [Tt]/.test(readFileSync(`/proc/${child.pid}/stat`, "utf8"))
    } catch {
      return true
    }
  }
  while (!isStopped()) await pause()
}

const PATIENCE_MILLIS = 20_000

/** Waits until a server answers a PING. It does not before it has read what was on its disk. */
const answering = async (child: ChildProcess, { log, name, port }: Program): Promise<void> => {
  let failure: unknown
  child.once("error", (error) => (failure = error))
  const giveUpAt = performance.now() + PATIENCE_MILLIS
  while (!(await answersPing(port))) {
    if (hasEnded(child) || performance.now() > giveUpAt) {
      await ended(child, "SIGKILL")
      throw new Error(`${name} did not start on port ${port}\n${log()}`, { cause: failure })
    }
    await pause()
  }
  // Somebody else's server may answer on this port.
  if (hasEnded(child)) throw new Error(`${name} did not start on port ${port}, where somebody else answers\n${log()}`)
}

const answersPing = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"))
    socket.once("data", (reply) => {
      resolve(reply.toString().startsWith("+PONG"))
      socket.destroy()
    })
    socket.once("error", () => resolve(false))
    socket.once("close", () => resolve(false))
  })

/** Between two looks. By the real clock, whatever clock the test has. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
