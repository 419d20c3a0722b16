import { Budget, BudgetExceededError, type Limits, MemoryStore, type Usage } from "llm-budget"
import { Effect } from "effect"
import { actualTokens, estimateTokens, fullTokensMax, fullTokensUsed, plenty } from "../amounts.ts"
import type { Contender } from "../harness.ts"
import { repeatingPromise } from "../loops.ts"
import { call, KEY } from "./call.ts"

const library = "llm-budget"

export const remark = `${library}: reserve + settle; fixed windows and an approximated rolling one; no waiting, no concurrency`

export const passing = (limits: Limits): Effect.Effect<Contender> =>
  Effect.sync(() => {
    const budget = new Budget({ store: new MemoryStore(), limits })
    return repeatingPromise(library, async () => {
      const reservation = await budget.reserve(KEY, usage(estimateTokens))
      await call()
      await budget.settle(reservation, usage(actualTokens))
      return true
    })
  })

/** Like the three limits of ours, but for the concurrency, which it does not know. */
export const capAndWindow: Limits = { tokens: plenty, rate: { requests: plenty, perMs: 60_000 } }
export const cap: Limits = { tokens: plenty }
export const window: Limits = { rate: { requests: plenty, perMs: 60_000 } }

export const refused: Effect.Effect<Contender> = Effect.promise(async () => {
  const budget = new Budget({ store: new MemoryStore(), limits: { tokens: fullTokensMax } })
  await budget.record(KEY, usage(fullTokensUsed))
  return repeatingPromise(library, async () => {
    try {
      await budget.reserve(KEY, usage(estimateTokens))
      return false
    } catch (error) {
      return error instanceof BudgetExceededError
    }
  })
})

const usage = (tokens: number): Usage => ({ model: "none", inputTokens: tokens, outputTokens: 0 })
