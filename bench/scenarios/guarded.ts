import { Effect } from "effect"
import { Breaker, Budget, Deadline, Guard, Limit, Usage } from "effect-budget"
import { floor } from "../floor.ts"
import type { Scenario } from "../harness.ts"
import { repeating } from "../loops.ts"

const estimate = Usage.make({ inputTokens: 100, outputTokens: 50 })
const key = Breaker.key({ provider: "openai", model: "gpt-5.4-mini" })
const inTime = Deadline.within("1 hour")

/** What a guard takes beside its parts, and beside the same parts put together by hand, without their second look. */
export const guarded: Scenario = {
  name: "guarded",
  work: "a call that does nothing, within a cap, a window and a concurrency, a circuit and a deadline",
  contenders: Effect.gen(function* () {
    const breaker = yield* Breaker.CircuitBreaker
    const budget = yield* Budget.make({
      name: "run",
      limits: [
        Limit.cap("tokens", 1_000_000_000_000),
        Limit.slidingWindow("tokens", 1_000_000_000_000, "1 minute"),
        Limit.concurrency(40)
      ]
    })
    const guard = yield* Guard.make({ budget, key })
    const spending = Effect.void.pipe(budget.spend({ estimate }))
    const breaking = Effect.void.pipe(Deadline.enforce, (call) =>
      breaker.execute(call, { key, classify: (exit) => Breaker.outcomeOf(exit) })
    )
    return [
      floor(),
      repeating("guard", inTime(Effect.void.pipe(guard.spend({ estimate })))),
      repeating("by hand", inTime(breaking.pipe(budget.spend({ estimate })))),
      repeating("breaker and deadline", inTime(breaking)),
      repeating("budget", spending)
    ]
  }).pipe(Effect.provide(Breaker.layerMemory())),
  targets: []
}
