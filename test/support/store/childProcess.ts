/** Processes that run a file of this repository and answer what they are asked. None outlives its scope. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { ended, stopped, watchOver } from "../redis/serverProcess.ts"

export interface Child {
  /** Sends a question, and waits for its answer. */
  readonly ask: <A>(question: unknown) => Effect.Effect<A>
  /** Ends it at once, like a crash (SIGKILL). */
  readonly kill: Effect.Effect<void>
  /** Freezes it (SIGSTOP). What it is asked meanwhile it is asked when it goes on. */
  readonly pause: Effect.Effect<void>
  /** Lets a frozen one go on (SIGCONT). */
  readonly resume: Effect.Effect<void>
}

interface Reply {
  readonly id: number
  readonly answer?: unknown
  readonly failure?: string
}

/** Starts a file with an argument. Ends when the file says that it is ready. */
export const start = (file: URL, argument: unknown): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = fork(fileURLToPath(file), [JSON.stringify(argument)], {
          execArgv: ["--conditions=@effect-budget/source", "--no-warnings"]
        })
        watchOver(child, {})
        return child
      }),
      (child) => Effect.promise(() => ended(child, "SIGKILL"))
    )
    const asked = new Map<number, (reply: Reply) => void>()
    child.on("message", (reply: Reply) => {
      const onReply = asked.get(reply.id)
      asked.delete(reply.id)
      onReply?.(reply)
    })
    child.once("exit", (code, signal) => {
      for (const [id, onReply] of asked) onReply({ id, failure: `it has ended: ${code ?? signal}` })
      asked.clear()
    })
    let count = 0
    const ask = <A>(question: unknown): Effect.Effect<A> =>
      Effect.callback((resume) => {
        const id = count++
        asked.set(id, ({ answer, failure }) =>
          resume(failure === undefined ? Effect.succeed(answer as A) : Effect.die(new Error(failure)))
        )
        child.send({ id, question }, (error) => error !== null && asked.delete(id) && resume(Effect.die(error)))
      })
    yield* ask("ready")
    return {
      ask,
      kill: Effect.promise(() => ended(child, "SIGKILL")),
      pause: Effect.andThen(
        signal(child, "SIGSTOP"),
        Effect.promise(() => stopped(child))
      ),
      resume: signal(child, "SIGCONT")
    }
  })

const signal = (child: ChildProcess, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.sync(() => void child.kill(name))

/** What the file does that is started: it answers questions, until nobody is left to ask any. */
export const answer = (answerTo: (question: unknown) => Promise<unknown>): void => {
  process.on("disconnect", () => process.exit())
  process.on("message", ({ id, question }: { readonly id: number; readonly question: unknown }) => {
    const reply = (reply: Omit<Reply, "id">): void => void process.send?.({ id, ...reply })
    if (question === "ready") return reply({})
    answerTo(question).then(
      (answer) => reply({ answer }),
      (error: unknown) => reply({ failure: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    )
  })
}
