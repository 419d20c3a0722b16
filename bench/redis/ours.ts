/** Our own, where every call asks, and where a process takes ahead what its calls will need. */
import { Effect, Layer, Scope } from "effect"
import { Budget, type BudgetStore, Limit, RedisBudgetStore } from "effect-budget"
import { layerAt } from "../../test/support/redis/server.ts"
import { actual, estimate } from "../amounts.ts"
import { inFlightEffects } from "./inFlight.ts"
import { capTokensMax, openMax, WINDOW_MILLIS, windowTokensMax } from "./limits.ts"
import type { Peer, Place } from "./peer.ts"

const limits = [
  Limit.cap("tokens", capTokensMax),
  Limit.slidingWindow("tokens", windowTokensMax, WINDOW_MILLIS),
  Limit.concurrency(openMax)
]

/** Makes budgets that last as long as the scope. */
const budgetsIn = Effect.fnUntraced(function* ({ prefix, server }: Place, options: BudgetStore.Options) {
  const scope = yield* Effect.scope
  const store = RedisBudgetStore.layer({ ...options, prefix })
  const context = yield* Layer.build(store.pipe(Layer.provide(layerAt(server.url)), Layer.orDie))
  return (name: string) =>
    Budget.make({ name, key: `{budgets}/${name}`, limits }).pipe(
      Effect.provide(context),
      Effect.provideService(Scope.Scope, scope)
    )
})

const peerWith = (library: string, remark: string, options: BudgetStore.Options): Peer => ({
  library,
  remark: `${library}: ${remark}`,
  contender: (place, lanes) =>
    Effect.gen(function* () {
      const budget = yield* Effect.flatten(Effect.map(budgetsIn(place, options), (make) => make("budget")))
      return inFlightEffects(library, lanes, budget.spend({ estimate, actual: () => actual })(Effect.void))
    }),
  keep: (place) =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const make = yield* budgetsIn(place, options)
      const budgets = new Map<string, Budget.Budget>()
      const budgetOf = Effect.fnUntraced(function* (name: string) {
        const budget = budgets.get(name) ?? (yield* make(name))
        budgets.set(name, budget)
        return budget
      })
      return {
        // A snapshot follows what was settled: then it is in the store.
        pass: (name) =>
          Effect.gen(function* () {
            const budget = yield* budgetOf(name)
            yield* Effect.orDie(budget.spend({ estimate, actual: () => actual })(Effect.void))
            yield* budget.snapshot
          }),
        leaveOpen: (name) =>
          Effect.gen(function* () {
            const budget = yield* budgetOf(name)
            yield* Effect.orDie(Effect.provideService(budget.reserve(estimate), Scope.Scope, scope))
          })
      }
    })
})

export const ours = peerWith(
  "effect-budget",
  "all three limits, a true rolling window; leases, exactly once, waiting; settled while the next call is on its way",
  {}
)

export const oursAhead = peerWith(
  "effect-budget, 50 ms ahead",
  "the same, and calls are granted from what was taken ahead",
  { ahead: "50 millis" }
)
