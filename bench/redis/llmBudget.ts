import { Effect } from "effect"
import { Budget, RedisStore, type Usage } from "llm-budget"
import { actualTokens, estimateTokens } from "../amounts.ts"
import { connect } from "./client.ts"
import { inFlight } from "./inFlight.ts"
import { capTokensMax, WINDOW_MILLIS, windowTokensMax } from "./limits.ts"
import type { Peer } from "./peer.ts"

const library = "llm-budget"

export const llmBudget: Peer = {
  library,
  remark: `${library}: reserve + settle, one INCRBYFLOAT and one PEXPIRE for each counter; tokens of a month and requests (not tokens) of a minute, not taken together; no concurrency, no waiting`,
  contender: ({ prefix, server }, lanes) =>
    Effect.map(connect(server.url), (client) => {
      const budget = new Budget({
        store: new RedisStore({
          get: (key) => client.get(key),
          incrByFloat: (key, by) => client.incrByFloat(key, by),
          pExpire: (key, millis) => client.pExpire(key, millis)
        }),
        prefix,
        limits: { tokens: capTokensMax, rate: { requests: windowTokensMax, perMs: WINDOW_MILLIS } }
      })
      return inFlight(library, lanes, async () => {
        const reservation = await budget.reserve("budget", usage(estimateTokens))
        await budget.settle(reservation, usage(actualTokens))
        return true
      })
    })
}

const usage = (tokens: number): Usage => ({ model: "none", inputTokens: tokens, outputTokens: 0 })
