/** The process of a worker. */
import type * as Reservation from "effect-budget/Reservation"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { answer } from "./childProcess.ts"
import { budgetAt, countersOf, key, tokens } from "./user.ts"
import type { Question, WorkerOptions } from "./worker.ts"

interface Held {
  readonly reservation: Reservation.Reservation
  readonly scope: Scope.Closeable
}

const work = Effect.gen(function* () {
  const { prefix, url, ...options } = JSON.parse(process.argv[2]!) as WorkerOptions
  const budget = yield* budgetAt({ keyPrefix: prefix, url }, key, options)
  const events: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(budget.events, ({ _tag }) => Effect.sync(() => void events.push(_tag))),
    { startImmediately: true }
  )
  const held = new Map<string, Held>()

  const reserve = Effect.fnUntraced(function* (name: string, amount: number, maxWait: number | undefined) {
    const scope = yield* Scope.make()
    const reservation = yield* Scope.provide(budget.reserve(tokens(amount), { maxWait }), scope)
    held.set(name, { reservation, scope })
  })

  const commit = Effect.fnUntraced(function* (name: string, amount: number) {
    const { reservation, scope } = held.get(name)!
    yield* reservation.commit(tokens(amount))
    yield* Scope.close(scope, Exit.void)
  })

  const answerTo = (question: Question): Effect.Effect<unknown> => {
    switch (question._tag) {
      case "Reserve":
        return Effect.match(reserve(question.name, question.tokens, question.maxWait), {
          onSuccess: () => "admitted",
          onFailure: ({ reason }) => reason._tag
        })
      case "Commit":
        return commit(question.name, question.tokens)
      case "Look":
        return countersOf(budget)
      case "Events":
        return Effect.sync(() => events.slice())
    }
  }
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  answer((question) => run(answerTo(question as Question)))
  return yield* Effect.never
})

await work.pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None"), Effect.runPromise)
