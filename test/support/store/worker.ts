/** A process of its own that reserves and settles as it is told. */
import type * as BudgetStore from "effect-budget/BudgetStore"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Server } from "../redis/server.ts"
import * as ChildProcess from "./childProcess.ts"
import type { Counters } from "./user.ts"

/** What a worker is started with. */
export interface WorkerOptions extends BudgetStore.Options {
  readonly url: string
  readonly prefix: string
}

/** What it is told. Reservations have names, by which they are settled. */
export type Question =
  | { readonly _tag: "Reserve"; readonly name: string; readonly tokens: number; readonly maxWait: number | undefined }
  | { readonly _tag: "Commit"; readonly name: string; readonly tokens: number }
  | { readonly _tag: "Look" | "Events" }

export interface Worker extends ChildProcess.Child {
  /** Waits as long as it may, and says why not if not. */
  readonly reserve: (name: string, tokens: number, maxWait?: number) => Effect.Effect<string>
  readonly commit: (name: string, tokens: number) => Effect.Effect<void>
  readonly counters: Effect.Effect<Counters>
  /** What it was told of its budget. */
  readonly events: Effect.Effect<ReadonlyArray<string>>
}

/** Starts a worker of the key that {@link ../user.ts} describes. */
export const startWorker = (
  { keyPrefix, url }: Server,
  options: BudgetStore.Options = {}
): Effect.Effect<Worker, never, Scope.Scope> => {
  const argument: WorkerOptions = { ...options, url, prefix: keyPrefix }
  return Effect.map(ChildProcess.start(new URL("worker.main.ts", import.meta.url), argument), (child) => {
    const ask = <A>(question: Question): Effect.Effect<A> => child.ask(question)
    return {
      ...child,
      reserve: (name, tokens, maxWait) => ask({ _tag: "Reserve", name, tokens, maxWait }),
      commit: (name, tokens) => ask({ _tag: "Commit", name, tokens }),
      counters: ask({ _tag: "Look" }),
      events: ask({ _tag: "Events" })
    }
  })
}
