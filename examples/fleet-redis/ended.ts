import { Effect } from "effect"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"

/** Sends a signal to a process and waits until it has ended. One that takes too long is killed. */
export const ended = (child: ChildProcess, signal: NodeJS.Signals): Effect.Effect<void> =>
  Effect.promise(async () => {
    if (hasEnded(child)) return
    const exit = once(child, "exit")
    child.kill(signal)
    const patience = setTimeout(() => child.kill("SIGKILL"), 5_000)
    await exit
    clearTimeout(patience)
  })

export const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null
