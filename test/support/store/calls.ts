/** Calls by the real clock, and what has to be counted after them. */
import { assert, it } from "@effect/vitest"
import type { Budget } from "effect-budget"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { eventually } from "./eventually.ts"
import { type Counters, tokens } from "./user.ts"

/** A test by the real clock. What a store logs when it is in trouble is not for whoever reads the report. */
export const live = <E>(name: string, body: () => Effect.Effect<void, E, Scope.Scope>): void =>
  it.live(name, () => quietly(body()), 60_000)

export const quietly = Effect.provideService(References.MinimumLogLevel, "None")

export const spend = (budget: Budget.Budget, estimate: number, actual = estimate) =>
  budget.spend({ estimate: tokens(estimate), actual: () => tokens(actual) })(Effect.void)

/** A call that is open until its end is told. */
export const openCall = Effect.fnUntraced(function* (budget: Budget.Budget, estimate: number, actual: number) {
  const begun = yield* Deferred.make<void>()
  const end = yield* Deferred.make<void>()
  const call = yield* Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(end)).pipe(
    budget.spend({ estimate: tokens(estimate), actual: () => tokens(actual) }),
    Effect.forkChild
  )
  yield* Deferred.await(begun)
  return Effect.andThen(Deferred.succeed(end, undefined), Fiber.join(call))
})

export const eventsOf = Effect.fnUntraced(function* (budget: Budget.Budget) {
  const told: Array<string> = []
  yield* Effect.forkScoped(
    Stream.runForEach(budget.events, ({ _tag }) => Effect.sync(() => void told.push(_tag))),
    { startImmediately: true }
  )
  return told
})

export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const since = performance.now()
    return Effect.map(effect, (value) => ({ value, millis: performance.now() - since }))
  })

/** Counters as they have to be, in the end. What was heard before does not count. */
export const become = (counters: Effect.Effect<Counters>, expected: Partial<Counters>) =>
  Effect.suspend(() => {
    const since = Date.now()
    return eventually(counters, (seen) => {
      assert.deepStrictEqual({ ...seen, ...expected }, seen)
      assert.isAtLeast(seen.asOf, since)
    })
  })

/** The limits of the key of all tests: a cap on tokens, and how many calls are open. */
export const used = (cap: number, concurrency: number): Partial<Counters> => ({
  used: [cap, concurrency],
  open: concurrency
})

/** How much earlier something may seem to happen, because clocks count whole milliseconds. */
export const ROUNDING_MILLIS = 2
