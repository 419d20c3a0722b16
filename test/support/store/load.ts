/**
 * Many processes that use one tenant within one key, as hard as they can: what they share, and what each of them says
 * that it has done. They go on until the cap of the tenant is used up.
 */
import * as Budget from "effect-budget/Budget"
import * as Limit from "effect-budget/Limit"
import * as Cron from "effect/Cron"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Server } from "../redis/server.ts"
import * as ChildProcess from "./childProcess.ts"

/** What one process does. */
export interface LoadOptions {
  readonly url: string
  readonly prefix: string
  readonly seed: number
  /** How many calls it makes at once. */
  readonly callers: number
  /** Where it writes what it has said to the store, and what it was answered. */
  readonly file: string
  /** How many tokens all processes may use together. */
  readonly cap: number
}

/** What a process has done, as its calls know it. */
export interface Tally {
  /** Calls that have begun. */
  calls: number
  /** Calls that were not let in, or were interrupted before. */
  refused: number
  /** What calls have used: tokens and requests. */
  tokens: number
  requests: number
  /** The longest that a call that was let in has waited. */
  waitedMillisMax: number
}

export const everySecond: Cron.Cron = Result.getOrThrow(Cron.parse("* * * * * *", "UTC"))

export const limitsOf = (cap: number) => ({
  key: [
    Limit.slidingWindow("requests", 1_200, 200),
    Limit.slidingWindow("tokens", 60_000, 300, { chargeAt: "settle" }),
    Limit.fixedWindow("tokens", 300_000, everySecond)
  ],
  acme: [
    Limit.cap("tokens", cap),
    Limit.concurrency(24),
    Limit.tokenBucket("tokens", 280_000, "1 second", { capacity: 40_000 })
  ]
})

/** The tenant within the key. */
export const budgetsOf = Effect.fnUntraced(function* (cap: number) {
  const limits = limitsOf(cap)
  const key = yield* Budget.make({ name: "key", key: "openai", limits: limits.key })
  const acme = yield* Budget.make({ name: "acme", key: "acme", limits: limits.acme, within: [key] })
  return { acme, key }
})

/** Starts a process that is connected, and runs when it is told. */
export const startLoad = (
  { keyPrefix, url }: Server,
  options: Omit<LoadOptions, "url" | "prefix">
): Effect.Effect<{ readonly run: Effect.Effect<Tally> }, never, Scope.Scope> => {
  const argument: LoadOptions = { ...options, url, prefix: keyPrefix }
  return Effect.map(ChildProcess.start(new URL("load.main.ts", import.meta.url), argument), ({ ask }) => ({
    run: ask<Tally>("run")
  }))
}
